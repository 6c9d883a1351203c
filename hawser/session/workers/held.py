"""A line to a host, as a worker holds it: it opens it, carries bytes both ways, and says that somebody is there."""

from __future__ import annotations

import base64
import json
import queue
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko
from fabric.config import Config

from ...errors import HawserError, Unreachable
from ...report.text import reason
from ...ssh.connect import Address, Connector, Way
from ...ssh.hostkeys import KnownHosts, Trust
from ...ssh.login import Login
from ...ssh.options import Options
from ...ssh.protocol import HEARTBEAT
from ...ssh.wire import Wire
from . import route
from .flow import Portions, Window
from .frames import Frame, Kind, pack_error
from .keys import LentLogin
from .store import Store

# A runner's sign of life, which is none of this machine's business: its own goes for all its lines.
BEAT = b'{"t": "beat"}'
# Seconds within which a signature comes: a person may have to touch a key, or to confirm it.
SIGNATURE = 90.0
# Handshakes at a time, to hosts that are near: more would compute side by side, and keep who speaks with us waiting.
HANDSHAKES = 8
# Where pieces go that are meant for the other side.
Post = Callable[[Frame], None]


class Placed(Connector):
    """Connections from a worker, by what was read elsewhere."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hawser-worker-"))
        super().__init__(Config(lazy=True), KnownHosts(self.folder / "known_hosts"))
        self.handshakes = threading.BoundedSemaphore(HANDSHAKES)
        self.hops: dict[Address, route.Hop] = {}
        self.ways: dict[Address, Way] = {}
        # The line whose thread this is: it asks for signatures, also where it opens a jump host for several.
        self.of_thread = threading.local()

    def know(self, found: route.Route) -> None:
        """Learn of a way to a host."""
        addresses = tuple(hop.address for hop in found.hops)
        with self.lock:
            self.hops.update(zip(addresses, found.hops, strict=True))
            self.ways[addresses[-1]] = addresses[:-1]
            self.__dict__.setdefault("given", dict(found.given))

    def options(self, address: Address) -> Options:
        """See `Connector`."""
        return self.hops[address].options

    def way(self, address: Address, behind: Way = ()) -> Way:
        """See `Connector`."""
        return self.ways[address]

    def trust(self, address: Address) -> Trust:
        """See `Connector`."""
        hop = self.hops[address]
        if not hop.revoked:
            return hop.trust
        place = self.folder / Path(hop.trust.revoked).name
        place.write_bytes(hop.revoked)
        return Trust(**{**vars(hop.trust), "revoked": str(place)})

    def login(self, address: Address) -> Login:
        """See `Connector`."""
        hop, line = self.hops[address], self.of_thread.line
        return LentLogin(
            hop.options,
            hop.keys,
            hop.locked,
            hop.password,
            lambda number, data, algorithm: line.signed(hop.ring, number, data, algorithm),
        )


class Held:
    """One line.

    :param post: takes pieces for the other side.
    :param store: holds blobs that several lines get.
    """

    def __init__(self, number: int, connector: Placed, found: route.Route, post: Post, store: Store) -> None:
        self.number, self.connector, self.post, self.store = number, connector, post, store
        self.wire = Wire(found.host.address, connector, found.hello)
        # What is to be done, in order.
        self.orders: queue.Queue[Frame] = queue.Queue()
        # Answers to what was asked: a signature, or whether Python may be installed.
        self.replies: queue.Queue[Frame] = queue.Queue()
        self.window = Window()
        self.over = threading.Event()
        threading.Thread(target=self.work, daemon=True).start()

    def tell(self, kind: Kind, data: bytes = b"") -> None:
        self.post(Frame(self.number, kind, data))

    def take(self, frame: Frame) -> None:
        """Take a piece that came; this never waits."""
        if frame.kind in (Kind.SIGNED, Kind.INSTALL):
            self.replies.put(frame)
        elif frame.kind == Kind.TAKEN:
            self.window.leave(int(frame.data))
        elif frame.kind == Kind.CUT:
            threading.Thread(target=self.cut, daemon=True).start()
        else:
            self.orders.put(frame)

    def cut(self) -> None:
        """Hang up without a word."""
        self.over.set()
        self.window.shut_down()
        self.orders.put(Frame(self.number, Kind.CUT))
        self.replies.put(Frame(self.number, Kind.CUT))
        self.wire.cut()

    def lose(self, error: HawserError) -> None:
        """Say that the line is gone, and hang up."""
        if not self.over.is_set():
            self.tell(Kind.LOST, pack_error(error))
            self.cut()

    def guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except HawserError as error:
            self.lose(error)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.lose(Unreachable(f"the connection broke: {reason(error)}", host=self.wire.name))
        except Exception as error:
            # The other side would wait for ever.
            self.lose(HawserError(f"a bug in Hawser: {type(error).__name__}: {error}", host=self.wire.name))

    def work(self) -> None:
        self.connector.of_thread.line = self
        self.guarded(self.converse)

    def converse(self) -> None:
        """Open the line, then write what comes until it is closed; in between, say that somebody is there."""
        self.wire.open(self.may_install)
        if self.over.is_set():
            # It was cut while it opened.
            self.wire.cut()
            return
        self.tell(Kind.DATA, json.dumps({"t": "hello", "facts": self.wire.reader.greeted}).encode() + b"\n")
        threading.Thread(target=lambda: self.guarded(self.listen), daemon=True).start()
        portions, whole = Portions(), True
        while not self.over.is_set():
            try:
                frame = self.orders.get(timeout=HEARTBEAT)
            except queue.Empty:
                if whole:
                    self.wire.ping()
                continue
            if frame.kind == Kind.CLOSE:
                self.close()
            if frame.kind == Kind.STORED:
                self.pass_on(frame.data)
                continue
            if frame.kind not in (Kind.DATA, Kind.WHOLE):
                return
            self.wire.write(frame.data)
            whole = frame.kind == Kind.WHOLE
            if told := portions.add(len(frame.data)):
                self.tell(Kind.TAKEN, b"%d" % told)

    def pass_on(self, data: bytes) -> None:
        """Give the runner a blob out of the store."""
        said = json.loads(data)
        while not self.store.has(said["number"], HEARTBEAT):
            if self.over.is_set():
                return
            self.wire.ping()
        size = int(said["message"]["size"])
        self.wire.send(said["message"], self.store.parts(said["number"], size))
        self.tell(Kind.TAKEN, b"%d" % size)

    def close(self) -> None:
        """Say goodbye to the runner, which frees the lock."""
        self.over.set()
        self.window.shut_down()
        self.wire.close()
        self.tell(Kind.CLOSED)

    def listen(self) -> None:
        """Pass on what the runner says, line by line, each bounded and in time; see `Reader`."""
        while not self.over.is_set():
            line = self.wire.reader.line()
            if line == BEAT:
                continue
            if not self.window.enter(len(line) + 1):
                return
            self.tell(Kind.DATA, line + b"\n")

    # What is asked while the line opens.

    def asked(self, kind: Kind, data: bytes, seconds: float) -> bytes:
        """Ask the other side for something.

        :raises Unreachable: the line was cut meanwhile.
        """
        self.tell(kind, data)
        try:
            frame = self.replies.get(timeout=seconds)
        except queue.Empty:
            raise Unreachable(f"no answer to its worker within {seconds:.0f} s", host=self.wire.name) from None
        if frame.kind == Kind.CUT:
            raise Unreachable("the line was cut while it opened", host=self.wire.name)
        return frame.data

    def may_install(self) -> bool:
        return self.asked(Kind.NO_PYTHON, b"", SIGNATURE) == b"yes"

    def signed(self, ring: int, number: int, data: bytes, algorithm: str) -> bytes:
        """Have a login signed where the key is.

        :raises SSHException: it was not.
        """
        wanted = {"ring": ring, "key": number, "data": base64.b64encode(data).decode(), "algorithm": algorithm}
        signature = self.asked(Kind.SIGN, json.dumps(wanted).encode(), SIGNATURE)
        if not signature:
            raise paramiko.SSHException("the key was not used for this login")
        return signature
