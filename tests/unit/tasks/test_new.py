"""`hawser new` as it is typed: the files it writes, and those it leaves alone."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from hawser.inventory import read_environment

from ..new.conftest import DJANGO, commit

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (sys.executable, "-c", "from hawser.program import main; main()")
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"}


def typed(folder, *words):
    """Type a command without a terminal."""
    return subprocess.run(
        [*PROGRAM, *words], cwd=folder, env=ENV, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def code(tmp_path):
    return commit(tmp_path / "shop", {**DJANGO, ".gitignore": "*.pyc\n"})


def test_all_files_are_written_without_a_terminal_and_what_is_open_is_said(code):
    result = typed(code, "new")
    assert result.returncode == 0, result.stderr
    assert "open: site.domains:" in result.stdout
    environment = read_environment(code / "hosts" / "shop.toml")
    assert (environment.app.repo, environment.processes["web"].health.path) == (".", "/healthz/")
    assert (code / ".gitignore").read_text() == "*.pyc\nhosts/*.env\nhosts/**/*.key\n"
    assert "from hawser import namespace" in (code / "fabfile.py").read_text()
    assert "SHOP_KEY" in (code / "hosts" / "shop.env.example").read_text()


@pytest.mark.parametrize(("branch", "expected"), [("master", "master"), ("main", "main")])
def test_a_commit_that_is_checked_out_without_a_branch_is_deployed_from_one_that_has_it(code, branch, expected):
    for words in (("branch", "-q", "-m", branch), ("checkout", "-q", "--detach")):
        subprocess.run(["git", *words], cwd=code, check=True)
    result = typed(code, "new")
    assert read_environment(code / "hosts" / "shop.toml").app.branch == expected
    assert ("open: app.branch: no branch is checked out" in result.stdout) is (branch == "master")


def test_an_environment_that_is_there_is_not_written_over(code):
    typed(code, "new")
    path = code / "hosts" / "shop.toml"
    path.write_text("mine")
    result = typed(code, "new")
    assert result.returncode == 2 and "already there; nothing was written" in result.stderr
    assert path.read_text() == "mine"
    assert typed(code, "new", "--overwrite").returncode == 0 and path.read_text() != "mine"


def test_a_failing_read_leaves_nothing_behind(tmp_path):
    folder = commit(tmp_path / "library", {"setup.py": ""})
    result = typed(folder, "new")
    assert result.returncode == 2 and "no web application" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == [".git", "setup.py"]


def test_a_dry_run_shows_the_file_and_writes_none(code):
    result = typed(code, "-R", "new")
    assert result.returncode == 0 and "[env.variables]" in result.stdout
    assert not (code / "hosts").exists()


def test_an_older_fabfile_stays_and_a_host_of_the_sandbox_needs_no_address(code):
    (code / "fabfile.py").write_text("from fabric.api import run\n")
    assert typed(code, "new", "--sandbox", "--domain", "shop.test").returncode == 0
    assert (code / "fabfile.py").read_text() == "from fabric.api import run\n"
    text = (code / "hosts" / "shop.toml").read_text()
    assert "sandbox = true" in text and "OPEN" not in text


@pytest.mark.parametrize(
    ("files", "release"),
    [
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\n'}, '"trixie"'),
        ({"package.json": '{"scripts": {"build": "x"}, "engines": {"node": ">=20"}}'}, '"trixie"'),
        ({"package.json": '{"scripts": {"build": "x"}, "engines": {"node": ">=18"}}'}, "true"),
    ],
)
def test_a_host_of_the_sandbox_has_the_python_and_the_node_that_the_code_wants(code, files, release):
    commit(code, files)
    assert typed(code, "new", "--sandbox").returncode == 0
    assert f"sandbox = {release}\n" in (code / "hosts" / "shop.toml").read_text()


def test_what_is_open_is_asked_for_at_a_terminal(code):
    leader, follower = pty.openpty()
    process = subprocess.Popen([*PROGRAM, "new"], cwd=code, env=ENV, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    os.write(leader, b"shop.example.net\n10.0.0.5\n")
    assert process.wait(60) == 0
    os.close(leader)
    environment = read_environment(code / "hosts" / "shop.toml")
    assert environment.site.domains == ("shop.example.net",)
    assert environment.hosts["web1"].address == "10.0.0.5"


def test_a_file_is_checked_offline_without_secrets_and_hosts(code):
    typed(code, "new", "--sandbox")
    result = typed(code, "-H", "shop", "check", "--offline")
    assert (result.returncode, result.stdout) == (0, "note  nothing is wrong\n"), result.stderr
    assert not (code / "hosts" / "shop.env").exists()


def test_an_expression_that_nobody_knows_fails_the_offline_check(code):
    typed(code, "new")
    path = code / "hosts" / "shop.toml"
    path.write_text(path.read_text().replace("{{ site.domains |", "{{ site.domain |"))
    result = typed(code, "-H", "shop", "check", "--offline")
    assert result.returncode == 1 and "env.variables.SHOP_HOSTS" in result.stdout


def test_the_schema_is_printed_as_json_where_there_are_no_environments(tmp_path):
    assert json.loads(typed(tmp_path, "schema").stdout)["properties"]["app"]["properties"]["repo"]
