"""Questions about the host itself, which change nothing: room, mounts, names, ways to other hosts, failed units."""

from __future__ import annotations

import glob
import itertools
import os
import re
import socket
import threading
import time

from ..files.validate import PYTHON
from ..kernel.mountinfo import TABLE, mount_points, unescape
from ..processes.logs import of_file
from ..processes.managers import journal
from ..processes.supervisor import Supervisor
from ..processes.traits import MANAGERS
from ..rows import by_turns, counted
from ..webservers import TRAITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Sequence

    from ..specs.answers import Counted, FailedUnit, Memory, Room
    from ..system import System

# Seconds that one question over the network may take.
PATIENCE = 5.0


def clock(system: System) -> float:
    """Return the host's time, in seconds since the epoch."""
    return time.time()


def rooms(system: System, paths: Sequence[str]) -> List[Room]:
    """Return the file systems that hold some paths, each once.

    A path that is not there yet stands for the nearest folder above it.

    :returns: dicts with path (the first that lies there), free and total (bytes), files_free and files_total (inodes,
        0 where the file system has no limit), and read_only.
    """
    found: Dict[int, Room] = {}
    for path in paths:
        place = path
        while not os.path.exists(place):
            place = os.path.dirname(place)
        room = os.statvfs(place)
        row: Room = {
            "path": path,
            "free": room.f_bavail * room.f_frsize,
            "total": room.f_blocks * room.f_frsize,
            "files_free": room.f_favail,
            "files_total": room.f_files,
            "read_only": bool(room.f_flag & os.ST_RDONLY),
        }
        found.setdefault(os.stat(place).st_dev, row)
    return list(found.values())


def is_mount(path: str, table: str = TABLE) -> bool:
    """Tell whether something is mounted at a path, without touching it."""
    return (path.rstrip("/") or "/") in mount_points(table)


def unmounted(system: System, path: str = "/etc/fstab", needed: Sequence[str] = ()) -> List[str]:
    """Return the folders that fstab(5) wants mounted at boot, or `needed` names, and that are no mounts."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            rows = [line.split() for line in stream]
    except OSError:
        rows = []
    wanted = [row for row in rows if len(row) >= 4 and not row[0].startswith("#") and row[1].startswith("/")]
    folders = [unescape(row[1]) for row in wanted if "noauto" not in row[3].split(",") and row[2] != "swap"]
    return [folder for folder in dict.fromkeys([*folders, *needed]) if not is_mount(folder)]


def memory(system: System) -> Memory:
    """Return the host's memory in bytes: total, and available without swapping."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        rows = dict(line.split(":", 1) for line in stream)
    total, free = (int(rows[field].split()[0]) * 1024 for field in ("MemTotal", "MemAvailable"))
    return {"total": total, "free": free}


def at_once(work: Callable[[str], str], names: Sequence[str]) -> Dict[str, str]:
    """Ask something for each name, all at once.

    :returns: what is wrong with each, empty when nothing is.
    """
    found = dict.fromkeys(names, "no answer within %d s" % PATIENCE)

    def one(name: str) -> None:
        found[name] = work(name)

    threads = [threading.Thread(target=one, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def resolve(system: System, names: Sequence[str]) -> Dict[str, str]:
    """Look names up as the host's programs would; return the error of each, empty when it resolves."""

    def one(name: str) -> str:
        try:
            socket.getaddrinfo(name, None)
        except (OSError, UnicodeError) as error:
            return str(error.strerror if isinstance(error, OSError) else error)
        return ""

    return at_once(one, names)


def reach(system: System, places: Sequence[str]) -> Dict[str, str]:
    """Connect to some ``HOST PORT``; return the error of each, empty when it accepts a connection."""

    def one(place: str) -> str:
        host, port = place.split()
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE - 1).close()
        except socket.timeout:
            return "no answer"
        except OSError as error:
            return str(error.strerror or error)
        return ""

    return at_once(one, places)


def refused(system: System, server: str) -> str:
    """Return why a web server would not start with the configuration that is there now; empty when it would.

    :param server: its name in the settings.
    """
    result = system.run(list(TRAITS[server].judge), check=False, timeout=60)
    # Without the time and the process: the same question has the same answer.
    said = re.sub(r"(?m)^[\d/]+ [\d:]+ (\[\w+\]) \d+#\d+: ", r"\1 ", result.output)
    return system.show(said.strip()) if result.code else ""


# What supervisor does with its whole configuration when it starts, and nothing more.
SUPERVISOR_STARTS = """
import sys
from supervisor.options import ServerOptions
ServerOptions().realize(["-c", sys.argv[1], "-n"])
"""


def unbootable(system: System, units: Sequence[str]) -> Dict[str, str]:
    """Return for each of some services of systemd why it would not start at the next boot; empty where it would.

    Systemd itself knows its files as they were when it read them last.

    :param units: their names, without ``.service``.
    """
    found = dict.fromkeys(units, "")
    argv = ["systemd-analyze", "verify", "--man=no", *(unit + ".service" for unit in units)]
    result = system.run(argv, check=False, timeout=60) if units else None
    for line in result.output.splitlines() if result and result.code else ():
        for unit in units:
            if re.search(r"(?<![\w@.-])%s\.service\b" % re.escape(unit), line) and not line.endswith("ignoring."):
                found[unit] = "\n".join(filter(None, (found[unit], line)))
    traits = MANAGERS["supervisor"]
    if traits.unit in found and not found[traits.unit]:
        argv = [PYTHON, "-W", "ignore", "-c", SUPERVISOR_STARTS, Supervisor.config]
        result = system.run(argv, check=False, timeout=60)
        found[traits.unit] = result.output.partition("\nFor help")[0].strip() if result.code else ""
    return {unit: system.show(why) for unit, why in found.items()}


def failed_units(system: System) -> Counted[FailedUnit]:
    """Return the units of systemd that have failed; whoever connects may have made many of one template (``ssh@…``)."""
    argv = ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager"]
    answer = system.run(argv, check=False, apart=True, timeout=30, whole=True)
    found: List[FailedUnit] = [{"unit": line.split()[0]} for line in answer.output.splitlines() if line.split()]
    return counted(by_turns(found, lambda row: row["unit"].partition("@")[0]), len(found))


def pending(system: System) -> int:
    """Return how many reloads and restarts are still due from runs that were broken off."""
    try:
        return len(os.listdir(os.path.join(system.state, "pending")))
    except OSError:
        return 0


# Lines of a server's log that are told.
LAST_LINES = 5


def last_words(system: System, logs: str, units: Sequence[str], seconds: float) -> List[str]:
    """Return the last lines that a server wrote of late, in its own log or else in the journal.

    :param logs: its log files, as a pattern; empty for one that has none.
    :param units: its units of systemd, as patterns.
    :param seconds: how far back lines count.
    """
    since = time.time() - seconds
    files = sorted(glob.glob(logs), key=os.path.getmtime)
    lines = (text for _moment, text in of_file(files[-1], since) if text.strip()) if files else iter(())
    text = "\n".join(reversed(list(itertools.islice(lines, LAST_LINES))))
    return system.mask(text or journal(system, units, since, LAST_LINES)).splitlines()[-LAST_LINES:]
