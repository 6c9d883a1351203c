"""The common parts of all formats: the refusal, and the checks of text that none of them can do without."""

from __future__ import annotations

import re

# Linux, fs/exec.c: MAX_ARG_STRLEN is 32 pages, for one argument or one NAME=value, with the byte that ends it.
LONGEST_STRING = 32 * 4096 - 1

_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotRepresentable(ValueError):
    """A value that a format has no way to carry unchanged.

    The message never holds the value, which may be a secret.

    :param format: the format, as a person calls it.
    :param reason: what about the value cannot be carried, as the end of a sentence about it.
    :param name: the variable that has the value, where it has one.
    """

    def __init__(self, format: str, reason: str, name: str = "") -> None:
        self.format = format
        self.reason = reason
        self.name = name
        super().__init__(f"{format} cannot carry {name or 'this value'}: {reason}")


def plain(format: str, value: str, name: str = "") -> str:
    """Return `value` as a plain string that can be encoded as UTF-8.

    :raises NotRepresentable: when it is no text, or holds a NUL or half a surrogate pair.
    """
    text = exact(format, value, name)
    if "\0" in text:
        raise NotRepresentable(format, "it holds a NUL character", name)
    return text


def exact(format: str, value: str, name: str = "") -> str:
    """Return `value` as a plain string, without the text that a subclass of ``str`` may show instead.

    :raises NotRepresentable: when it is no text, or holds half a surrogate pair, which UTF-8 has no bytes for.
    """
    if not isinstance(value, str):
        raise NotRepresentable(format, f"it is no text but of the type {type(value).__name__}", name)
    text = str.__str__(value)
    if _SURROGATE.search(text):
        raise NotRepresentable(format, "it holds half a surrogate pair, which is no character", name)
    return text


def fits_a_process(format: str, text: str, name: str = "") -> str:
    """Return `text`, an argument or a ``NAME=value``.

    :raises NotRepresentable: when it is longer than what the kernel hands to a process.
    """
    if len(text.encode()) > LONGEST_STRING:
        raise NotRepresentable(
            format, f"it is longer than the {LONGEST_STRING} bytes that Linux hands to a process", name
        )
    return text


def variable(format: str, name: str) -> str:
    """Return `name`.

    :raises NotRepresentable: when it is no name of an environment variable: letters, digits and ``_``, no digit first.
    """
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        raise NotRepresentable(
            format, "a variable's name has letters, digits and _ only, and no digit first", repr(name)
        )
    return name
