"""Which Hawser an environment file needs: an older one does not know its keys, so nothing else is said of it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from hawser import __version__
from hawser.errors import InputErrors, Problem
from hawser.installed import upgrade

KEY = "requires_hawser"
# A version as far as it is compared: its numbers, and whether it comes before (0) or after (2) what has these alone.
Order = tuple[tuple[int, ...], int]
VERSION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){0,9})(.*)", re.ASCII)
CLAUSE = re.compile(r"\s*(~=|==|!=|<=|>=|<|>)\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,9})\s*", re.ASCII)
COMPARED: Mapping[str, Callable[[Order, Order], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def require(file: str, wanted: object, ours: str = __version__) -> None:
    """Stop where a file needs another Hawser.

    :param file: its label.
    :param wanted: what it says, a specifier of PEP 440 with versions of numbers.
    :param ours: the version of this one.
    :raises InputErrors: this is another one, with the line that brings one; or it says something else.
    """
    clauses = [CLAUSE.fullmatch(each) for each in wanted.split(",")] if isinstance(wanted, str) else []
    known = [(each[1], each[2]) for each in clauses if each and not (each[1] == "~=" and "." not in each[2])]
    if not clauses or len(known) != len(clauses):
        message = f"{wanted!r} does not say which versions of Hawser can read this file"
        raise InputErrors([Problem(file, KEY, message, 'as in requires_hawser = ">=0.2"')])
    failed = [(sign, version) for sign, version in known if not meets(ours, sign, version)]
    if failed:
        newer = all(sign in (">=", ">", "~=", "==") and order(ours) <= order(version) for sign, version in failed)
        specifier = ",".join(sign + version for sign, version in known)
        message = f"needs Hawser {specifier}, and this is {ours}"
        raise InputErrors([Problem(file, KEY, message, f"next: {upgrade(specifier, newer)}")])


def meets(ours: str, sign: str, version: str) -> bool:
    """Tell whether a version meets a clause of a specifier."""
    if sign != "~=":
        return COMPARED[sign](order(ours), order(version))
    # At least this one, and all numbers but its last one are the same.
    series = [int(number) for number in version.split(".")[:-1]]
    numbers = [*order(ours)[0], *(0 for _ in series)]
    return order(ours) >= order(version) and numbers[: len(series)] == series


def order(version: str) -> Order:
    """Return the key by which versions are compared: 0.2 is 0.2.0, and 0.2rc1 comes before it (PEP 440)."""
    found = VERSION.fullmatch(version)
    assert found, version
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    rest = found[2]
    return tuple(numbers), 0 if re.match(r"[-_.]?(?:a|b|c|rc|dev|pre)", rest) else 1 if rest[:1] in ("", "+") else 2
