"""A commit that is sent from the controlling machine arrives as one that the host fetches itself."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from hawser.fleet.repository import bundle, resolve
from hawser.runner.code import checkout
from hawser.runner.code.mirror import Mirror

from ..conftest import whole

ME = pwd.getpwuid(os.getuid()).pw_name
WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false", "-c", "gc.auto=0")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *WHO, "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path):
    """A repository with three commits, the second of them tagged, and a branch from the first."""
    path = tmp_path / "origin"
    git(tmp_path, "init", "-q", "-b", "main", str(path))
    git(path, "config", "uploadpack.allowFilter", "true")
    for number in (1, 2, 3):
        (path / "app.py").write_text(f"v{number}\n")
        (path / f"only-{number}.txt").write_text(f"content of {number}\n")
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", f"v{number}")
        if number == 1:
            git(path, "branch", "side")
        if number == 2:
            git(path, "tag", "-a", "v2.0", "-m", "two")
            git(path, "tag", "light")
    return path


@pytest.fixture
def mirror(system, tmp_path):
    return Mirror(system, str(tmp_path / "mirror.git"))


@pytest.fixture
def deploy(system, tmp_path, mirror):
    """Send a revision of a repository and check it out; returns the working copy."""

    def deploy(repository: Path, revision: str = "main") -> Path:
        commit = resolve(repository, revision)
        data = bundle(repository, commit, mirror.tips())
        if data:
            (tmp_path / "sent").write_bytes(data)
            system.blobs[commit] = str(tmp_path / "sent")
        path = tmp_path / "releases" / commit[:10]
        path.parent.mkdir(exist_ok=True)
        fields = {"path": str(path), "mirror": mirror.path, "commit": commit, "bundle": commit}
        made = checkout.Checkout(whole("checkout", {**fields, "owner": ME, "group": ME}), system)
        made.apply(made.check())
        assert made.check() is None
        git(path, "status", "--porcelain")
        git(Path(mirror.path), "fsck", "--connectivity-only")
        return path

    return deploy


def cloned(tmp_path: Path, origin: Path, name: str, *options: str) -> Path:
    git(tmp_path, "clone", "-q", *options, f"file://{origin}", name)
    return tmp_path / name


def test_tags_come_along_for_whoever_describes_the_code(deploy, origin):
    path = deploy(origin)
    assert git(path, "describe").startswith("v2.0-1-g")
    assert git(path, "describe", "--tags", "HEAD~1") in ("v2.0", "light")


def test_a_tag_that_is_set_on_a_commit_of_the_host_comes_with_the_next_one(deploy, origin):
    deploy(origin)
    git(origin, "tag", "late", "main")
    git(origin, "tag", "-d", "v2.0", "light")
    git(origin, "tag", "-a", "v2.0/final", "-m", "a name that the old one leaves no room for", "main~1")
    git(origin, "commit", "-q", "--allow-empty", "-m", "v4")
    path = deploy(origin)
    assert git(path, "describe", "--tags").startswith("late-1-g")
    assert git(path, "describe").startswith("v2.0/final-2-g")


def test_tags_of_other_branches_stay_away(deploy, origin):
    git(origin, "tag", "elsewhere", git(origin, "commit-tree", "main^{tree}", "-m", "no part of it"))
    assert git(deploy(origin), "tag", "--list").split() == ["light", "v2.0"]


@pytest.mark.parametrize("depth", ["1", "2"])
def test_a_shallow_clone_is_deployed(deploy, mirror, origin, tmp_path, depth):
    path = deploy(cloned(tmp_path, origin, "shallow", "--depth", depth))
    assert (path / "app.py").read_text() == "v3\n"
    assert git(path, "rev-list", "--count", "HEAD") == depth
    assert len(Path(mirror.shallow()).read_text().split()) == 1


def test_one_shallow_clone_after_the_other_is_deployed(deploy, origin, tmp_path):
    deploy(cloned(tmp_path, origin, "first", "--depth", "1"))
    git(origin, "commit", "-q", "--allow-empty", "-m", "v4")
    git(origin, "commit", "-q", "--allow-empty", "-m", "v5")
    assert git(deploy(cloned(tmp_path, origin, "second", "--depth", "1")), "log", "--format=%s") == "v5"


def test_after_a_shallow_clone_a_whole_one_brings_its_history(deploy, mirror, origin, tmp_path):
    deploy(cloned(tmp_path, origin, "shallow", "--depth", "1"))
    git(origin, "checkout", "-q", "side")
    git(origin, "merge", "-q", "--no-ff", "-m", "merged", "main")
    path = deploy(origin, "side")
    assert git(path, "rev-list", "--count", "HEAD") == "4"
    assert git(path, "describe").startswith("v2.0-")
    assert not Path(mirror.shallow()).exists()


def test_after_a_whole_clone_a_shallow_one_leaves_its_history_as_it_is(deploy, mirror, origin, tmp_path):
    deploy(origin)
    git(origin, "commit", "-q", "--allow-empty", "-m", "v4")
    path = deploy(cloned(tmp_path, origin, "shallow", "--depth", "1"))
    assert git(path, "rev-list", "--count", "HEAD") == "4"
    assert not Path(mirror.shallow()).exists()


def test_a_run_that_died_while_a_shallow_clone_was_taken_is_made_good(deploy, mirror, origin, tmp_path, monkeypatch):
    clone = cloned(tmp_path, origin, "shallow", "--depth", "1")
    with monkeypatch.context() as patched:
        patched.setattr(Mirror, "has_parents", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deploy(clone)
    assert (deploy(clone) / "app.py").read_text() == "v3\n"


@pytest.mark.parametrize("what", ["blob:none", "tree:0"])
def test_a_partial_clone_fetches_what_it_lacks_and_is_deployed(deploy, origin, tmp_path, what):
    path = deploy(cloned(tmp_path, origin, "partial", f"--filter={what}", "--no-checkout"))
    assert (path / "app.py").read_text() == "v3\n"
    assert git(path, "show", "HEAD~2:app.py") == "v1"


def test_a_clone_of_a_single_branch_is_deployed(deploy, origin, tmp_path):
    path = deploy(cloned(tmp_path, origin, "single", "--single-branch", "--no-tags", "-b", "side"), "side")
    assert (path / "app.py").read_text() == "v1\n"
