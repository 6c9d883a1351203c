"""Text from hosts, made safe to show: escape sequences and control characters without effect."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from hawser.runner.masks import mask

# Characters of a line of a message, and lines of it, of which the last ones say what to do.
LONGEST = 2000
MOST_LINES = 500
MOST_LAST = 100

# A line is a row of (text, style); a style is a name that rich understands, and means nothing without a terminal.
Line = Sequence[tuple[str, str]]

# ECMA-48: CSI (cursor, colours, erasing), OSC and its like (window titles, links, clipboard), and two-byte escapes.
SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ\\`-~]")
# A longer one is no colour, and could not be read as a number either.
COLOUR = re.compile(r"(\x1b\[[0-9;:]{0,64}m)")
# All of C0 but tabs and newlines, C1, marks that reorder or break lines (U+202E shows "exe.txt" for "txt.exe"), and
# lone surrogates, which no stream can encode.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# What stands before the move that we advise, as a host could write it; also at the end of a longer word, of which the
# beginning may be cut away.
NEXT = re.compile(r"next\s*:", re.IGNORECASE)
ADVISED = "the host advises:"


class Marked(str):
    """A cell of a table that stands out on a terminal.

    :param style: a name that rich understands.
    """

    style = ""

    @classmethod
    def bad(cls, text: str) -> Marked:
        """Mark something wrong."""
        return cls._of(text, "bold red")

    @classmethod
    def warning(cls, text: str) -> Marked:
        """Mark something that deserves a look."""
        return cls._of(text, "yellow")

    @classmethod
    def good(cls, text: str) -> Marked:
        """Mark something that is as it should be."""
        return cls._of(text, "green")

    @classmethod
    def _of(cls, text: str, style: str) -> Marked:
        marked = cls(text)
        marked.style = style
        return marked


def visible(text: str) -> str:
    """Write control characters as escapes that can be read (``\\x07``); tabs and newlines stay."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def clean(text: str, colours: bool = False) -> str:
    """Take escape sequences out and make all other control characters visible.

    :param colours: keep SGR sequences (colours, bold).
    """
    text = text.replace("\r\n", "\n")
    # What a carriage return would have overwritten (progress bars) is not shown.
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")) if "\r" in text else text
    if not colours:
        return visible(SEQUENCE.sub("", text))
    text = SEQUENCE.sub(lambda match: match[0] if COLOUR.fullmatch(match[0]) else "", text)
    return "".join(part if COLOUR.fullmatch(part) else visible(part) for part in COLOUR.split(text))


def safe(text: str, masks: Sequence[str]) -> str:
    """Return a text that came from outside as it may be shown: cleaned, and without secrets.

    It is masked before and after the cleaning: a sequence inside a secret would hide it from the mask, and then go.
    """
    return mask(clean(mask(text, masks)), masks)


def hearsay(text: str) -> str:
    """Return a host's words, with the advice in them shown as the host's: text after `next:` is ours alone."""
    marked = NEXT.sub(ADVISED, text)
    # An escape sequence in the middle of the word would hide it from us, and then go.
    if CONTROL.search(marked) and NEXT.search(cleaned := clean(marked)):
        return hearsay(cleaned)
    return marked


def reason(error: Exception) -> str:
    """Say why a connection failed: Paramiko's errors hold words of the far side."""
    text = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
    return hearsay(text) or type(error).__name__


def brief(text: str) -> str:
    """Cut out of a message the parts that nobody reads: the middle of very long lines, and of very many."""
    lines = [_without_middle(line) for line in text.split("\n")]
    if len(lines) > MOST_LINES:
        left = len(lines) - MOST_LINES
        lines = [*lines[: -MOST_LAST - left], f"(… {left} lines …)", *lines[-MOST_LAST:]]
    return "\n".join(lines)


def _without_middle(line: str) -> str:
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} (… {len(line) - LONGEST} characters …) {line[-LONGEST // 2 :]}"


def one_line(text: str) -> str:
    """Fit a cleaned text onto one line."""
    return text.strip("\n").replace("\n", "\\n").replace("\t", " ")


def duration(seconds: float) -> str:
    """Say a time as people do: ``12 ms``, ``3.4 s``, ``2 min 05 s``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that does not fit: a path's end says most."""
    if len(text) <= width:
        return text
    if width < 2:
        return text[: max(width, 0)]
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def at_home(path: str) -> str:
    """Write a path as people do, from their home on."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return f"~{path.removeprefix(home)}" if home != "~" and path.startswith(f"{home}/") else path


def names(hosts: Iterable[str], most: int = 6) -> str:
    """List hosts, and count those beyond ``most``."""
    listed = list(hosts)
    if len(listed) <= most:
        return ", ".join(listed)
    return f"{', '.join(listed[: most - 2])} and {len(listed) - most + 2} more"
