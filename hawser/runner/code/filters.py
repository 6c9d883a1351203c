"""Filters of git, through which files pass when they are checked out (gitattributes(5)), and missing ones."""

from __future__ import annotations

import os
import re

from ..rows import some
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

    from ..system import Finished, System

# Files that a message names.
NAMED = 3
# Debian's packages that bring a filter and set it for the whole host.
PACKAGES = {"lfs": "git-lfs"}
# What git says of a filter that it could not run, or of a file that it could not encode (convert.c), and goes on.
FAILED = re.compile(
    r"^(?:error|fatal): (?P<what>(?:cannot fork to run )?external filter .*|.*: smudge filter .* failed"
    r"|initialization for subprocess .* failed|failed to encode .* from UTF-8 to .*)$",
    re.MULTILINE,
)


def refuse_failed(output: str, pushed: bool) -> None:
    """Refuse a checkout in which git has left a file as it is stored, for its filter has failed.

    :param output: what git said while it checked the files out.
    :param pushed: the commit was sent from the controlling machine.
    :raises Failure: says what git said.
    """
    found = FAILED.search(output)
    if not found:
        return
    if pushed and "lfs" in found.group("what"):
        raise Failure(
            "git's filter lfs fails: what Git LFS keeps lies on the repository's server, and commits that are sent from"
            " the controlling machine bring nothing of it along",
            output,
        )
    raise Failure("files of the code would stay as git stores them: %s" % found.group("what"), output)


def refuse_missing(system: System, path: str) -> None:
    """Refuse a working copy, or one of its submodules, with files of a filter that this host's git does not know.

    Git itself leaves such files as it stores them, and says nothing.

    :raises Failure: names the filters, their files and what to do.
    """
    missing: Dict[str, List[str]] = {}
    for folder in working_copies(system, path):
        for name, files in filtered(system, folder).items():
            if not is_set(system, folder, name):
                missing.setdefault(name, []).extend(os.path.relpath(os.path.join(folder, each), path) for each in files)
    if missing:
        raise Failure("; ".join(told(name, files) for name, files in sorted(missing.items())))


def told(name: str, files: List[str]) -> str:
    """Say that a filter is missing, and for which files."""
    brought = " (the package %s brings it)" % PACKAGES[name] if name in PACKAGES else ""
    text = "git's filter %s is missing on this host%s, and without it %s would stay as git stores them"
    return text % (name, brought, some(files, NAMED))


def git(system: System, folder: str, *words: str, stdin: str = "") -> Finished:
    return system.run(["git", "-C", folder, *words], stdin=stdin, check=False, apart=True, whole=True)


def working_copies(system: System, path: str) -> List[str]:
    """Return the folders of a working copy and of the submodules that are checked out in it."""
    found = [path]
    rows = git(system, path, "ls-files", "-z", "--stage").output.split("\0")
    for inner in (row.partition("\t")[2] for row in rows if row.startswith("160000 ")):
        if os.path.lexists(os.path.join(path, inner, ".git")):
            found += working_copies(system, os.path.join(path, inner))
    return found


def filtered(system: System, folder: str) -> Dict[str, List[str]]:
    """Return the files that pass through filters, by the name of the filter."""
    if git(system, folder, "grep", "--cached", "-q", "filter=", "--", ":(glob)**/.gitattributes").code:
        # Nothing more is asked of the many repositories without a filter.
        return {}
    names = git(system, folder, "ls-files", "-z").output
    words = git(system, folder, "check-attr", "-z", "--stdin", "filter", stdin=names).output.split("\0")
    found: Dict[str, List[str]] = {}
    for file, name in zip(words[0::3], words[2::3]):
        if name not in ("unspecified", "unset", "set"):
            found.setdefault(name, []).append(file)
    return found


def is_set(system: System, folder: str, name: str) -> bool:
    """Tell whether git knows a command for a filter."""
    return any(git(system, folder, "config", "filter.%s.%s" % (name, way)).code == 0 for way in ("process", "smudge"))
