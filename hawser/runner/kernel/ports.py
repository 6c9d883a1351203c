"""Who listens where on this host, read from /proc: `ss` is missing on small hosts."""

from __future__ import annotations

import glob
import os
import re
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple


LISTEN = "0A"
UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.@\\-]{0,240}\.(?:service|scope)\Z")


def address_of(text: str) -> Tuple[str, int]:
    """Read an address of proc_net_tcp(5): words of 32 bits in the machine's own order, then the port."""
    digits, _, port = text.partition(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    data = b"".join(struct.pack("=I", word) for word in words)
    family = socket.AF_INET if len(data) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, data), int(port, 16)


def sockets() -> Dict[str, Tuple[str, int]]:
    """Return address and port of every TCP socket that listens, by its inode."""
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name, encoding="ascii") as stream:
                rows = [line.split() for line in stream.readlines()[1:]]
        except OSError:
            # A host without IPv6.
            continue
        found.update({row[9]: address_of(row[1]) for row in rows if row[3] == LISTEN})
    return found


def status(pid: int) -> Tuple[str, int]:
    """Return a process's name and its parent, an empty name when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return "", 0
    # The name may hold anything, brackets too.
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, int(rest.split()[1])


def family(pid: int) -> List[int]:
    """Return a process and all that it comes from, the youngest first."""
    found: List[int] = []
    while pid > 1 and pid not in found:
        found.append(pid)
        pid = status(pid)[1]
    return found


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


def listening(system: object) -> List[Dict[str, Any]]:
    """List the TCP ports of this host on which somebody listens.

    :returns: dicts with address, port, pid, program, unit and pids (the process and those that it comes from); who it
        is may be unknown (pid 0): the kernel's own sockets belong to nobody.
    """
    wanted = sockets()
    owners: Dict[str, int] = {}
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        inode = target[8:-1] if target.startswith("socket:[") else ""
        if inode in wanted:
            pid = int(path.split("/")[2])
            # Forked workers hold it too; the oldest opened it.
            owners[inode] = min(pid, owners.get(inode, pid))
    found = []
    for inode, (address, port) in wanted.items():
        pid = owners.get(inode, 0)
        found.append(
            {
                "address": address,
                "port": port,
                "pid": pid,
                "program": status(pid)[0] if pid else "",
                "unit": unit_of(pid) if pid else "",
                "pids": family(pid),
            }
        )
    return sorted(found, key=lambda row: (row["port"], row["address"]))
