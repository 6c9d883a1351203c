"""Lines of a crontab, as Debian's and Ubuntu's cron reads them (crontab(5))."""

from __future__ import annotations

import re

from .text import NotRepresentable, plain

CRONTAB = "a crontab"

# entry.c takes a command of MAX_COMMAND - 1 bytes as cut off, and then ignores the whole file.
_LONGEST_COMMAND = 998


def crontab_command(command_line: str) -> str:
    r"""Return a shell's command line as it stands in a crontab's line.

    cron takes ``%`` as a newline and ``\%`` as ``%``, and (though its manual page does not say so) ``\\`` as one
    backslash; a backslash before anything else stays (``do_command.c``). Quotes mean nothing to it.

    :raises NotRepresentable: for NUL, newlines, an empty command, and more than 998 bytes.
    """
    text = plain(CRONTAB, command_line)
    if "\n" in text:
        raise NotRepresentable(CRONTAB, "it holds a newline")
    if not text.strip():
        raise NotRepresentable(CRONTAB, "it is an empty command")
    escaped = re.sub(r"\\{2,}|\\(?=%)", lambda run: run[0] * 2, text).replace("%", r"\%")
    if len(escaped.encode()) > _LONGEST_COMMAND:
        raise NotRepresentable(CRONTAB, f"it is longer than the {_LONGEST_COMMAND} bytes that cron takes as a command")
    return escaped
