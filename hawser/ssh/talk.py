"""What is asked of a runner, and what it answers, over any line that carries bytes both ways."""

from __future__ import annotations

import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import paramiko

from ..answers.messages import Message
from ..errors import StepFailed, Unreachable
from ..host.facts import Facts
from ..report.text import reason
from ..resources import Catalog
from ..signatures import SignedSession
from .protocol import Done, Exchange, Reader

CHUNK = 1 << 17


@dataclass(frozen=True)
class Answer:
    """The runner's message at the end of a request.

    :param ok: whether it did what was asked.
    """

    ok: bool
    message: Done

    @property
    def error(self) -> str:
        return str(self.message.get("error", ""))


def parts_of(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield so many bytes of a file, part by part."""
    rest = size
    while rest:
        # One that has become shorter meanwhile is filled up: its digest will tell.
        part = stream.read(min(CHUNK, rest)) or bytes(min(CHUNK, rest))
        rest -= len(part)
        yield part


class Talk(ABC):
    """A line to one host, with a runner at its far end; each of its methods may raise `Unreachable`.

    :param name: the host, for messages.
    :ivar facts: what the host said of itself when the line was opened.
    :ivar exchanges: how often it was asked for something.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reader = Reader(name, self.receive, self.ended)
        # Why nothing comes over this line any more.
        self.broken: Unreachable | None = None
        self.send_lock = threading.Lock()
        # Signs what is sent, where the far end is a helper.
        self.signed: SignedSession | None = None
        self.counter = 0
        self.exchanges = 0
        self.facts = Facts()

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether there is nobody to talk to, not yet or not any more."""

    @abstractmethod
    def open(self, install_python: Callable[[], bool]) -> None:
        """Connect, and start the runner; see `Wire.open`."""

    @abstractmethod
    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Start a script that a person talks to."""

    @abstractmethod
    def close(self) -> None:
        """Say goodbye, and hang up."""

    @abstractmethod
    def receive(self) -> bytes:
        """Return the next bytes of the runner, empty ones at its end.

        :raises TimeoutError: none came for a second.
        :raises Unreachable: the connection broke.
        """

    @abstractmethod
    def ended(self) -> Unreachable:
        """Return the error that says why the runner ended."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes, however slowly the other side takes them.

        :raises OSError: it has taken nothing for too long.
        """

    @abstractmethod
    def cut(self) -> None:
        """Hang up without a word; the runner ends its work."""

    def flush(self) -> None:  # noqa: B027
        """See a message off of which every byte has been written."""

    def line_of(self, message: Mapping[str, object]) -> bytes:
        """Return a message as it is sent."""
        text = json.dumps(message).encode()
        return (self.signed.line(text) if self.signed else text) + b"\n"

    def send(self, message: Mapping[str, object], data: Iterable[bytes] = ()) -> None:
        """Send one message, and the bytes that belong to it."""
        try:
            with self.send_lock:
                self.write(self.line_of(message))
                for part in data:
                    self.write(part)
                self.flush()
        except (OSError, EOFError, paramiko.SSHException) as error:
            # Half a message may have gone: what follows would not be understood.
            self.broken = self.broken or Unreachable(f"the connection broke: {reason(error)}", host=self.name)
            self.cut()
            raise self.broken from None

    def ping(self) -> None:
        """Tell the runner that we are still there; a broken line shows at the next request."""
        if not self.closed:
            try:
                self.send({"op": "ping"})
            except Unreachable:
                pass

    def blob(self, name: str, data: bytes) -> None:
        """Send a large piece of data ahead, which a later catalog refers to by name."""
        digest = hashlib.sha256(data).hexdigest()
        self.send({"op": "blob", "id": name, "size": len(data), "sha256": digest}, (data,))

    def blob_of(self, name: str, stream: BinaryIO, size: int) -> None:
        """Send a file ahead, part by part."""
        self.send({"op": "blob", "id": name, "size": size}, parts_of(stream, size))

    def request(
        self,
        operation: str,
        arguments: Mapping[str, object] | None = None,
        masks: Sequence[str] = (),
        on_message: Callable[[Message], None] = lambda message: None,
    ) -> Answer:
        """Ask the runner for one thing and wait until it is done: one exchange.

        :param on_message: called with every message that comes before the end.
        :raises Unreachable: the line is cut.
        """
        if self.broken:
            raise self.broken
        self.counter += 1
        self.exchanges += 1
        asked = dict(arguments or {})
        try:
            self.send({"op": operation, "id": self.counter, "arguments": asked, "masks": list(masks)})
            found = Exchange(self.reader, self.counter, operation, asked).listen(on_message)
        except Unreachable as error:
            # What comes late would be taken for the answer to the next question.
            self.broken = error
            self.cut()
            raise
        return Answer(found["ok"], found)

    def apply(self, catalog: Catalog, dry: bool, masks: Sequence[str], on_message: Callable[[Message], None]) -> bool:
        """Have a catalog applied.

        :returns: whether nothing failed.
        """
        answer = self.request("apply", {"catalog": catalog.to_wire(), "dry": dry}, masks, on_message)
        if answer.error:
            raise StepFailed(answer.error, host=self.name)
        return answer.ok
