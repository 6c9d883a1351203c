"""INI files, as Python's configparser reads them."""

from __future__ import annotations

from .text import NotRepresentable, plain

INI = "an INI file"


def ini_value(value: str) -> str:
    """Return `value` as the text after ``name =`` at the beginning of a line; further lines are indented.

    ``%`` is doubled, for configparser's default interpolation.

    :raises NotRepresentable: for NUL, carriage returns, white space at an end or beside a newline, and lines after the
        first that begin with ``#`` or ``;``.
    """
    return fold(INI, plain(INI, value).replace("%", "%%"))


def fold(format: str, text: str, name: str = "") -> str:
    """Return `text` with all lines but the first indented, so that configparser takes them as one value.

    :raises NotRepresentable: when configparser would strip, translate or drop a part of it.
    """
    if "\r" in text:
        raise NotRepresentable(format, "it holds a carriage return", name)
    first, *others = text.split("\n")
    if text != text.strip():
        raise NotRepresentable(format, "it begins or ends with white space", name)
    if any(line != line.strip() for line in (first, *others)):
        raise NotRepresentable(format, "it has white space beside a newline", name)
    if any(line.startswith(("#", ";")) for line in others):
        raise NotRepresentable(format, "it has a line that begins with # or ;, a comment there", name)
    return "\n".join([first, *(line and f"    {line}" for line in others)])
