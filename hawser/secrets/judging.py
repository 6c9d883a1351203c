"""Secrets that nothing needs, that somebody could guess, and that stand in two places; no value leaves this module."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from urllib.parse import SplitResult, unquote, urlsplit

from hawser.inventory import Environment
from hawser.inventory.base import InvalidValue
from hawser.inventory.values.jinja import references

# Bits below which whoever gets hold of something that was made with it finds it out; a random password of 12 letters
# and digits has 71.
FEWEST_BITS = 60
# Characters below which nobody takes it for random, whatever they are.
SHORTEST = 10
# What is written where the real one is to come later, and what is tried first.
PLACEHOLDER = re.compile(
    r"change.?(me|it|this)|replace.?(me|this)|your[-_ ].*|insecure|placeholder|example|dummy|foobar|todo|xxxx|\.\.\.|"
    r"<[^>]*>|passwor[dt]|pass(word)?123|geheim|letmein|qwert[yz]|secret|hunter2|admin|1234|abcd|test(ing)?(key|secret)?$"
    r"|default",
    re.IGNORECASE,
)
# How a secret looks that Hawser has made (see `making`): none of these is weak.
MADE = re.compile(
    r"[A-Za-z0-9_-]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9]{50}", re.ASCII
)
_SETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits)


def used_names(environment: Environment, templates: Iterable[str]) -> frozenset[str]:
    """Return the secrets that settings or templates name.

    :param templates: the texts of those that are used. One that takes secrets by names which it works out names all.
    """
    settings = environment.model_dump(exclude={"env": {"required", "generated", "formats"}})
    texts = [*_texts(settings), *templates]
    # A key may name one as it is (`app.token`), rules are written without braces.
    found = {text for text in texts if text in environment.env.secrets}
    for text in [*texts, *(f"{{{{ {rule.that} }}}}" for rule in environment.rules)]:
        try:
            used = references(text)
        except InvalidValue:
            continue
        found |= used.secrets
        if "secrets" in used.names and not used.secrets:
            return frozenset(environment.env.secrets)
    return frozenset(found)


def weakness(value: str, generated: bool) -> str:
    """Say why somebody could guess a secret, without a part of it; an empty text where nothing is known against it.

    :param generated: Hawser makes it, unless somebody has written another one.
    """
    if generated and MADE.fullmatch(value):
        return ""
    if "-----BEGIN " in value:
        return ""
    address = _address(value)
    if address is not None and (address.scheme in ("https", "http") and not address.password):
        # A token in an address that somebody else has made.
        return ""
    word = unquote(address.password) if address is not None and address.password else value
    what = "the password in its address" if word is not value else "it"
    if PLACEHOLDER.search(word) and bits(PLACEHOLDER.sub("", word)) < FEWEST_BITS:
        return f"{what} holds a word that stands for a real one, or that is tried first"
    if len(word) < SHORTEST:
        return f"{what} has {len(word)} characters"
    if bits(word) < FEWEST_BITS:
        return f"{what} has {len(word)} characters of few kinds, or in a row"
    return ""


def bits(word: str) -> float:
    """Return how much there is to guess at most: what repeats itself, or counts on, adds nothing."""
    kinds = sum(len(each) for each in _SETS if any(one in each for one in word))
    kinds += 32 if any(one not in "".join(_SETS) for one in word) else 0
    steps = [ord(after) - ord(before) for before, after in pairwise(word)]
    new = 1 + sum(step not in (-1, 0, 1) for step in steps) if word else 0
    different = len(set(word))
    return new * math.log2(max(2, min(kinds, different * 4)))


def twins(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of names that have one value."""
    first: dict[str, str] = {}
    for name, value in values.items():
        if value in first:
            yield first[value], name
        else:
            first[value] = name


def shared(values: Mapping[str, str], others: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each name here with the one that has the same value in another environment."""
    known = {value: name for name, value in others.items()}
    for name, value in values.items():
        if value in known:
            yield name, name if others.get(name) == value else known[value]


def _address(value: str) -> SplitResult | None:
    try:
        found = urlsplit(value)
        return found if found.scheme and found.netloc else None
    except ValueError:
        return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)
