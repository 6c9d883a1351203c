"""Data as text: Python literals, JSON, YAML, and parts of URLs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from .text import NotRepresentable, exact

PYTHON, JSON, YAML, URL = "a Python literal", "JSON", "YAML", "a URL"

_KINDS = "text, numbers, true, false, none, lists and tables"
# What YAML counts as unprintable, as a byte order mark or as a line break, and what would upset a terminal.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# YAML 1.2, 7.4.2: a key on one line with its ":" has at most so many characters.
_LONGEST_YAML_KEY = 1024


def python_literal(value: object) -> str:
    """Return plain data (text, numbers, booleans, ``None``, lists, tuples, dicts) as a literal for a file in UTF-8.

    :raises NotRepresentable: for anything else, and for numbers that are not finite.
    """
    match value:
        case None | bool():
            return repr(value)
        case str():
            return str.__repr__(value)
        case int() | float():
            return _number(PYTHON, value)
        case list():
            return f"[{_items(python_literal, value)}]"
        case tuple():
            return f"({_items(python_literal, value)}{',' if len(value) == 1 else ''})"
        case Mapping():
            return f"{{{_pairs(python_literal, python_literal, value)}}}"
    raise _no_data(PYTHON, value)


def json_text(value: object, indent: int | None = None) -> str:
    """Return plain data as JSON, printable characters beyond ASCII as themselves.

    :param indent: spaces of indentation a level; all on one line without it.
    :raises NotRepresentable: for anything that JSON has no type for, keys that are no text, numbers that are not
        finite, and lone surrogates.
    """
    text = json.dumps(_json_data(value), ensure_ascii=False, indent=indent)
    return _UNPRINTABLE.sub(_escape, text)


def yaml_text(value: object) -> str:
    """Return plain data on one line as YAML, the same to readers of YAML 1.1, of YAML 1.2 and of JSON.

    :raises NotRepresentable: for what :func:`json_text` refuses, and for keys longer than YAML takes.
    """
    match value:
        case list() | tuple():
            return f"[{_items(yaml_text, value)}]"
        case Mapping():
            return f"{{{_pairs(_yaml_key, yaml_text, value)}}}"
        case None | bool():
            return json.dumps(value)
        case str():
            return _UNPRINTABLE.sub(_escape, json.dumps(exact(YAML, value), ensure_ascii=False))
        case int() | float():
            # YAML 1.1 reads 1e+16 as text, for want of a dot.
            return re.sub(r"^(-?\d+)e", r"\1.0e", _number(YAML, value))
    raise _no_data(YAML, value)


def url_quote(value: str) -> str:
    """Return `value` percent-encoded as a user, password, path segment or query value of a URL (RFC 3986, 2.1).

    :raises NotRepresentable: for lone surrogates.
    """
    return quote(exact(URL, value), safe="")


def _json_data(value: object) -> object:
    match value:
        case list() | tuple():
            return [_json_data(item) for item in value]
        case Mapping():
            return {_json_key(JSON, key): _json_data(item) for key, item in value.items()}
        case str():
            return exact(JSON, value)
        case None | bool():
            return value
        case int() | float():
            _number(JSON, value)
            return value
    raise _no_data(JSON, value)


def _json_key(format: str, key: object) -> str:
    if not isinstance(key, str):
        raise NotRepresentable(format, f"it has a key that is no text but of the type {type(key).__name__}")
    return exact(format, key)


def _yaml_key(key: object) -> str:
    text = yaml_text(_json_key(YAML, key))
    if len(text) > _LONGEST_YAML_KEY:
        raise NotRepresentable(YAML, f"it has a key of more than {_LONGEST_YAML_KEY} characters")
    return text


def _number(format: str, value: float) -> str:
    if isinstance(value, int):
        return int.__repr__(value)
    if not math.isfinite(value):
        raise NotRepresentable(format, "it holds a number that is not finite")
    return float.__repr__(value)


def _items(write: Callable[[object], str], items: list[object] | tuple[object, ...]) -> str:
    return ", ".join(write(item) for item in items)


def _pairs(write_key: Callable[[object], str], write: Callable[[object], str], table: Mapping[object, object]) -> str:
    return ", ".join(f"{write_key(key)}: {write(item)}" for key, item in table.items())


def _no_data(format: str, value: object) -> NotRepresentable:
    return NotRepresentable(format, f"it holds a {type(value).__name__}, and plain data is {_KINDS}")


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
