"""HTTP and XML-RPC over Unix sockets; a module of its own, for these libraries cost a third of the start."""

from __future__ import annotations

import errno
import http.client
import socket
import stat
import xmlrpc.client

from ..files.disk import NotThere, located
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence, Tuple


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket.

    :param timeout: seconds for each word of the other side.
    """

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            with located(self.path) as (handle, status):
                if not stat.S_ISSOCK(status.st_mode):
                    raise OSError(errno.ENOTSOCK, "%s is no socket" % self.path)
                self.sock.connect("/proc/self/fd/%d" % handle)
        except NotThere as missing:
            raise FileNotFoundError(errno.ENOENT, missing.message) from None
        except Failure as failure:
            # Its folder is the service user's, who could have us speak to any socket on the host.
            raise OSError(errno.EPERM, failure.message) from None


class AddressTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket or to a port, as supervisor speaks it.

    :param headers: more of them for every request.
    """

    def __init__(self, address: str, timeout: float, headers: Sequence[Tuple[str, str]] = ()) -> None:
        super().__init__(headers=headers)
        self.address = address
        self.timeout = timeout

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return connection(self.address, self.timeout)


def connection(address: str, timeout: float) -> http.client.HTTPConnection:
    """Return an HTTP connection to a socket's path or to ``host:port``."""
    if address.startswith("/"):
        return UnixConnection(address, timeout)
    host, _, port = address.rpartition(":")
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
