"""supervisor's configuration, as supervisor 4.2 and 4.3 read it: configparser, then ``%`` expansion, then shlex."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .ini import fold
from .text import NotRepresentable, fits_a_process, plain, variable

SUPERVISOR = "supervisor's configuration"

_BARE = re.compile("[A-Za-z0-9_@+=:,./-]+")
# supervisor/datatypes.py, dict_of_key_value_pairs(): a value of these needs no quotes, and may hold both kinds.
_TOKEN = re.compile(r"""[\w/.+():-]+(['"]+[\w/.+():-]+)*""", re.ASCII)
# Within quotes too: supervisor's configparser takes both as the beginning of a comment after white space.
_COMMENT = re.compile(r"(\s)([#;])")
# supervisor/options.py, expand_here() replaces this before it looks at %%.
_HERE = "%(here)s"


def supervisor_environment(variables: Mapping[str, str]) -> str:
    """Return the text after ``environment=`` at the beginning of a line: a variable a line, further lines indented.

    supervisor knows no escapes there: a value goes between quotes of the kind that it does not hold, and quotes at its
    ends are stripped.

    :raises NotRepresentable: by name, for both kinds of quotes in one value (unless all else are ASCII letters, digits
        and ``_/.+-():``), a quote at an end, ``#`` or ``;`` after white space, white space beside a newline, carriage
        returns, ``%(here)s``, NUL, and more than Linux hands to a process.
    """
    return ",\n    ".join(_pair(variable(SUPERVISOR, name), value) for name, value in variables.items())


def supervisor_command(argv: Sequence[str]) -> str:
    """Return the text after ``command=`` at the beginning of a line, so that supervisor runs `argv`.

    :raises NotRepresentable: for an empty `argv`, NUL, carriage returns, and more than Linux hands to a process.
    """
    if not argv:
        raise NotRepresentable(SUPERVISOR, "a command line needs a program")
    return fold(SUPERVISOR, " ".join(_word(word) for word in argv))


def supervisor_value(value: str) -> str:
    """Return `value` as the text after the ``=`` of a simple option (``directory=``, ``user=`` …).

    :raises NotRepresentable: for NUL, newlines, white space at an end, ``#`` or ``;`` at the beginning or after white
        space, and ``%(here)s``.
    """
    text = plain(SUPERVISOR, value)
    if "\n" in text:
        raise NotRepresentable(SUPERVISOR, "it holds a newline")
    if text.startswith(("#", ";")):
        raise NotRepresentable(SUPERVISOR, "it begins with # or ;, a comment there")
    return fold(SUPERVISOR, _expandable(text))


def supervisor_logfile(path: str) -> str:
    """Return `path` as the text after ``stdout_logfile=`` or ``stderr_logfile=``, which supervisor expands twice.

    :raises NotRepresentable: see :func:`supervisor_value`.
    """
    return supervisor_value(path).replace("%", "%%")


def _pair(name: str, value: str) -> str:
    text = plain(SUPERVISOR, value, name)
    fits_a_process(SUPERVISOR, f"{name}={text}", name)
    if _TOKEN.fullmatch(text) and '"' in text and "'" in text:
        return f"{name}={text}"
    quote = "'" if '"' in text else '"'
    if quote in text:
        raise NotRepresentable(SUPERVISOR, "it holds both kinds of quotes", name)
    if text.startswith(("'", '"')) or text.endswith(("'", '"')):
        raise NotRepresentable(SUPERVISOR, "it begins or ends with a quote, which supervisor strips", name)
    return f"{name}={fold(SUPERVISOR, quote + _expandable(text, name) + quote, name)}"


def _expandable(text: str, name: str = "") -> str:
    if _COMMENT.search(text):
        raise NotRepresentable(SUPERVISOR, "it holds # or ; after white space, a comment there", name)
    if _HERE in text:
        raise NotRepresentable(SUPERVISOR, f"it holds {_HERE}, which supervisor always replaces", name)
    return text.replace("%", "%%")


def _word(value: str) -> str:
    text = fits_a_process(SUPERVISOR, plain(SUPERVISOR, value))
    if _BARE.fullmatch(text):
        return text
    # Whatever the parsers before shlex would see is cut in two by quotes that end and begin again.
    text = text.replace("'", "'\"'\"'").replace(_HERE, "%''(here)s")
    text = _COMMENT.sub(r"\1''\2", text).replace("\n", "'\\\n'")
    return "'" + text.replace("%", "%%") + "'"
