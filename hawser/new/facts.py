"""Values that were found in a checkout, and their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Loc = tuple[str, ...]
Value = str | int | bool | list[str] | dict[str, str]


@dataclass(frozen=True)
class Fact:
    """A value of a key.

    :param where: the file and line that say so; empty for what follows from nothing in the checkout.
    :param open: why it is not certain, as a sentence; empty where it is.
    """

    value: Value
    where: str = ""
    open: str = ""


@dataclass
class Draft:
    """An environment file in the making: facts by their keys, in the order in which they were found.

    :ivar notes: what was found and is no setting: hints for whoever completes the file.
    :ivar secrets: the secrets that a person must write, with what reads them.
    :ivar others: the variables that the code reads and can do without.
    :ivar node: the lowest Node that builds the assets; 0 where nothing says so.
    """

    facts: dict[Loc, Fact] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    node: int = 0

    def put(self, *loc: str, value: Value, where: str = "", open: str = "") -> None:
        """Put a value at a key; the first one stays."""
        self.facts.setdefault(loc, Fact(value, where, open))

    def answer(self, *loc: str, value: Value) -> None:
        """Put the value that a person has given at a key."""
        self.facts[loc] = Fact(value)

    def add(self, *loc: str, value: str, where: str = "") -> None:
        """Add an item to a list."""
        fact = self.facts.get(loc, Fact([]))
        assert isinstance(fact.value, list)
        if value not in fact.value:
            places = dict.fromkeys([*filter(None, fact.where.split(", ")), where] if where else [fact.where])
            self.facts[loc] = Fact([*fact.value, value], ", ".join(filter(None, places)), fact.open)

    def note(self, text: str) -> None:
        """Note a hint, once."""
        if text not in self.notes:
            self.notes.append(text)

    def open(self) -> Iterator[tuple[Loc, Fact]]:
        """Yield what is not certain."""
        return ((loc, fact) for loc, fact in self.facts.items() if fact.open)
