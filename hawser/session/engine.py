"""Who opens, holds and closes the lines to hosts: all that a run needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, Protocol

import paramiko

from ..answers.messages import Message
from ..host.facts import Facts
from ..resources import Catalog
from ..ssh.connect import Address, Connector
from ..ssh.talk import Answer
from ..ssh.wire import Wire
from .descriptors import make_room


class Line(Protocol):
    """A line to one host, with a runner at its far end; each of its methods may raise `Unreachable`.

    :ivar facts: what the host said of itself when the line was opened.
    :ivar exchanges: how often it was asked for something.
    """

    facts: Facts
    exchanges: int

    def open(self, install_python: Callable[[], bool]) -> None:
        """Connect, and start the runner; see `Wire.open`."""

    def request(
        self,
        operation: str,
        arguments: Mapping[str, object] | None = None,
        masks: Sequence[str] = (),
        on_message: Callable[[Message], None] = lambda message: None,
    ) -> Answer:
        """Ask for one thing, and wait until it is done."""
        ...

    def apply(self, catalog: Catalog, dry: bool, masks: Sequence[str], on_message: Callable[[Message], None]) -> bool:
        """Have a catalog applied; returns whether nothing failed."""
        ...

    def blob(self, name: str, data: bytes) -> None:
        """Send what a catalog will speak of."""

    def blob_of(self, name: str, stream: BinaryIO, size: int) -> None:
        """Send so many bytes of a stream."""

    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Start a script that a person talks to."""
        ...

    def ping(self) -> None:
        """Say that we are still there."""

    def cut(self) -> None:
        """Hang up without a word."""

    def close(self) -> None:
        """Say goodbye, and hang up."""


class Engine(Protocol):
    """Makes lines, for as many hosts as there are."""

    def line(self, address: Address, hello: Mapping[str, str]) -> Line:
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

    def line(self, address: Address, hello: Mapping[str, str]) -> Line:
        """See `Engine`."""
        return Wire(address, self.connector, hello)

    def make_room(self, hosts: int) -> None:
        """See `Engine`."""
        make_room(hosts)

    def close(self) -> None:
        """See `Engine`."""
        self.connector.close()
