"""Who listens where on this host, read from /proc: `ss` is missing on small hosts."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct

from ..rows import MOST_ROWS, by_turns, counted
from .procstat import stat_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Mapping, Set, Tuple

    from ..specs.answers import Counted, Listener

    # Address, port, and the number of the user who has opened it.
    Opened = Tuple[str, int, int]


LISTEN = "0A"
EVERYWHERE = ("0.0.0.0", "::", "::ffff:0.0.0.0")
# Ancestors of a process that are told, the oldest ones: one of them is what was started on purpose, or left behind.
MOST_ANCESTORS = 100
UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,240}\.(?:service|scope)\Z")


def address_of(text: str) -> Tuple[str, int]:
    """Read an address of proc_net_tcp(5): words of 32 bits in the machine's own order, then the port."""
    digits, _, port = text.partition(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    data = b"".join(struct.pack("=I", word) for word in words)
    family = socket.AF_INET if len(data) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, data), int(port, 16)


def rows(name: str, most: int = 7) -> Iterator[List[str]]:
    """Yield the fields of each row of a table of the network; none where the kernel has no such table.

    :param most: how often a row is parted; a path at its end may hold blanks.
    """
    try:
        with open("/proc/net/" + name, encoding="utf-8", errors="surrogateescape") as stream:
            next(stream, "")
            for line in stream:
                yield line.rstrip("\n").split(None, most)
    except OSError:
        return


def sockets() -> Dict[str, Opened]:
    """Return every TCP socket that listens, by its inode."""
    found: Dict[str, Opened] = {}
    # A host without IPv6 has one of them.
    for name in ("tcp", "tcp6"):
        found.update({row[9]: (*address_of(row[1]), int(row[7])) for row in rows(name, 10) if row[3] == LISTEN})
    return found


def status(pid: int) -> Tuple[str, int]:
    """Return a process's name and its parent, an empty name when it is gone."""
    name, fields = stat_of(pid)
    return name, int(fields[1]) if fields else 0


def parents() -> Dict[int, int]:
    """Return the parent of every process."""
    return {pid: status(pid)[1] for pid in (int(name) for name in os.listdir("/proc") if name.isdigit())}


def family(pid: int, parent_of: Mapping[int, int]) -> List[int]:
    """Return a process and its ancestors, the youngest first; see `MOST_ANCESTORS`."""
    found: Dict[int, None] = {}
    while pid > 1 and pid not in found:
        found[pid] = None
        pid = parent_of.get(pid, 0)
    return list(found)[-MOST_ANCESTORS:]


def unit_of(pid: int) -> str:
    """Return the service or scope of systemd that a process belongs to, empty when there is none.

    Below a unit that is delegated, others make control groups, and call them as they like.
    """
    place = group_of(pid)
    # In a container, what is above its own init is the machine's.
    top = group_of(1).rpartition("/")[0]
    inner = place[len(top) :] if place.startswith(top + "/") else place
    return next((part for part in inner.split("/") if UNIT.match(part)), "")


def group_of(pid: int) -> str:
    """Return the control group of a process as systemd sees it, empty when it is gone."""
    try:
        with open("/proc/%d/cgroup" % pid, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip().rpartition(":")[2]
    except OSError:
        return ""


def fair_share(found: Mapping[str, Opened]) -> Dict[str, Opened]:
    """Return as many sockets as are told: of every user alike, and of each the ones first that others reach."""
    ordered = sorted(found.items(), key=lambda each: (each[1][0] not in EVERYWHERE, each[1][2], each[1][1]))
    return dict(by_turns(ordered, lambda each: each[1][2])[:MOST_ROWS])


def listening(system: object) -> Counted[Listener]:
    """List the TCP ports of this host on which somebody listens.

    :returns: rows as those of `described`, and how many there are beyond them.
    """
    opened = sockets()
    found = described(fair_share(opened))
    return counted(sorted(found, key=lambda row: (row["port"], row["address"])), len(opened))


def at_port(port: int) -> List[Listener]:
    """Return who listens on a port; see `described`."""
    return described({inode: each for inode, each in sockets().items() if each[1] == port})


def held(pid: int) -> Set[str]:
    """Return the sockets that a process holds, by their inodes; none of one that has ended."""
    folder = "/proc/%d/fd" % pid
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                target = os.readlink(os.path.join(folder, name))
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def described(wanted: Mapping[str, Opened]) -> List[Listener]:
    """Say whose sockets these are.

    :returns: dicts with address, port, pid, program, unit and pids (the process and those that it comes from); who it
        is may be unknown (pid 0): the kernel's own sockets belong to nobody.
    """
    owners: Dict[str, int] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        for inode in held(pid) & wanted.keys():
            # Forked workers hold it too; the oldest opened it.
            owners[inode] = min(pid, owners.get(inode, pid))
    found: List[Listener] = []
    parent_of = parents()
    for inode, (address, port, _user) in wanted.items():
        pid = owners.get(inode, 0)
        found.append(
            {
                "address": address,
                "port": port,
                "pid": pid,
                "program": status(pid)[0] if pid else "",
                "unit": unit_of(pid) if pid else "",
                "pids": family(pid, parent_of),
            }
        )
    return found
