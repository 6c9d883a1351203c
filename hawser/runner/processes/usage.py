"""What programs use of the host: the time of its processors, and memory; the application's own and all others."""

from __future__ import annotations

import collections
import os
import time

from ..kernel.ports import family, parents, unit_of
from ..kernel.procstat import stat_of
from ..rows import counted
from .managers import manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Counter, Dict, List, Mapping, Tuple

    from ..specs.answers import HostUsage, OtherUsage, ProcessUsage
    from ..system import System

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# The columns of the first line of /proc/stat in which processors computed; guests are counted in the first two.
BUSY = (0, 1, 2, 5, 6, 7)


def usage(system: System, processes: Mapping[str, Mapping[str, str]]) -> HostUsage:
    """Tell what the host's programs have used up to now, and hold now.

    :param processes: the unit and the manager of each process that is told by itself, by name.
    :returns: moment (seconds on a clock that nobody sets), busy (seconds in which processors computed, all of them
        added, since boot), processors, load, memory and swap (bytes), the named processes, and the others by unit.
    """
    with open("/proc/stat", encoding="ascii") as stream:
        ticks = [int(word) for word in stream.readline().split()[1:]]
    with open("/proc/meminfo", encoding="ascii") as stream:
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in stream)}
    own, others = by_owner(system, processes)
    return {
        "moment": time.monotonic(),
        "busy": sum(ticks[column] for column in BUSY) / TICKS,
        "processors": os.cpu_count() or 1,
        "load": os.getloadavg()[0],
        "memory": {"total": sizes["MemTotal"], "free": sizes["MemAvailable"]},
        "swap": {"total": sizes["SwapTotal"], "free": sizes["SwapFree"]},
        "processes": own,
        "others": counted(sorted(others, key=lambda row: -row["memory"]), len(others)),
    }


def by_owner(
    system: System, processes: Mapping[str, Mapping[str, str]]
) -> Tuple[Dict[str, ProcessUsage], List[OtherUsage]]:
    """Add up the programs of each process, and those of each other unit."""
    own: Dict[str, ProcessUsage] = {}
    owner_of_pid: Dict[int, str] = {}
    owner_of_unit: Dict[str, str] = {}
    for kind in sorted({each["manager"] for each in processes.values()}):
        units = {each["unit"]: name for name, each in processes.items() if each["manager"] == kind}
        chosen = manager(kind, system)
        for unit, state in chosen.states(list(units)).items():
            own[units[unit]] = {"cpu": 0.0, "memory": 0, "programs": 0, "restarts": state.restarts}
            owner_of_pid[state.pid] = units[unit]
            if not chosen.traits.unit:
                # Whatever a process starts stays in its unit.
                owner_of_unit[unit + chosen.traits.suffix] = units[unit]
    seconds: Dict[str, float] = collections.defaultdict(float)
    memory: Counter[str] = collections.Counter()
    parent_of = parents()
    for pid in parent_of:
        unit = unit_of(pid)
        named = (owner_of_pid[each] for each in family(pid, parent_of) if each in owner_of_pid)
        name = owner_of_unit.get(unit) or next(named, "")
        if name:
            own[name]["cpu"] += computed(pid)
            own[name]["memory"] += share(pid)
            own[name]["programs"] += 1
        else:
            seconds[unit] += computed(pid)
            memory[unit] += alone(pid)
    # What has no unit is the kernel's own.
    return own, [{"unit": unit, "cpu": seconds[unit], "memory": memory[unit]} for unit in seconds if unit]


def computed(pid: int) -> float:
    """Return the seconds that a process has computed, and its children that have ended; 0 when it is gone."""
    return sum(map(int, stat_of(pid)[1][11:15])) / TICKS


def share(pid: int) -> int:
    """Return the bytes that a process holds, of those that it shares only its part; 0 when it is gone.

    Workers that were forked share most of theirs: added up, their whole sizes are several times what they need.
    """
    try:
        with open("/proc/%d/smaps_rollup" % pid, encoding="ascii", errors="replace") as stream:
            return sum(int(line.split()[1]) for line in stream if line.startswith(("Pss:", "SwapPss:"))) * 1024
    except OSError:
        return 0


def alone(pid: int) -> int:
    """Return the bytes that a process shares with no file and no other one's memory; 0 when it is gone.

    A database's part of what all its programs share would have to be counted page by page.
    """
    try:
        with open("/proc/%d/statm" % pid, encoding="ascii") as stream:
            _size, resident, shared = map(int, stream.read().split()[:3])
    except OSError:
        return 0
    return (resident - shared) * PAGE
