"""Who is connected to a socket or a port of this host, read from /proc/net: `ss` is missing on small hosts.

Source: proc(5), proc_net(5); the flag and the states are those of linux/net.h and net/tcp_states.h.
"""

from __future__ import annotations

from .ports import LISTEN, held, rows, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

# Of a unix socket that listens.
ACCEPTS = 0x10000
# Of a TCP connection: it is open, or about to be.
OPEN = ("01", "03")


class Door:
    """What listens at an address now.

    :param address: a socket's path, or ``host:port``.
    """

    def __init__(self, address: str) -> None:
        self.path = address if address.startswith("/") else ""
        self.port = 0 if self.path else int(address.rpartition(":")[2])

    def states(self) -> List[bool]:
        """Return for each socket there whether it is a connection; else it listens."""
        if self.path:
            mine = (row for row in rows("unix") if row[7:] == [self.path])
            return [not int(row[3], 16) & ACCEPTS for row in mine]
        suffix = ":%04X" % self.port
        found = [row[3] for name in ("tcp", "tcp6") for row in rows(name) if row[1].endswith(suffix)]
        return [state in OPEN for state in found if state in (LISTEN, *OPEN)]

    @property
    def listens(self) -> bool:
        """Whether anybody listens there."""
        return False in self.states()

    @property
    def connected(self) -> bool:
        """Whether a connection to it is open, or waits to be taken."""
        return True in self.states()


def takes_connections(pid: int) -> bool:
    """Tell whether a process holds a TCP socket that listens; one that has ended does not."""
    return not held(pid).isdisjoint(sockets())


def owes_answers(pid: int) -> bool:
    """Tell whether a process that takes no connections any more has some for whose clients it has asked nobody yet."""
    mine, opened = held(pid), sockets()
    if not mine or not mine.isdisjoint(opened):
        return False
    doors = {port for _address, port, _user in opened.values()}
    ports = [
        int(row[1].rpartition(":")[2], 16)
        for name in ("tcp", "tcp6")
        for row in rows(name, 10)
        if row[3] == OPEN[0] and row[9] in mine
    ]
    clients = sum(port in doors for port in ports)
    return clients > len(ports) - clients
