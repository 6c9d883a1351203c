"""`hawser new`, and a deploy of what it wrote: nobody edits a line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import PROJECT, Fleet, commit_everything

APPLICATION = PROJECT / "tests" / "hosts" / "apps" / "mysite"
DOMAIN = "www.example.org"


@pytest.fixture(scope="module")
def site() -> Iterator[Fleet]:
    """A Django site in a subfolder of its repository, and the files that were written for it beside Hawser."""
    folder = Path(tempfile.mkdtemp(prefix="hawser-new-"))
    fleet = Fleet(folder, "newsite")
    shutil.copytree(APPLICATION, fleet.repository / "web", ignore=shutil.ignore_patterns("__pycache__"))
    commit_everything(fleet.repository)
    program = Path(sys.executable).parent / "hawser"
    words = ["new", "--checkout", str(fleet.repository), "--name", fleet.name, "--domain", DOMAIN, "--sandbox"]
    written = subprocess.run(
        [program, *words], cwd=PROJECT, env=fleet.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert written.returncode == 0, written.stderr
    try:
        fleet.fab("-H", fleet.name, "sandbox.up", timeout=300)
        yield fleet
    finally:
        fleet.fab("-H", fleet.name, "sandbox.down", code=None)
        shutil.rmtree(folder)


def test_a_checkout_is_deployed_as_new_has_described_it(site: Fleet) -> None:
    assert 'directory = "web"' in site.text and "OPEN" not in site.text
    assert "serves on web1" in site.fab("-H", site.name, "bootstrap", "deploy").stdout
    answer = site.visit("web1", "/", domain=DOMAIN)
    assert (answer.status, answer.body) == (200, "Hello, securely. 0 users.")
    assert site.visit("web1", "/static/site.css", domain=DOMAIN).body == "body { font-family: serif; }\n"


def test_its_database_is_none_of_the_release(site: Fleet) -> None:
    assert "data/newsite.sqlite3" in site.text
    assert site.inside("web1", "find", f"/srv/{site.name}", "-name", "*.sqlite3").split() == [
        f"/srv/{site.name}/data/newsite.sqlite3"
    ]
