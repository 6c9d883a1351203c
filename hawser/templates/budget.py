"""The budget of a rendering: all that repeats or grows is counted, beforehand where one step could grow without end.

What a rendering may take is far more than any file on a server needs, and does not depend on how fast or busy a machine
is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping

import jinja2
from jinja2.utils import Cycler, Namespace

# What one rendering may take, in characters that are made on the way.
BUDGET = 20_000_000
# The longest value, in characters.
LONGEST = 4_000_000
# What an item of a list or a turn of a loop counts as, in characters; and what a call does.
STEP, CALL = 20, 200
# Seconds of work (not of waiting) for one rendering, for what takes long without growing.
SECONDS = 10.0
# Bits of the largest number that is let through: as much as any program's, and few enough that no table is slow because
# all of its numbers have the same place in it.
NUMBER = 64


class TooMuch(jinja2.TemplateRuntimeError):
    """A rendering takes more time or memory than any file needs."""

    def __init__(self, what: str = "it takes too long or becomes too large") -> None:
        super().__init__(f"{what}; is there a loop without an end?")


class Budget(threading.local):
    """The rest that the rendering of this thread may still take; nothing is counted outside of one."""

    left = 0
    until: float | None = None
    looked = 0

    def __enter__(self) -> None:
        self.left, self.until, self.looked = BUDGET, time.thread_time() + SECONDS, 0

    def __exit__(self, *_exception: object) -> None:
        self.until = None

    def spend(self, amount: int) -> None:
        """Count something.

        :raises TooMuch: this is more than is left.
        """
        if self.until is None:
            return
        self.left -= amount
        self.looked += 1
        if self.left < 0 or ((self.looked % 64 == 0 or amount > CALL) and time.thread_time() > self.until):
            raise TooMuch


budget = Budget()


def size(value: object) -> int:
    """Return how large a value is, in characters: all that is in it, each part as often as it is seen.

    :raises TooMuch: larger than any value needs to be, or it contains itself.
    """
    if isinstance(value, str | bytes):
        found = len(value) + 1
    else:
        found, left = 0, [value]
        while left:
            each = left.pop()
            found += STEP
            if isinstance(each, str | bytes):
                found += len(each)
            elif isinstance(each, list | tuple | set | frozenset):
                left += each
            elif isinstance(each, int):
                if each.bit_length() > NUMBER:
                    raise TooMuch("a number becomes too large")
            elif isinstance(each, Mapping):
                left += [*each.keys(), *each.values()]
            elif isinstance(each, Namespace):
                left.append(each._Namespace__attrs)
            elif isinstance(each, Cycler):
                left.append(each.items)
            if found + STEP * len(left) > LONGEST:
                break
    if found > LONGEST:
        raise TooMuch("a value becomes too large")
    return found


def counted(value: object) -> object:
    """Return a value that was made just now, counted; an iterator becomes a list."""
    if isinstance(value, Iterator):
        value = list(items(value))
    budget.spend(size(value))
    return value


def items(values: Iterable[object], extra: int = 0) -> Iterator[object]:
    """Yield values, and count the turns.

    :param extra: the characters that a turn writes besides.
    """
    for each in values:
        budget.spend(STEP + extra)
        yield each


def refuse_over(amount: int, limit: int = LONGEST) -> None:
    """Refuse a value that would become too large, before it is made.

    :raises TooMuch: it would.
    """
    if amount > limit:
        raise TooMuch("a value becomes too large")
