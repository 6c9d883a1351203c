"""Questions about what a checkout leaves open, for somebody at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hawser.errors import HawserError, Problem

from .facts import Draft, Fact, Value
from .reading import PLACEHOLDERS
from .text import toml_value

Ask = Callable[[str], str]


def settle(draft: Draft, ask: Ask, problems: Callable[[], Sequence[Problem]]) -> None:
    """Ask for everything that is open: an empty answer takes the one that stands there.

    :param ask: shows a question and returns what is typed.
    :param problems: what is wrong with the draft as it is.
    :raises HawserError: nobody answers.
    """
    for loc, fact in list(draft.open()):
        key = ".".join(loc)
        while True:
            try:
                typed = ask(f"{key}: {fact.open}\n  [{shown(fact.value)}] ").strip()
            except EOFError:
                raise HawserError(
                    "nobody answers; nothing was written", next="hawser new < /dev/null asks nothing", code=2
                ) from None
            draft.facts[loc] = answered(fact, typed)
            wrong = [each for each in problems() if each.key.startswith(key)] if typed else []
            if not wrong:
                break
            ask(f"  {wrong[0].message}{f' ({wrong[0].hint})' if wrong[0].hint else ''}; Enter asks again ")
            draft.facts[loc] = fact


def answered(fact: Fact, typed: str) -> Fact:
    """Return a fact with an answer; a placeholder that was left alone stays open."""
    if not typed:
        return fact if fact.value in PLACEHOLDERS else replace(fact, open="")
    value: Value = (
        [each.strip() for each in typed.split(",") if each.strip()] if isinstance(fact.value, list) else typed
    )
    return Fact(value, "", "")


def shown(value: Value) -> str:
    """Return a value as one would type it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else toml_value(value)
