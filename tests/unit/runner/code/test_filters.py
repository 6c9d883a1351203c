"""Files that git keeps by a filter arrive as the code knows them, or the checkout fails by name."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from hawser.runner.code import checkout
from hawser.runner.system import Failure, System

from ..conftest import whole

ME = pwd.getpwuid(os.getuid()).pw_name
WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
# A repository may name filters that its author has and we have not.
AUTHOR = ("-c", "filter.lfs.required=false", "-c", "filter.lfs.process=", "-c", "filter.lfs.clean=", *WHO)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *AUTHOR, "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, attributes: str, name: str = "a.bin") -> str:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / ".gitattributes").write_text(attributes)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("stored\n")
    (folder / "plain.txt").write_text("plain\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "files")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A host's git with settings of its own, which knows no filter but these."""
    (tmp_path / "home").mkdir()
    original = System.environment

    def environment(self, user="", env=None):
        variables = {**original(self, user, env), "HOME": str(tmp_path / "home"), "GIT_CONFIG_NOSYSTEM": "1"}
        return {**variables, "GIT_ALLOW_PROTOCOL": "file"}

    monkeypatch.setattr(System, "environment", environment)

    def settings(text: str) -> None:
        (tmp_path / "home" / ".gitconfig").write_text(text)

    return settings


@pytest.fixture
def checked_out(system, home, tmp_path):
    def checked_out(folder: Path, revision: str) -> Path:
        fields = {"path": str(tmp_path / "source"), "mirror": str(tmp_path / "mirror.git"), "commit": revision}
        fields |= {"named": revision, "repo": str(folder), "owner": ME, "group": ME}
        made = checkout.Checkout(whole("checkout", fields), system)
        made.apply(made.check())
        assert made.check() is None
        return tmp_path / "source"

    return checked_out


@pytest.mark.parametrize(
    ("attributes", "name", "says"),
    [
        ("*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin", "the package git-lfs brings it"),
        ("secrets/** filter=git-crypt diff=git-crypt\n", "secrets/key", "filter git-crypt is missing"),
        ("[attr]big filter=lfs\n*.bin big\n", "a.bin", "the package git-lfs brings it"),
        ("*.ipynb filter=nbstripout\n", "ä b.ipynb", "filter nbstripout is missing"),
    ],
    ids=["lfs", "git-crypt", "macro", "clean-only"],
)
def test_a_filter_that_the_host_lacks_is_named_with_its_files(checked_out, tmp_path, attributes, name, says):
    revision = commit(tmp_path / "origin", attributes, name)
    filter_name = "git-crypt" if "git-crypt" in attributes else "nbstripout" if "nb" in attributes else "lfs"
    with pytest.raises(Failure) as caught:
        checked_out(tmp_path / "origin", revision)
    message = caught.value.message
    assert f"git's filter {filter_name} is missing on this host" in message and name in message and says in message
    assert "plain.txt" not in message
    assert not (tmp_path / "source.complete").exists()


def test_a_filter_of_a_submodule_counts(checked_out, tmp_path):
    library = tmp_path / "library"
    commit(library, "*.dat filter=lfs\n", "data.dat")
    commit(tmp_path / "origin", "")
    git(tmp_path / "origin", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    git(tmp_path / "origin", "commit", "-q", "-m", "library")
    with pytest.raises(Failure, match=r"git's filter lfs is missing on this host .* it lib/data\.dat would"):
        checked_out(tmp_path / "origin", git(tmp_path / "origin", "rev-parse", "HEAD"))


def test_a_filter_that_the_host_has_gives_the_files_their_contents(checked_out, home, tmp_path):
    home('[filter "lfs"]\n\tsmudge = tr a-z A-Z\n\trequired = true\n')
    revision = commit(tmp_path / "origin", "*.bin filter=lfs\n")
    assert (checked_out(tmp_path / "origin", revision) / "a.bin").read_text() == "STORED\n"


def test_a_filter_without_effect_is_as_good_as_any(checked_out, home, tmp_path):
    home('[filter "nbstripout"]\n\tsmudge = cat\n')
    revision = commit(tmp_path / "origin", "*.bin filter=nbstripout\n*.txt -filter\n")
    assert (checked_out(tmp_path / "origin", revision) / "a.bin").read_text() == "stored\n"


@pytest.mark.parametrize("required", ["true", "false"])
@pytest.mark.parametrize("program", ["no-such-program-here", "false"])
def test_a_filter_that_fails_is_told_whether_git_minds_it_or_not(checked_out, home, tmp_path, program, required):
    home(f'[filter "lfs"]\n\tsmudge = {program}\n\trequired = {required}\n')
    revision = commit(tmp_path / "origin", "*.bin filter=lfs\n")
    with pytest.raises(Failure, match=r"would stay as git stores them: .*(no-such-program-here|false|lfs)"):
        checked_out(tmp_path / "origin", revision)


def test_a_file_in_an_encoding_that_the_host_does_not_know_is_told(checked_out, tmp_path):
    commit(tmp_path / "origin", "")
    (tmp_path / "origin" / ".gitattributes").write_text("*.bin working-tree-encoding=NO-SUCH-CODE\n")
    git(tmp_path / "origin", "add", ".gitattributes")
    git(tmp_path / "origin", "commit", "-q", "-m", "encoding")
    with pytest.raises(Failure, match=r"would stay as git stores them: failed to encode 'a\.bin'"):
        checked_out(tmp_path / "origin", git(tmp_path / "origin", "rev-parse", "HEAD"))
