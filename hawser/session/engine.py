"""Who opens, holds and closes the lines to hosts: all that a run needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..ssh.connect import Address, Connector
from ..ssh.talk import Talk
from ..ssh.wire import Wire
from .descriptors import make_room


class Engine(Protocol):
    """Makes lines, for as many hosts as there are."""

    def line(self, address: Address, hello: Mapping[str, str]) -> Talk:
        """Return a line to a host, not opened yet.

        :param hello: what its runner is told first.
        """
        ...

    def make_room(self, hosts: int) -> None:
        """See that lines to so many hosts can be open at once.

        :raises HawserError: this machine does not allow it; says what helps.
        """

    def close(self) -> None:
        """Let go of what lines have shared; they are closed by then."""


class Direct:
    """The engine of one machine: each line is an SSH connection of its own, from here."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector

    def line(self, address: Address, hello: Mapping[str, str]) -> Talk:
        """See `Engine`."""
        return Wire(address, self.connector, hello)

    def make_room(self, hosts: int) -> None:
        """See `Engine`."""
        make_room(hosts)

    def close(self) -> None:
        """See `Engine`."""
        self.connector.close()
