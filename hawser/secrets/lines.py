"""Lines of the form NAME=value: read as applications read them, checked, and added to."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping

from dotenv.parser import parse_stream

from hawser.errors import Problem
from hawser.formats import dotenv

_PLACEHOLDERS = ("changeme", "replaceme")
# What needs no quotes, such as all that Hawser makes itself.
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHORTEST = 4
# Of a line: reading one takes time that grows with the square of the spaces in it.
_LONGEST_LINE = 65_536


def read_lines(text: str, name: str) -> tuple[dict[str, str], list[Problem]]:
    """Return what a text says, by name, and the problems with it; a name without a value has an empty one.

    :param name: what the text is called in messages; the number of a line stands behind it.
    """
    text = text.replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            return {}, [Problem(f"{name}:{number}", "", f"is longer than {_LONGEST_LINE} characters")]
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for key, value, number in _bindings(text):
        if key is None:
            problems.append(Problem(f"{name}:{number}", "", "is no line of the form NAME=value"))
        elif key in values:
            problems.append(Problem(f"{name}:{number}", key, "stands here twice", "remove one of the two"))
        else:
            values[key] = value or ""
    return values, problems


def with_lines(text: str, new: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return a text with those of `new` for which it has no value, and all that it says then."""
    bindings = list(parse_stream(io.StringIO(text)))
    held = {binding.key: binding.value for binding in bindings if binding.key and binding.value}
    made = {name: value for name, value in new.items() if name not in held}
    if made:
        # A line without a value goes, or the name would stand there twice.
        kept = "".join(binding.original.string for binding in bindings if binding.key not in made)
        lines = "".join(line_of(name, value) for name, value in made.items())
        text = kept + ("\n" if kept and not kept.endswith("\n") else "") + lines
    return text, {**held, **made}


def changed_lines(text: str, new: Mapping[str, str | None]) -> str:
    """Return a text that says this of some names, each in its place; None: nothing."""
    bindings = list(parse_stream(io.StringIO(text)))
    left, kept = dict(new), ""
    for binding in bindings:
        if binding.key is None or binding.key not in new:
            kept += binding.original.string
        elif (value := left.pop(binding.key, None)) is not None:
            kept += ("" if not kept or kept.endswith("\n") else "\n") + line_of(binding.key, value)
    added = "".join(line_of(name, value) for name, value in left.items() if value is not None)
    return kept + ("\n" if added and kept and not kept.endswith("\n") else "") + added


def line_of(name: str, value: str) -> str:
    """Return the line of a secret."""
    return f"{name}={value}\n" if _BARE.fullmatch(value) else dotenv({name: value})


def unusable(value: str | None, required: bool) -> str:
    """Say why a value cannot be used, or return an empty text."""
    if not value:
        return ("is missing" if value is None else "is empty") if required else ""
    if any(placeholder in value.casefold() for placeholder in _PLACEHOLDERS):
        return "still holds a placeholder"
    if "\0" in value:
        return "contains a NUL character, which no file, environment or argument can carry"
    if len(value) < _SHORTEST:
        return f"is shorter than {_SHORTEST} characters: masking it would blank out half of every output"
    return ""


def _bindings(text: str) -> Iterator[tuple[str | None, str | None, int]]:
    """Yield name, value and line of each entry; the name is None for a line that cannot be read."""
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # The parser counts the blank lines before a statement as part of it.
            blank = binding.original.string[: -len(binding.original.string.lstrip()) or None].count("\n")
            yield None, None, binding.original.line + blank
        elif binding.key is not None:
            yield binding.key, binding.value, binding.original.line
