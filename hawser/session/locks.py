"""Who holds the lock of a host, or has frozen it, in words."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Mapping

from ..runner.processes.cron import LATEST


def operator() -> str:
    """Return who gives the command: the user's name, or their number where the machine knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def at_work(holder: Mapping[str, object]) -> str:
    """Say who holds a lock, since when, and for which command."""
    since = moment(holder.get("since"))
    return f"{holder.get('who')} on {holder.get('from')} is at work on it since {since} ({holder.get('what')})"


def held(hold: Mapping[str, object]) -> str:
    """Say who has frozen a host, since when, and why."""
    return f"{hold.get('who')} on {hold.get('from')} since {moment(hold.get('since'))}: {hold.get('why')}"


def moment(seconds: object) -> str:
    """Write a time in the operator's time zone; with its date, unless it is today.

    :param seconds: since the epoch, as a number or its text; what is neither is the epoch.
    """
    try:
        when = time.localtime(min(max(float(str(seconds or 0)), 0.0), LATEST))
    except ValueError:
        when = time.localtime(0)
    today = when[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", when)
