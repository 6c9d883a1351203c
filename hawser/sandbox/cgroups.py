"""A cgroup for each host, so that its processes are found, counted and ended as one, even when their starter has died.

Works with version 2 alone, with version 1 and systemd's own hierarchy, and with both (hybrid). Source: cgroups(7),
https://systemd.io/CGROUP_DELEGATION.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from ..errors import HawserError
from .model import Instance, Place
from .mounts import Mount, mounted

CGROUPS = Path("/sys/fs/cgroup")
# Of systemd, by its NEWS: the first that runs on version 2 alone.
NEEDS_VERSION_2 = 258
SYSTEMD = re.compile(r"libsystemd-core-([0-9]{3})\.so")


def hierarchies(mounts: list[Mount]) -> list[Path]:
    """Return where systemd's hierarchies are mounted: version 2, and the one named ``systemd`` of version 1."""
    return [
        mount.target
        for mount in mounts
        if mount.kind == "cgroup2" or (mount.kind == "cgroup" and "name=systemd" in mount.options)
    ]


def why_not_here(root: Path, mounts: list[Mount]) -> str:
    """Say why the systemd of a host cannot run on this machine; empty where it can, or where nobody knows.

    :param root: the host's files.
    """
    found = [SYSTEMD.fullmatch(path.name) for path in root.glob("usr/lib/*/systemd/libsystemd-core-*.so")]
    newest = max((int(each[1]) for each in found if each), default=0)
    if newest < NEEDS_VERSION_2 or any(each.target == CGROUPS and each.kind == "cgroup2" for each in mounts):
        return ""
    return (
        f"its systemd {newest} needs control groups of version 2, and this machine has those of version 1; "
        "next: boot it with systemd.unified_cgroup_hierarchy=1, or take another one"
    )


def folders(place: Place) -> list[Path]:
    """Return the cgroups of a host, one for each hierarchy.

    :raises HawserError: when the machine has no hierarchy that systemd could use.
    """
    found = hierarchies(mounted())
    if not found:
        raise HawserError("sandbox: no cgroup hierarchy is mounted on this machine, so no systemd can run in a host")
    return [mount / place.instance.bridge / place.name for mount in found]


def make(place: Place) -> tuple[list[Path], list[Path]]:
    """Make a host's cgroups.

    :returns: those of the process that keeps the host running, and those of the host itself.
    """
    keeper: list[Path] = []
    machine: list[Path] = []
    for folder in folders(place):
        for part, parts in (("keeper", keeper), ("machine", machine)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            parts.append(folder / part)
        _hand_down_controllers(folder)
    return keeper, machine


def processes(place: Place, part: str = "") -> list[int]:
    """Return the ids of a host's living processes, its keeper's first.

    :param part: ``keeper`` or ``machine`` for one of the two alone.
    """
    found: dict[int, None] = {}
    for folder in folders(place):
        for below in _tree(folder / part):
            with contextlib.suppress(OSError):
                found.update((int(word), None) for word in (below / "cgroup.procs").read_text().split())
    return [pid for pid in found if pid]


def leader(place: Place) -> int | None:
    """Return the id of a host's init: the process that is number 1 in its own namespace."""
    for pid in processes(place, "machine"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("NSpid:") and len(line.split()) == 3 and line.split()[2] == "1":
                    return pid
    return None


def end(place: Place, seconds: float = 20) -> None:
    """Kill every process of a host and remove its cgroups.

    :raises HawserError: when a process does not die.
    """
    deadline = time.monotonic() + seconds
    while alive := processes(place):
        if time.monotonic() > deadline:
            raise HawserError(f"sandbox: processes of {place.name} do not end: {' '.join(map(str, alive))}")
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    for folder in folders(place):
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a cgroup and those below it; the kernel may need a moment after the last process."""
    for attempt in range(50):
        if not folder.exists():
            return
        for below in reversed(_tree(folder)):
            with contextlib.suppress(OSError):
                below.rmdir()
        time.sleep(0.01 * attempt)


def _tree(folder: Path) -> list[Path]:
    """Return a cgroup and all below it, parents first; some may be gone already, as their host is at work."""
    return sorted(Path(below) for below, _, _ in os.walk(folder))


def _hand_down_controllers(folder: Path) -> None:
    """Let a host limit memory and the like, as far as version 2 offers it; version 1 and hybrid machines do without."""
    for parent in (folder.parent, folder):
        with contextlib.suppress(OSError):
            offered = (parent / "cgroup.controllers").read_text().split()
            (parent / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in offered))


def remove_all(instance: Instance) -> None:
    """Remove the parents of the cgroups of a sandbox's hosts."""
    for mount in hierarchies(mounted()):
        remove(mount / instance.bridge)
