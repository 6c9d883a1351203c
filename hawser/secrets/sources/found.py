"""What a source of secrets says, and what every source can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from hawser.errors import InputErrors, Problem


@dataclass(frozen=True)
class Found:
    """What a source says.

    :param values: by name, all that it holds or those that it was asked for; one may be empty.
    :param failed: it could not say what it holds, so nobody knows what is missing there.
    """

    values: Mapping[str, str] = field(repr=False)
    problems: tuple[Problem, ...] = ()
    failed: bool = False


class Source(Protocol):
    """A place where a team keeps secrets; one object of it is made in a run, and asks once."""

    @property
    def name(self) -> str:
        """Its name in what is told: a file's without its folder, a command as it is typed."""

    @property
    def label(self) -> str:
        """Its name where something is wrong with it: a path as seen from here."""

    @property
    def one_by_one(self) -> bool:
        """Whether it is asked for each secret by itself, so that one question more takes time, or a PIN."""

    def ask(self, names: Sequence[str]) -> Found:
        """Return what it holds; values are kept in memory alone.

        :param names: the secrets that are still to be found.
        """

    def advice(self, name: str) -> str:
        """Return how a secret gets there, as the hint of a problem."""


@runtime_checkable
class Store(Source, Protocol):
    """A source in which Hawser keeps the secrets that it makes."""

    @property
    def shared(self) -> str:
        """How others get what was kept there, as the end of a sentence; it may be empty."""

    def exists(self) -> bool:
        """Whether it is there at all."""

    def add(self, new: Mapping[str, str]) -> dict[str, str]:
        """Keep those values that it lacks, and return all that it holds then.

        :raises InputErrors: it cannot be written.
        """

    def turn(self, held: Mapping[str, str | None], new: Mapping[str, str | None]) -> None:
        """Have other values take the place of some, all in one step.

        :param held: what it must say before, or nothing is changed; None: nothing of that name.
        :param new: what it says then; None: nothing of that name.
        :raises InputErrors: it cannot be written, or says something else by now.
        """


def refuse_others(values: Mapping[str, str], held: Mapping[str, str | None], label: str) -> None:
    """Stop where a source says something else of some names than was read there before.

    :raises InputErrors: names them.
    """
    if changed := [name for name, value in held.items() if (values.get(name) or None) != value]:
        message = "was changed meanwhile; it stays as it is now"
        raise InputErrors([Problem(label, name, message, "the same command again") for name in changed])
