"""The files of a system's code: of a clone at one commit, or of the stand-in for it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol


class Tree(Protocol):
    """Files by their path from the top."""

    @property
    def files(self) -> list[str]: ...

    def text(self, path: str) -> str: ...


@dataclass(frozen=True)
class Clone:
    """A clone at one commit; which branch is checked out does not matter.

    :raises subprocess.CalledProcessError: the clone lacks the commit, or the file.
    """

    folder: Path
    commit: str

    def git(self, *words: str) -> str:
        argv = ["git", "-c", "safe.directory=*", "-C", str(self.folder), *words]
        return subprocess.run(argv, capture_output=True, check=True).stdout.decode("utf-8", "replace")

    @cached_property
    def files(self) -> list[str]:
        return sorted(self.git("ls-tree", "-r", "-z", "--name-only", self.commit).rstrip("\0").split("\0"))

    def text(self, path: str) -> str:
        return self.git("show", f"{self.commit}:{path}")


@dataclass(frozen=True)
class Folder:
    """A folder of this project, which holds a stand-in."""

    folder: Path

    @cached_property
    def files(self) -> list[str]:
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if "__pycache__" not in path.parts)

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()


def matching(tree: Tree, pattern: str) -> list[str]:
    """Return the paths that a regular expression fits as a whole."""
    return [path for path in tree.files if re.fullmatch(pattern, path)]


def read_all(tree: Tree, pattern: str) -> str:
    """Return the texts of all files whose path a regular expression fits, one after the other."""
    return "\n".join(tree.text(path) for path in matching(tree, pattern))


def found(pattern: str, text: str) -> list[str]:
    """Return what the group of a regular expression caught: each once, sorted."""
    return sorted(set(re.findall(pattern, text, re.M)))


def imported(tree: Tree, pattern: str, own: frozenset[str]) -> list[str]:
    """Return the top-level names that files import, without the standard library and the project's own.

    It reads lines: code for Python 2 has no syntax tree here.
    """
    import sys

    lines = found(r"^(?:import|from) +([A-Za-z_]\w*)", read_all(tree, pattern))
    return [name for name in lines if name not in sys.stdlib_module_names and name not in own]
