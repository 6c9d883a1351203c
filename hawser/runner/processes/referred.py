"""What `systemctl` sends the reader to: the last words of a unit that it could not start."""

from __future__ import annotations

import contextlib
import itertools
import re

from ..system import Failure
from .logs import of_file
from .managers import LOG_LINES, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List

    from ..system import System

# As systemctl says it, for itself and in the words of a package that starts its service; Debian 11 names no unit in the
# second part.
REFERRAL = re.compile(
    r'^See "systemctl status ([\w@:.\\-]{1,255})" and "journalctl -xeu? ?[\w@:.\\-]{0,255}" for details\.\n?', re.M
)
# A program may fail over several units.
MOST = 3
# `systemctl show` tells, in systemd 252, that a file takes the output, but not which.
SETTING = re.compile(r"^[ \t]*(Standard(?:Output|Error))[ \t]*=[ \t]*(.*?)[ \t]*$", re.M)
FILE = re.compile(r"(?:append|file|truncate):(/[^%]+)")


def with_last_words(system: System, output: str, since: float) -> str:
    """Return what a failed program wrote, with the last words of the units that it refers to instead of the referral.

    :param since: seconds since the epoch; nothing that is older is told.
    """
    units = list(dict.fromkeys(REFERRAL.findall(output)))[:MOST]
    if not units:
        return output
    said: List[str] = []
    # What cannot be asked for must not hide the failure itself.
    with contextlib.suppress(Failure, OSError):
        said += itertools.chain.from_iterable(last_words(system, unit, since) for unit in units)
    # Where nothing is found, the reader has to go and see.
    return REFERRAL.sub("", output).rstrip("\n") + "\n" + "".join(said) if said else output


def last_words(system: System, unit: str, since: float) -> Iterator[str]:
    """Yield what a unit wrote, in the journal and in the files that take its output."""
    yield from filter(None, [journal(system, [unit], since)])
    # Of two lines for one setting, the last one counts.
    settings = dict(SETTING.findall(system.run(["systemctl", "cat", "--", unit], check=False, timeout=10).output))
    for path in dict.fromkeys(found.group(1) for found in map(FILE.fullmatch, settings.values()) if found):
        lines: List[str] = [text for _moment, text in itertools.islice(of_file(path, since), LOG_LINES)]
        yield from (text + "\n" for text in reversed(lines))
