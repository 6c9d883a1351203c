"""Dotenv files, as python-dotenv 0.19 to 1.2 reads them by default, with ``${NAME}`` interpolated."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .text import plain, variable

DOTENV = "a dotenv file"

# Plain words stay unquoted: readers that know no escapes (Docker's, systemd's) take them too. python-dotenv reads a
# backslash as itself there.
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./\\-]+")
_INTERPOLATED = re.compile(r"\$\{[^}:]*(:-[^}]*)?\}")


def dotenv(variables: Mapping[str, str]) -> str:
    r"""Return a file from which python-dotenv reads each of `variables` back unchanged.

    python-dotenv interpolates within every kind of quotes and has no escape for it, but takes a default for a variable
    that is not set: ``${:-$}``, with no name at all, always stands for ``$``. Only values that look like ``${NAME}``
    need it, and quoted ones that end with a backslash (as ``${:-\}``: older versions, 1.2.1 for one, take the backslash
    before the closing quote as an escape of that quote).

    :raises NotRepresentable: by name, for NUL and lone surrogates.
    """
    return "".join(
        f"{variable(DOTENV, name)}={_quoted(plain(DOTENV, value, name))}\n" for name, value in variables.items()
    )


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    ends_with_backslash = text.endswith("\\")
    if ends_with_backslash or _INTERPOLATED.search(text):
        text = text.replace("${", "${:-$}{")
    if ends_with_backslash:
        # A single backslash before "}" is an escape in neither kind of quotes.
        return _in_quotes(text[:-1], r"${:-\}")
    return _in_quotes(text)


def _in_quotes(text: str, end: str = "") -> str:
    text = text.replace("\\", r"\\")
    if "\n" in text or "\r" in text:
        return '"' + text.replace('"', r"\"").replace("\n", r"\n").replace("\r", r"\r") + end + '"'
    return "'" + text.replace("'", r"\'") + end + "'"
