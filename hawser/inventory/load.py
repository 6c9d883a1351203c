"""The environment files of a folder; each is read when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from hawser.errors import InputErrors, Problem, UnknownTarget

from .base import did_you_mean
from .documents import Document, label, read_documents
from .parse import parse
from .schema import Environment
from .targets import Selection, members, select


class Inventory:
    """The environment files of a folder.

    :param folder: where they lie; ``example.toml`` is documentation and none of them.
    :param default: the environment in which bare names are looked up first; one that does not exist is ignored.
    """

    def __init__(self, folder: Path, default: str | None = None) -> None:
        self.folder = folder
        self._default = default
        self._documents: dict[str, tuple[Document, ...]] = {}
        self._environments: dict[str, Environment] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all environments, sorted."""
        paths = self.folder.glob("*.toml")
        return tuple(sorted(path.stem for path in paths if path.name != "example.toml" and path.name[0] != "."))

    @property
    def default(self) -> str | None:
        """The environment in which bare names are looked up first, if there is one."""
        return self._default if self._default in self.names else None

    def documents(self, name: str) -> tuple[Document, ...]:
        """Return the tables of an environment, unchecked, its own file first.

        :raises UnknownTarget: when there is no such environment.
        :raises InputErrors: when a file cannot be read.
        """
        if name not in self._documents:
            if name not in self.names:
                otherwise = f"known: {', '.join(self.names)}" if self.names else f"{label(self.folder)} holds no *.toml"
                raise UnknownTarget(f"unknown environment {name!r} ({did_you_mean(name, self.names, otherwise)})")
            self._documents[name] = read_documents(self.folder / f"{name}.toml")
        return self._documents[name]

    def environment(self, name: str) -> Environment:
        """Return an environment with every default filled in.

        :raises UnknownTarget: when there is no such environment.
        :raises InputErrors: for everything that is wrong with it, all at once.
        """
        if name not in self._environments:
            self._environments[name] = parse(name, self.documents(name))
        return self._environments[name]

    def members(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the groups and the hosts of an environment; see :func:`.targets.members`."""
        return members(self, name)

    def select(self, names: Sequence[str]) -> Selection:
        """Return the environment and the hosts that the names after ``-H`` stand for; see :func:`.targets.select`."""
        return select(self, names)


def load_inventory(folder: Path, default: str | None = None) -> Inventory:
    """Return the inventory of a folder; no file is read yet.

    :param default: the environment in which bare names are looked up first.
    :raises InputErrors: when there is no such folder.
    """
    if not folder.is_dir():
        hint = "`hawser.hosts` in fabric.yaml, or HAWSER_HOSTS, names the folder of the environment files"
        raise InputErrors([Problem(label(folder), "", "no such folder", hint)])
    return Inventory(folder, default)
