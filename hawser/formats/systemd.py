"""systemd's unit files (systemd.syntax(7), systemd.service(5), systemd.exec(5)), tried on systemd 249 to 257."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .text import NotRepresentable, fits_a_process, plain, variable

SYSTEMD = "a systemd unit"

# src/basic/utf8.c, unichar_is_valid(): a whole file is useless to systemd for one of Unicode's 66 noncharacters.
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
SYSTEMD_REFUSES = re.compile(f"[{_NONCHARACTERS}]")

# systemd 249 expands specifiers of one argument into so many bytes, 252 and later into far more.
_LONGEST_ARGUMENT = 4095
# LONG_LINE_MAX, less what a template puts around the text.
_LONGEST_LINE = 1024 * 1024 - 4096

_BARE = re.compile("[A-Za-z0-9_@+=:,./-]+")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "%": "%%"}
_ESCAPED = re.compile(r'[\\"%\x01-\x1f\x7f]')


def systemd_word(value: str) -> str:
    """Return `value` as one argument in ``ExecStart=`` and its like; no other directive wants ``$`` doubled.

    :raises NotRepresentable: for NUL, noncharacters, and more than systemd 249 takes as an argument.
    """
    text = _argument(_text(value).replace("$", "$$"))
    return text if _BARE.fullmatch(text) else _quoted(text)


def systemd_exec(argv: Sequence[str]) -> str:
    """Return the command line of ``ExecStart=`` and its like that runs `argv`, nothing of it expanded.

    :raises NotRepresentable: for an empty `argv`, for a program that is neither an absolute path nor a plain name or
        has characters that systemd refuses there, and for what :func:`systemd_word` refuses.
    """
    if not argv:
        raise NotRepresentable(SYSTEMD, "a command line needs a program")
    line = " ".join([_program(argv[0]), *(systemd_word(word) for word in argv[1:])])
    if len(line.encode()) > _LONGEST_LINE:
        raise NotRepresentable(SYSTEMD, "the command line is longer than the megabyte that systemd reads")
    return line


def systemd_environment(name: str, value: str) -> str:
    """Return the line ``Environment="NAME=value"``, without its newline.

    :raises NotRepresentable: by name, for NUL, noncharacters, and more than Linux hands to a process.
    """
    assignment = f"{variable(SYSTEMD, name)}={_text(value, name)}"
    return f"Environment={_quoted(fits_a_process(SYSTEMD, assignment, name))}"


def systemd_value(value: str) -> str:
    """Return `value` as the text after the ``=`` of a directive for a text or a path (``Description=`` …).

    :raises NotRepresentable: for NUL, noncharacters, newlines, white space at an end (systemd strips it) and an odd
        number of backslashes at the end (the next line would be joined).
    """
    text = _text(value)
    if "\n" in text or "\r" in text:
        raise NotRepresentable(SYSTEMD, "it holds a newline")
    if text != text.strip(" \t"):
        raise NotRepresentable(SYSTEMD, "it begins or ends with white space, which systemd strips")
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise NotRepresentable(SYSTEMD, "it ends with a backslash, which joins the next line")
    return text.replace("%", "%%")


def systemd_paths(paths: Sequence[str]) -> str:
    """Return paths as the text after the ``=`` of a directive for several (``ReadWritePaths=`` …).

    :raises NotRepresentable: for NUL and noncharacters.
    """
    texts = [_text(path) for path in paths]
    return " ".join(text if _BARE.fullmatch(text) else _quoted(text) for text in texts)


def _program(value: str) -> str:
    text = _argument(_text(value))
    if re.search(r"""["'\\\x01-\x1f\x7f]""", text):
        raise NotRepresentable(SYSTEMD, "its program has a quote, backslash or control character")
    if "$" in text:
        raise NotRepresentable(SYSTEMD, "its program has a $, which has no escape in this place")
    if text.endswith("/") or not (text.startswith("/") or re.fullmatch("[A-Za-z0-9_.][A-Za-z0-9_.+-]*", text)):
        raise NotRepresentable(SYSTEMD, "its program is neither an absolute path nor a plain name")
    return text if _BARE.fullmatch(text) else _quoted(text)


def _argument(text: str) -> str:
    if len(text.encode()) > _LONGEST_ARGUMENT:
        raise NotRepresentable(
            SYSTEMD, f"it is longer than the {_LONGEST_ARGUMENT} bytes that systemd takes as an argument"
        )
    return text


def _text(value: str, name: str = "") -> str:
    text = plain(SYSTEMD, value, name)
    if SYSTEMD_REFUSES.search(text):
        raise NotRepresentable(SYSTEMD, "it holds a code point that systemd does not take as text", name)
    return text


def _quoted(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        return _ESCAPES.get(match[0]) or f"\\x{ord(match[0]):02x}"

    return '"' + _ESCAPED.sub(escape, text) + '"'
