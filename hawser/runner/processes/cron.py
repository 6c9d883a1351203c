"""The last runs of cron's entries, as cron-record.sh.j2 has written them down."""

from __future__ import annotations

import os
import re

from ..files.disk import read
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    from ..specs.answers import CronRun
    from ..system import System


# Bytes that a record has at most.
LONGEST = 200
NUMBER = re.compile(r"\d{1,12}\Z")
# Seconds since the epoch, in the year 9999: no calendar goes further.
LATEST = 253370764800


def last(system: System, folder: str) -> Dict[str, CronRun]:
    """Return the last run of each entry that has run.

    :returns: by entry: began, and ended and status or, where these are None, whether it is still running.
    """
    found: Dict[str, CronRun] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return {}
    for name in names:
        if not name.endswith(".last"):
            continue
        try:
            words = (read(os.path.join(folder, name), LONGEST) or b"").decode("ascii").split()
            numbers = [int(word) for word in words if NUMBER.match(word)]
        except (Failure, ValueError):
            continue
        # The entry's own user writes this file: what is no time of a run is not passed on.
        if len(numbers) == len(words) and len(numbers) in (2, 4):
            ended, status = numbers[2:] or (None, None)
            if max(numbers[0], ended or 0) > LATEST:
                continue
            running = ended is None and runs(numbers[1])
            found[name[: -len(".last")]] = {"began": numbers[0], "ended": ended, "status": status, "running": running}
    return found


def runs(pid: int) -> bool:
    """Whether a process is one of ours that still runs, and not a later one of the same number."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            return b"/cron/record\0" in stream.read()
    except OSError:
        return False
