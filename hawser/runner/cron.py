"""When cron's entries ran last, and how that ended: what cron-record.sh.j2 has written down."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from .system import System


def last(system: System, folder: str) -> Dict[str, Dict[str, Any]]:
    """Return the last run of each entry that has run.

    :returns: by entry: began, and ended and status or, where these are None, whether it is still running.
    """
    found = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return {}
    for name in names:
        if not name.endswith(".last"):
            continue
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as stream:
                words = stream.read(200).split()
            numbers = [int(word) for word in words]
        except (OSError, ValueError):
            continue
        if len(numbers) in (2, 4):
            ended, status = numbers[2:] or (None, None)
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
