"""The checkout that is read: the files of its commit, bounded in number and size, and never through a link."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from hawser.errors import HawserError
from hawser.fleet.repository import git, told
from hawser.inventory.documents import read_file

MOST_FILES = 30_000
# Bytes of Python code that are looked through, all files together.
MOST_CODE = 40_000_000
# Characters of a line; minified files have whole programs on one.
LONGEST_LINE = 1000
# The folder in which packages lie apart from what else a repository holds, and are imported without its name.
SRC = "src"
# What is not run in production.
_ASIDE = re.compile(r"(^|/)(tests?|testing|docs?|examples?|migrations|versions|node_modules|vendor|\.[^/]+)/")
_TEST = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests|conftest|setup|noxfile|tasks_dev)\.py$")


class Checkout:
    """The files of a checkout.

    :param folder: its top folder.
    :raises HawserError: it is no git repository, or has no commit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise HawserError(f"there is no folder {folder}", next="hawser new --checkout FOLDER", code=2)
        asked = git(folder, "rev-parse", "--show-toplevel", check=False)
        if asked.returncode:
            raise HawserError(
                f"{folder} cannot be read as a git repository, and what is deployed is a commit: {told(asked)}",
                next=f"cd {folder} && git init && git add . && git commit, or --checkout FOLDER",
                code=2,
            )
        self.folder = Path(os.fsdecode(asked.stdout.rstrip(b"\n")))
        listed = git(self.folder, "ls-tree", "-r", "-z", "HEAD", check=False)
        if listed.returncode:
            raise HawserError(
                f"{self.folder} has no commit yet, and what is deployed is a commit",
                next=f"cd {self.folder} && git add . && git commit",
                code=2,
            )
        rows = listed.stdout.decode("utf-8", "replace").split("\0")[:MOST_FILES]
        split = [row.partition("\t") for row in rows if row]
        # Braces are of templates of projects, which are none themselves.
        self.files = tuple(
            path for mode, _tab, path in split if mode.startswith("100") and path.isprintable() and "{{" not in path
        )
        self.submodules = tuple(path for mode, _tab, path in split if mode.startswith("160000"))
        self._texts: dict[str, str] = {}
        self._trees: dict[str, ast.Module | None] = {}

    @cached_property
    def names(self) -> frozenset[str]:
        """The files, to look them up."""
        return frozenset(self.files)

    @cached_property
    def branch(self) -> str:
        """The branch that is checked out; empty when none is."""
        return self._asked("symbolic-ref", "--short", "-q", "HEAD")

    @cached_property
    def branches(self) -> tuple[str, ...]:
        """The branches that have the commit which is checked out."""
        return tuple(self._asked("for-each-ref", "--format=%(refname:short)", "--contains=HEAD", "refs/heads").split())

    @cached_property
    def origin(self) -> str:
        """The address that it was cloned from; empty for none."""
        return self._asked("config", "--get", "remote.origin.url")

    def _asked(self, *words: str) -> str:
        return git(self.folder, *words, check=False).stdout.decode("utf-8", "replace").strip()

    @cached_property
    def python(self) -> tuple[str, ...]:
        """The Python files of the application: no tests, no migrations."""
        found, total = [], 0
        for path in self.files:
            if path.endswith(".py") and not _ASIDE.search(path) and not _TEST.search(path):
                total += len(self.text(path))
                if total > MOST_CODE:
                    break
                found.append(path)
        return tuple(found)

    def text(self, path: str) -> str:
        """Return the text of a file; empty where it is none, too long, or lies behind a link."""
        if path not in self._texts:
            self._texts[path] = self._read(path) if path in self.names else ""
        return self._texts[path]

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        """Yield the lines of a file with their numbers, each as far as a person would write it."""
        return ((number, line[:LONGEST_LINE]) for number, line in enumerate(self.text(path).splitlines(), 1))

    def _read(self, path: str) -> str:
        place = self.folder / path
        try:
            if place.is_symlink() or not place.resolve().is_relative_to(self.folder.resolve()):
                return ""
            return read_file(place)
        except (OSError, UnicodeDecodeError):
            return ""

    def tree(self, path: str) -> ast.Module | None:
        """Return the syntax tree of a Python file; None where it is none."""
        if path not in self._trees:
            self._trees[path] = _parsed(self.text(path)) if path in self.names else None
        return self._trees[path]

    def module(self, name: str, base: str = "") -> str:
        """Return the file of a module, seen from a folder or from `src` in it; empty where the checkout has none."""
        stems = [str(PurePosixPath(base, *within, *name.split("."))) for within in ((), (SRC,))]
        found = (path for stem in stems for path in (f"{stem}.py", f"{stem}/__init__.py") if path in self.names)
        return next(found, "")

    def where(self, path: str, text: str) -> str:
        """Return the place of a text in a file: its line where it is found."""
        found = self.text(path).find(text)
        return f"{path}:{self.text(path).count(chr(10), 0, found) + 1}" if found >= 0 else path

    def inside(self, folder: str) -> tuple[str, ...]:
        """Return the files right in a folder."""
        prefix = f"{folder}/" if folder else ""
        return tuple(path for path in self.files if path.startswith(prefix) and "/" not in path[len(prefix) :])


def module_name(path: str) -> str:
    """Return the name by which a file is imported, seen from the folder that its path starts in."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
