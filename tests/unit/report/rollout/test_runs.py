"""What the real program leaves of a deploy that does not get far."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[4]
SHOP = """
[app]
name = "shop"
repo = "."
[env]
generated = ["SECRET_KEY"]
[hosts.web1]
address = "127.0.0.1"
port = {port}
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJCXIBMV1YoAOHTbHcXyMkrXdrXYJYkRJYAF1ev1hsGE"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with an environment whose only host listens nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    folder = tmp_path / "project"
    (folder / "hosts").mkdir(parents=True)
    (folder / "hosts" / "shop.toml").write_text(SHOP.format(port=port))
    secrets = folder / "hosts" / "shop.env"
    secrets.write_text(f"SECRET_KEY=s3cret-of-the-shop\nHAWSER_SIGNING_KEY={'A' * 43}\n")
    secrets.chmod(0o600)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.test"]
    for words in (["init", "-q", "-b", "main"], ["add", "hosts/shop.toml"], ["commit", "-q", "-m", "The shop"]):
        subprocess.run([*git, *words], check=True)
    return folder


def hawser(project: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"HAWSER_ROLLOUTS": str(project.parent / "rollouts"), "HAWSER_OUTPUT": "plain", **environ}
    argv = [sys.executable, "-c", "from hawser.program import main; main()", *words]
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "HOME": str(project.parent), **given}
    return subprocess.run(argv, cwd=project, env=variables, capture_output=True, text=True, timeout=120)


def left(project: Path) -> list[str]:
    return sorted(path.suffix for path in (project.parent / "rollouts").glob("shop/shop/*"))


def test_a_deploy_that_reaches_no_host_leaves_a_page_and_annotations_in_a_job_of_github(project: Path) -> None:
    result = hawser(project, "-H", "shop", "deploy", GITHUB_ACTIONS="true")
    assert result.returncode == 1, result.stdout + result.stderr
    assert left(project) == [".html", ".jsonl"]
    lines = result.stdout.splitlines()
    assert any(line.startswith("report  ") for line in lines)
    told = [line for line in lines if line.startswith("::error file=hosts/shop.toml,line=1,title=web1%3A broken off::")]
    assert len(told) == 1 and "s3cret-of-the-shop" not in result.stdout
    [page] = (project.parent / "rollouts").glob("shop/shop/*.html")
    assert "web1</span> broken off" in page.read_text()


def test_what_is_refused_as_it_was_typed_leaves_no_page_and_a_look_leaves_nothing(project: Path) -> None:
    assert hawser(project, "-H", "shop", "status").returncode == 1
    assert hawser(project, "-R", "-H", "shop", "deploy").returncode == 1
    assert left(project) == []
    (project / "hosts" / "shop.env").unlink()
    result = hawser(project, "-H", "shop", "deploy")
    assert result.returncode == 2 and "report  " not in result.stdout
    assert ".html" not in left(project)


def test_json_begins_with_what_it_is_about_and_ends_with_where_the_page_lies(project: Path) -> None:
    import json

    result = hawser(project, "-H", "shop", "deploy", HAWSER_OUTPUT="json", GITHUB_ACTIONS="true")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0]["t"] == "begin" and rows[0]["format"] == 1 and rows[0]["file"] == "hosts/shop.toml"
    assert Path(rows[-1]["report"]).suffix == ".html" and Path(rows[-1]["report"]).is_file()
