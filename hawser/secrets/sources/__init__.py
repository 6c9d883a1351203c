"""Where the secrets of an environment are looked up, and where those that Hawser makes are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hawser.inventory import Environment
from hawser.inventory.tables.app import FORMER, NEXT, SIGNING_KEY

from .age import AgeFile
from .command import Command
from .dotenv import DotenvFile
from .found import Found, Source, Store
from .process import Variables

__all__ = ["Found", "Source", "Sources", "Store", "in_file", "sources_of", "turning_names"]


@dataclass(frozen=True)
class Sources:
    """The sources of an environment, in the order in which they are asked."""

    each: tuple[Source, ...]

    @cached_property
    def store(self) -> Store | None:
        """The first of them in which Hawser can keep something."""
        return next((each for each in self.each if isinstance(each, Store)), None)

    @property
    def name(self) -> str:
        """All of them by their names."""
        return " or ".join(each.name for each in self.each)

    @property
    def label(self) -> str:
        """All of them as they are named where something is wrong."""
        return " or ".join(each.label for each in self.each)

    def advice(self, name: str) -> str:
        """Return how a secret gets into one of them."""
        return ", or ".join(each.advice(name) for each in self.each)


def in_file(path: Path) -> Sources:
    """Return a file as the only source."""
    return Sources((DotenvFile(path),))


def turning_names(environment: Environment) -> tuple[str, ...]:
    """Return the names under which values stand beside secrets while others take their place."""
    return tuple(name + end for name in environment.env.secrets for end in (NEXT, FORMER))


# By their names in `secrets.sources`; each is made of the environment and the folder of its file.
SOURCES: Mapping[str, Callable[[Environment, Path], Source]] = {
    "age": lambda environment, folder: AgeFile(folder / f"{environment.name}.env.age", environment.name),
    "command": lambda environment, folder: Command(
        environment.secrets.command,
        environment.secrets.timeout,
        folder.parent,
        (*environment.env.generated, SIGNING_KEY, *turning_names(environment)),
    ),
    "file": lambda environment, folder: DotenvFile(folder / f"{environment.name}.env"),
    "variables": lambda environment, folder: Variables(
        environment.secrets.prefix or "", (*environment.env.secrets, SIGNING_KEY, *turning_names(environment))
    ),
}


def sources_of(environment: Environment, folder: Path) -> Sources:
    """Return the sources that an environment names; nothing is asked yet.

    :param folder: that of the environment files.
    """
    return Sources(tuple(SOURCES[name](environment, folder) for name in environment.secrets.sources))
