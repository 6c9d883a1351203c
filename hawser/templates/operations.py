"""Operators and methods of values that count their results, and refuse those that would become too large."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from jinja2.sandbox import SandboxedFormatter

from .budget import STEP, TooMuch, budget, refuse_over, size

# How wide a text may be filled up, and how many digits a number may have after its point.
WIDEST = 10_000
# Bits of the largest number that is worked out.
BITS = 20_000
# Comparisons of one character with another that one search may take.
SEARCH = 10**8
PLAIN: tuple[type, ...] = (
    str, bytes, int, float, list, tuple, set, frozenset, range, Mapping, datetime.date, datetime.time,
    datetime.timedelta, type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip


def add(left: object, right: object) -> object:
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        refuse_over((len(left) + len(right)) * (1 if isinstance(left, str | bytes) else STEP))
    return operator.add(left, right)


def multiply(left: object, right: object) -> object:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, int) and isinstance(other, Sequence):
            refuse_over(size(other) * max(one, 0))
    if isinstance(left, int) and isinstance(right, int):
        refuse_over(left.bit_length() + right.bit_length(), BITS)
    return operator.mul(left, right)


def power(left: object, right: object) -> object:
    if isinstance(left, int) and isinstance(right, int):
        refuse_over(left.bit_length() * max(right, 0), BITS)
    return operator.pow(left, right)


def modulo(left: object, right: object) -> object:
    """Return a remainder, or a text with values in the places that ``%`` marks."""
    if isinstance(left, str | bytes):
        pattern = left if isinstance(left, str) else left.decode("latin-1")
        if "*" in pattern or re.search(r"\d{5}", pattern):
            raise TooMuch("a width is too large")
        values = right.values() if isinstance(right, Mapping) else right if isinstance(right, tuple) else (right,)
        widest = max((len(text(each)) for each in values), default=0)
        refuse_over(len(pattern) + pattern.count("%") * max(widest, 1))
    return operator.mod(left, right)


def text(value: object) -> str:
    """Return a value as text; one that contains itself, or the same many times, is too large for it."""
    if not isinstance(value, str):
        size(value)
    return str(value)


def joined(first: object, *rest: object) -> str:
    """Return texts one after the other, as ``~`` does."""
    parts = []
    for each in (first, *rest):
        parts.append(text(each))
        budget.spend(len(parts[-1]))
    return "".join(parts)


def join_with(separator: str, values: Iterable[object], /) -> str:
    """Return texts with something between them."""
    parts = []
    for each in values:
        parts.append(text(each))
        budget.spend(STEP + len(parts[-1]) + len(separator))
    return separator.join(parts)


def replaced(value: object, old: object, new: object, count: int | None = None) -> str:
    """Return a text with another text in the place of one."""
    whole, part, instead = text(value), text(old), text(new)
    times = whole.count(part) if count is None or count < 0 else count
    refuse_over(len(whole) + min(times, len(whole) + 1) * len(instead))
    return whole.replace(part, instead, -1 if count is None else count)


# Methods of texts that would make a large one before it could be counted.
BOUNDED: dict[str, Callable[..., object]] = {"join": join_with, "replace": replaced}


class Formatter(SandboxedFormatter):
    """``str.format`` with bounded widths."""

    def format_field(self, value: object, format_spec: str) -> str:
        if re.search(r"\d{5}", format_spec):
            raise TooMuch("a width is too large")
        size(value)
        made = str(super().format_field(value, format_spec))
        budget.spend(STEP + len(made))
        return made


def bound_widths(name: str, arguments: Sequence[object], named: Mapping[str, object]) -> None:
    """Refuse numbers that say how wide or how many, when no file needs that much.

    :raises TooMuch: there is one.
    """
    values = [each for each in arguments if isinstance(each, PLAIN)]
    more = [*values[1:], *named.values()]
    if any(wide(each) for each in more):
        raise TooMuch("a width is too large")
    lines = values[0].count("\n") + 1 if values and isinstance(values[0], str) else 1
    widths = [each if isinstance(each, int) else len(each) for each in more if isinstance(each, int | str)]
    if name == "indent":
        refuse_over(lines * max(widths, default=0))
    if name == "wordwrap" and values:
        refuse_over(len(text(values[0])) * max((len(each) for each in more if isinstance(each, str)), default=1))


def bound_search(owner: object = "", *wanted: object) -> None:
    """Refuse to look through a text for another one where both are so long that it takes long.

    :raises TooMuch: they are.
    """
    longest = max((len(each) for each in wanted if isinstance(each, str | bytes)), default=0)
    refuse_over(len(owner) * longest if isinstance(owner, str | bytes) else 0, SEARCH)


def wide(value: object) -> bool:
    """Whether a number is larger than a width or a count of digits needs to be."""
    return isinstance(value, int) and abs(value) > WIDEST
