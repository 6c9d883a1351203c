"""Answers whose number of rows others decide: the service user, whoever fills a queue, or whoever connects."""

from __future__ import annotations

import collections
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Counter, Hashable, List, Sequence, TypeVar

    from .specs.answers import Counted

    T = TypeVar("T")

# Rows of an answer, and what they may weigh: the controlling machine takes a host that says much more for a broken one.
MOST_ROWS = 1000
LONGEST_ANSWER = 4 << 20
# What a value weighs at least, in bytes: it costs memory there, however short it is written.
VALUE = 20
# Names that a message gives of many.
NAMED = 5


def weight(value: object) -> int:
    """Return the weight of a value in an answer: its bytes as JSON, or more where it has many parts."""
    text = json.dumps(value)
    return max(len(text), VALUE * sum(text.count(each) for each in ",[{"))


def counted(rows: Sequence[T], total: int) -> Counted[T]:
    """Return as many rows as an answer may have, and how many more there are.

    :param rows: those first that count.
    :param total: how many there are, where these are not all.
    """
    kept: List[T] = []
    room = LONGEST_ANSWER
    for row in rows[:MOST_ROWS]:
        size = weight(row)
        if size <= room:
            room -= size
            kept.append(row)
    return {"rows": kept, "more": total - len(kept)}


def by_turns(rows: Sequence[T], whose: Callable[[T], Hashable]) -> List[T]:
    """Order rows so that nobody's many come before the few of others: everybody's first, everybody's second, …"""
    taken: Counter[Hashable] = collections.Counter()
    turns = []
    for row in rows:
        turns.append((taken[whose(row)], row))
        taken[whose(row)] += 1
    return [row for _turn, row in sorted(turns, key=lambda each: each[0])]


def some(names: Sequence[str], most: int = NAMED) -> str:
    """Name a few, and count the rest."""
    more = len(names) - most
    return ", ".join(names[:most]) + (" and %d more" % more if more > 0 else "")
