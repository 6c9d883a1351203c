"""A line whose far part a worker holds: what is asked and answered is written and read here, as on any other line."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, Protocol

import paramiko

from ...errors import HawserError, Unreachable
from ...ssh.connect import Address, Connector
from ...ssh.protocol import HEARTBEAT
from ...ssh.talk import CHUNK, Talk, parts_of
from . import route
from .flow import Portions, Window
from .frames import Frame, Kind, unpack_error
from .held import BEAT
from .keys import Ring
from .station import Station
from .store import Blob


class Places(Protocol):
    """Says which worker holds a line, and has the keys of logins; see `Workers`."""

    connector: Connector
    planning: threading.BoundedSemaphore

    def place(self, address: Address) -> tuple[Station, Address]: ...

    def ring(self, address: Address) -> Ring: ...


class FarLine(Talk):
    """A line to one host by way of a worker.

    :param hello: what the host's runner is told first.
    """

    def __init__(self, address: Address, hello: Mapping[str, str], engine: Places) -> None:
        super().__init__(address.name)
        self.address, self.hello, self.engine = address, hello, engine
        self.station: Station | None = None
        self.number = 0
        self.inbox: queue.Queue[Frame] = queue.Queue()
        self.window, self.portions = Window(), Portions()
        # What waits to become a piece.
        self.buffer = bytearray()
        # What came to say that it is open: the greeting.
        self.first = b""
        # Why it is gone.
        self.lost: HawserError | None = None
        self.over = False
        # When its worker was last heard of, as far as the reader knows.
        self.heard = 0.0

    @property
    def closed(self) -> bool:
        """See `Talk`."""
        return self.station is None or self.over

    # The opening.

    def open(self, install_python: Callable[[], bool]) -> None:
        """Have a worker connect and start the runner; see `Wire.open`."""
        try:
            self.greet(install_python)
        except BaseException:
            self.cut()
            raise

    def greet(self, install_python: Callable[[], bool]) -> None:
        self.station, address = self.engine.place(self.address)
        with self.engine.planning:
            way, rings = route.plan(self.engine.connector, address, self.hello, self.engine.ring)
            data = route.to_bytes(way)
        self.number = self.station.add(self)
        self.tell(Kind.OPEN, data)
        users = {hop.options.user for hop in way.hops}
        while True:
            frame = self.next_frame()
            if frame.kind == Kind.DATA:
                break
            if frame.kind == Kind.SIGN:
                self.tell(Kind.SIGNED, self.sign_login(frame.data, rings, users))
            elif frame.kind == Kind.NO_PYTHON:
                self.tell(Kind.INSTALL, b"yes" if install_python() else b"no")
        self.first = frame.data
        said = self.reader.greeting(())
        assert not isinstance(said, str)
        self.facts = said

    def next_frame(self) -> Frame:
        """Return what comes next while the line opens.

        :raises HawserError: it is gone.
        """
        while True:
            if self.lost is not None:
                raise self.lost
            try:
                return self.inbox.get(timeout=1.0)
            except queue.Empty:
                continue

    def sign_login(self, asked: bytes, rings: list[Ring], users: set[str]) -> bytes:
        """Return a signature for a login; nothing where it is none of ours, or the key cannot be used."""
        try:
            said = json.loads(asked)
            ring, number, algorithm = int(said["ring"]), int(said["key"]), str(said["algorithm"])
            return rings[ring].sign(number, base64.b64decode(said["data"]), algorithm, users)
        except (HawserError, ValueError, LookupError, TypeError):
            return b""

    # What carries bytes both ways.

    def tell(self, kind: Kind, data: bytes = b"") -> None:
        assert self.station is not None
        self.station.tell(Frame(self.number, kind, data))

    def arrived(self, frame: Frame) -> None:
        """Take a piece from the worker; this never waits."""
        if frame.kind == Kind.TAKEN:
            self.window.leave(int(frame.data))
        elif frame.kind == Kind.LOST:
            self.lose(unpack_error(frame.data))
        else:
            self.inbox.put(frame)

    def lose(self, error: HawserError) -> None:
        """Take note that the line is gone."""
        self.lost = self.lost or error
        self.window.shut_down()
        self.inbox.put(Frame(self.number, Kind.LOST))

    def receive(self) -> bytes:
        """See `Talk`; that the worker lives stands for the runner's signs of life, which it listens to itself."""
        assert self.station is not None
        if self.first:
            greeting, self.first = self.first, b""
            return greeting
        try:
            frame = self.inbox.get(timeout=1.0)
        except queue.Empty:
            heard = self.station.heard
            if self.lost is None and not self.over and heard - self.heard >= HEARTBEAT:
                self.heard = heard
                return BEAT + b"\n"
            raise TimeoutError from None
        if frame.kind != Kind.DATA:
            raise self.ended()
        if told := self.portions.add(len(frame.data)):
            self.tell(Kind.TAKEN, b"%d" % told)
        return frame.data

    def ended(self) -> Unreachable:
        """See `Talk`."""
        if isinstance(self.lost, Unreachable):
            return self.lost
        return Unreachable(str(self.lost or "the connection or the runner ended"), host=self.name)

    def write(self, data: bytes) -> None:
        """See `Talk`."""
        self.buffer += data
        if len(self.buffer) >= CHUNK:
            self.pass_on(Kind.DATA)

    def flush(self) -> None:
        """See `Talk`."""
        self.pass_on(Kind.WHOLE)

    def pass_on(self, kind: Kind) -> None:
        data = bytes(self.buffer)
        self.buffer.clear()
        if self.closed or not self.window.enter(len(data)):
            raise self.ended()
        self.tell(kind, data)

    def blob(self, name: str, data: bytes) -> None:
        """See `Wire`; the same bytes go to a worker once."""
        digest = hashlib.sha256(data).hexdigest()
        parts = (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))
        self.share(Blob(digest, len(data)), parts, {"id": name, "size": len(data), "sha256": digest})

    def blob_of(self, name: str, stream: BinaryIO, size: int) -> None:
        """See `Wire`; the name says what is in it, so what has the same name and size goes to a worker once."""
        self.share(Blob(f"of {name}", size), parts_of(stream, size), {"id": name, "size": size})

    def share(self, blob: Blob, parts: Iterable[bytes], message: Mapping[str, object]) -> None:
        """Have the runner get a blob.

        :param message: what it is told of it.
        """
        if self.closed or self.station is None or self.lost is not None:
            raise self.ended()
        number = self.station.sender.share(blob, parts)
        said = json.dumps({"number": number, "message": {"op": "blob", **message}}).encode()
        with self.send_lock:
            if not self.window.enter(blob.size):
                raise self.ended()
            self.tell(Kind.STORED, said)

    # Signs of life, and the end.

    def ping(self) -> None:
        """Do nothing: the worker tells the runner that somebody is there, and we tell the worker."""

    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Refuse it: keys and screen of a person would go by way of the worker.

        :raises HawserError: says what to do instead.
        """
        raise HawserError(
            "a terminal goes straight to its host, and by no worker;",
            host=self.name,
            next="the same command without HAWSER_ENGINE",
            code=2,
        )

    def cut(self) -> None:
        """See `Talk`."""
        if self.station is not None and not self.over:
            self.over = True
            self.tell(Kind.CUT)
            self.station.remove(self)
        self.window.shut_down()
        self.inbox.put(Frame(self.number, Kind.LOST))

    def close(self) -> None:
        """Say goodbye, and wait a moment until the worker has done so: the next command finds no lock."""
        if not self.closed and self.lost is None:
            self.tell(Kind.CLOSE)
            try:
                while self.inbox.get(timeout=HEARTBEAT).kind == Kind.DATA:
                    pass
            except queue.Empty:
                pass
        self.cut()
