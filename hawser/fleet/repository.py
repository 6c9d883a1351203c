"""A repository on the controlling machine, for hosts that cannot reach one themselves."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import HawserError


def location(repo: str, base: Path) -> Path:
    """Return the folder of a local repository.

    :param repo: a path, relative to `base`, the folder that holds the folder of the environment files.
    :raises HawserError: there is no repository.
    """
    path = (base / Path(repo).expanduser()).resolve()
    if not path.is_dir():
        raise HawserError(f"app.repo: there is no folder {repo} on this machine", code=2)
    if git(path, "rev-parse", "--git-dir", check=False).returncode:
        raise HawserError(f"app.repo: {repo} is no git repository", code=2)
    return path


def git(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder.

    :raises HawserError: it failed, with what it said.
    """
    result = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    if check and result.returncode:
        raise HawserError(f"git {words[0]} in {folder}: {result.stderr.decode('utf-8', 'replace').strip()}")
    return result


def resolve(folder: Path, revision: str) -> str:
    """Return the full hash of a branch, a tag, or a commit.

    :raises HawserError: there is none, or a short hash fits several.
    """
    for name in (revision, f"origin/{revision}"):
        found = git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
        if found.returncode == 0:
            return found.stdout.decode().strip()
    said = git(folder, "rev-parse", "--verify", f"{revision}^{{commit}}", check=False).stderr.decode("utf-8", "replace")
    ambiguous = re.search("short (object ID|SHA1)", said)
    why = "a short hash that fits several commits" if ambiguous else "no branch, tag or commit"
    raise HawserError(f"{revision} is {why} in {folder} on this machine; nothing was touched", code=2)


def bundle(folder: Path, commit: str, have: Sequence[str]) -> bytes:
    """Return a git bundle of a commit without the objects that a host has; empty when it has the commit.

    :param have: commits that the host has; those unknown here are left out.
    """
    if commit in have:
        return b""
    known = [each for each in have if git(folder, "cat-file", "-e", f"{each}^{{commit}}", check=False).returncode == 0]
    with tempfile.TemporaryDirectory() as scratch:
        # A bundle carries refs, and the user's repository must not get one of ours: borrow its objects.
        borrowed = Path(scratch)
        objects = git(folder, "rev-parse", "--path-format=absolute", "--git-path", "objects").stdout.decode().strip()
        git(borrowed, "init", "--quiet", "--bare", ".")
        (borrowed / "objects" / "info" / "alternates").write_text(objects + "\n")
        git(borrowed, "update-ref", "refs/heads/hawser", commit)
        if git(borrowed, "rev-list", "-1", commit, *[f"^{each}" for each in known]).stdout.strip() == b"":
            # Everything is there, only not as a tip; say so with the commit itself.
            known = []
        return git(borrowed, "bundle", "create", "-", "refs/heads/hawser", *[f"^{each}" for each in known]).stdout
