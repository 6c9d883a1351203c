"""Programs of the application's user that nobody answers for any more: neither a unit, nor who has started them."""

from __future__ import annotations

import fnmatch
import os
import pwd

from ..rows import MOST_ROWS, counted, some
from .ports import listening, status, unit_of
from .scopes import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List

    from ..specs.answers import Counted, Stray


# What runs where programs are started that then leave: a unit in which an orphan belongs to nobody.
DOORS = (
    *("", "init.scope", "session-*.scope", "ssh.service", "sshd.service", "ssh@*", "sshd@*"),
    *("cron.service", "crond.service", "atd.service", "supervisor.service", "supervisord.service"),
)
# Characters of a command line, and programs of one command, that a message shows.
LONGEST = 100
MOST = 5


def listing(system: object, user: str) -> Counted[Stray]:
    """Return the programs of a user that were left behind.

    :returns: rows with pid, command, ports (addresses on which it or its children listen) and unit (whose door it has
        left by, may be empty), those first that listen; and how many there are beyond them.
    """
    found = orphans(user)
    return counted(rows(system, found, MOST_ROWS), len(found))


def orphans(user: str) -> List[int]:
    """Return the processes of a user whose parent has ended, and that no unit of systemd holds."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return []
    mine = {pid for pid in processes() if belongs(pid, uid)}
    return [pid for pid in mine if status(pid)[1] not in mine and is_orphan(pid)]


def belongs(pid: int, uid: int) -> bool:
    """Tell whether a process is this user's, and none of a container, whose users may have the same numbers."""
    try:
        here = os.readlink("/proc/self/ns/pid")
        return os.stat("/proc/%d" % pid).st_uid == uid and os.readlink("/proc/%d/ns/pid" % pid) == here
    except OSError:
        return False


def is_orphan(pid: int) -> bool:
    """Tell whether a process was taken over by init, in a unit that is not there for it."""
    name, parent = status(pid)
    unit = unit_of(pid)
    return bool(name) and parent == 1 and any(fnmatch.fnmatchcase(unit, each) for each in DOORS)


def rows(system: object, pids: Iterable[int], most: int) -> List[Stray]:
    """Describe some processes with all that they have started, the listening ones first."""
    ports: Dict[int, List[str]] = {pid: [] for pid in pids}
    for each in listening(system)["rows"] if ports else ():
        for pid in ports.keys() & each["pids"]:
            ports[pid].append("%s:%d" % (each["address"], each["port"]))
    chosen = sorted(ports, key=lambda pid: (not ports[pid], pid))[:most]
    return [{"pid": pid, "command": command_of(pid), "ports": ports[pid], "unit": unit_of(pid)} for pid in chosen]


def command_of(pid: int) -> str:
    """Return a process's command line as one line, cut; its name where it has none."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            words = stream.read(8 * LONGEST).replace(b"\0", b" ").decode("utf-8", "replace").split()
    except OSError:
        words = []
    text = " ".join(words) or status(pid)[0]
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def describe(system: object, pids: Iterable[int]) -> List[str]:
    """Return processes in words, each with all that it has started."""
    known = set(pids)
    first = [pid for pid in known if status(pid)[1] not in known]
    more = len(first) - MOST
    return [*map(summary, rows(system, first, MOST)), *(["and %d more" % more] if more > 0 else [])]


def summary(row: Stray) -> str:
    """Return a process in words."""
    ports = ", listens on %s" % some(row["ports"]) if row["ports"] else ""
    return "%s (pid %d%s)" % (row["command"], row["pid"], ports)
