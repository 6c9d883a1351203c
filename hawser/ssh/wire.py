"""A wire: one SSH connection with one runner at its far end."""

from __future__ import annotations

import functools
import json
import shlex
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import paramiko
from fabric import Connection

from ..answers import adapter
from ..errors import StepFailed, Unreachable
from ..host.facts import Facts
from ..report.text import hearsay, reason
from ..resources import JSON, Catalog
from .connect import Address, Connector
from .protocol import Exchange, Reader
from .transport import SILENCE

CHUNK = 1 << 17
# Seconds that apt may take to install Python, and bytes of what a program says that are kept for its last words.
LONGEST_INSTALL = 1800.0
LAST_WORDS = 1 << 16
# Characters of them that are shown.
LAST_SHOWN = 2000
# Bytes that a runner may say to standard error: a login script may speak there, and whatever warns.
LONGEST_ERRORS = 1 << 26

# Reads our modules from standard input and runs them without touching the disk. Python 3.8 syntax.
LOADER = (
    "import sys,zlib,json,importlib.machinery as m\n"
    "i=sys.stdin.buffer\n"
    "s=json.loads(zlib.decompress(i.read(int(i.readline()))).decode())\n"
    "k={n.rpartition('.')[0] for n in s}\n"
    "class L:\n"
    " def create_module(self,o):\n"
    "  return None\n"
    " def find_spec(self,n,p=None,t=None):\n"
    "  return m.ModuleSpec(n,self,is_package=n in k) if n in s else None\n"
    " def exec_module(self,o):\n"
    "  exec(compile(s[o.__name__],o.__name__.replace('.','/')+'.py','exec'),o.__dict__)\n"
    "sys.meta_path.insert(0,L())\n"
    "from hawser_runner.main import main\n"
    "main()\n"
)
NO_PYTHON = "hawser: no python3 here"
READY = "hawser-is-ready"


@functools.cache
def runner_source() -> bytes:
    """Return the runner's modules as one compressed JSON object {module name: source}."""
    folder = Path(__file__).parents[1] / "runner"
    modules = {
        ".".join(["hawser_runner", *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__"): (
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.py"))
        # Types, which are for mypy alone.
        if path.parent.name != "specs"
    }
    return zlib.compress(json.dumps(modules).encode(), 9)


def as_said(data: bytes) -> str:
    """Return the last words of a program, as a message tells them."""
    return hearsay(data.decode("utf-8", "replace").strip())[-LAST_SHOWN:]


@dataclass(frozen=True)
class Answer:
    """What the runner said at the end of a request.

    :param ok: whether it did what was asked.
    """

    ok: bool
    message: Mapping[str, Any]

    @property
    def error(self) -> str:
        return str(self.message.get("error", ""))


class Wire:
    """One connection, one channel, one runner.

    :param hello: what the runner must know from the start: application, root, state.
    """

    def __init__(self, address: Address, connector: Connector, hello: Mapping[str, str]) -> None:
        self.address = address
        self.connector = connector
        self.hello = {**hello, "token": uuid.uuid4().hex}
        self.connection: Connection | None = None
        self.channel: paramiko.Channel | None = None
        self.reader = Reader(self.name, self.receive, self.last_words)
        # The end of what came on standard error, and how much came there.
        self.errors, self.erred = b"", 0
        self.errors_lock = threading.Lock()
        # Why nothing comes over this line any more.
        self.broken = ""
        self.send_lock = threading.Lock()
        self.counter = 0
        self.exchanges = 0
        self.facts = Facts()

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def user(self) -> str:
        """Who we are on the host."""
        assert self.connection is not None
        return str(self.connection.user)

    def open(self, install_python: Callable[[], bool]) -> None:
        """Connect and start the runner; its greeting becomes `facts`.

        :param install_python: asked when the host has no python3; True: install it.
        :raises Unreachable: see `Connector.open`; or the runner did not start.
        """
        try:
            self.greet(install_python)
        except Unreachable:
            self.cut()
            raise

    def greet(self, install_python: Callable[[], bool]) -> None:
        self.connection = self.connector.open(self.address)
        first = self.start()
        if first == NO_PYTHON:
            if not install_python():
                raise Unreachable(f"{self.name}: there is no python3 yet; next: fab -H {self.name} bootstrap")
            self.install_python()
            first = self.start()
        if first == NO_PYTHON:
            raise Unreachable(f"{self.name}: python3 was installed and is still not found")

    def command(self, script: str) -> tuple[str, bytes]:
        """Return the command that runs a shell script as root, and what its standard input must begin with."""
        if self.user == "root":
            return f"/bin/sh -c {shlex.quote(script)}", b""
        if not self.address.sudo_password:
            return f"sudo -n /bin/sh -c {shlex.quote(script)}", b""
        # No `exec sudo`: the credential is cached under the shell's process id.
        outer = (
            "IFS= read -r p && printf '%s\\n' \"$p\" | sudo -S -p '' -v && unset p && "
            f"sudo -n /bin/sh -c {shlex.quote(script)}; exit $?"
        )
        return f"/bin/sh -c {shlex.quote(outer)}", self.address.sudo_password.encode() + b"\n"

    def execute(self, script: str) -> paramiko.Channel:
        """Start a script as root on a new channel.

        :raises Unreachable: the host starts nothing for us, or does not answer.
        """
        assert self.connection is not None
        try:
            channel: paramiko.Channel = self.connection.transport.open_session()
            # One timeout for reading and writing, which two threads do at the same time.
            channel.settimeout(1.0)
            if self.address.forward_agent:
                paramiko.agent.AgentRequestHandler(channel)
            command, first = self.command(script)
            channel.exec_command(command)
            if first:
                channel.sendall(first)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{self.name}: starts no command for us: {reason(error)}") from None
        return channel

    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Start a script as root on a new channel that a person talks to.

        :param size: kind, columns and lines of the person's terminal; None: there is none.
        :raises Unreachable: the host starts nothing for us, or does not answer.
        """
        channel: paramiko.Channel
        if size is None:
            channel = self.execute(script)
            channel.settimeout(None)
            return channel
        assert self.connection is not None
        try:
            channel = self.connection.transport.open_session()
            channel.settimeout(1.0)
            channel.get_pty(*size)
            self.start_in_terminal(channel, script)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{self.name}: starts no terminal: {reason(error)}") from None
        channel.settimeout(None)
        return channel

    def start_in_terminal(self, channel: paramiko.Channel, script: str) -> None:
        command, password = self.command(script)
        if not password:
            channel.exec_command(command)
            return
        # A terminal shows what is typed: the password is sent when it has been told not to.
        outer = (
            f"stty -echo; printf {READY}; IFS= read -r p; stty echo; printf '%s\\n' \"$p\" | sudo -S -p '' -v && "
            f"unset p && sudo -n /bin/sh -c {shlex.quote(script)}; exit $?"
        )
        channel.exec_command(f"/bin/sh -c {shlex.quote(outer)}")
        heard = b""
        for part in self.parts(channel.recv, SILENCE):
            heard = (heard + part)[-LAST_WORDS:]
            if READY.encode() in heard:
                channel.sendall(password)
                return
        raise Unreachable(f"{self.name}: {as_said(heard) or 'starts no terminal'}")

    def parts(self, receive: Callable[[int], bytes], seconds: float) -> Iterator[bytes]:
        """Yield what comes over a channel until its end, for so many seconds at most.

        :param receive: the channel's own; it waits for a second.
        """
        due = time.monotonic() + seconds
        while time.monotonic() < due:
            try:
                part = receive(65536)
            except TimeoutError:
                continue
            if not part:
                return
            yield part

    def start(self) -> str:
        """Start the runner.

        :returns: an empty string, or `NO_PYTHON`.
        """
        check = f"command -v python3 >/dev/null || {{ echo '{NO_PYTHON}'; exit 0; }}"
        script = f"{check}; exec python3 -IBc {shlex.quote(LOADER)}"
        self.reader = Reader(self.name, self.receive, self.last_words)
        self.errors, self.erred = b"", 0
        self.channel = self.execute(script)
        try:
            source = runner_source()
            self.write(b"%d\n" % len(source) + source + json.dumps(self.hello).encode() + b"\n")
        except (OSError, EOFError, paramiko.SSHException):
            # It ended before it had read everything; what it said follows.
            pass
        # While the far side starts its Python.
        adapter(Facts)
        facts = self.reader.greeting(NO_PYTHON)
        if facts is None:
            return NO_PYTHON
        self.facts = facts
        return ""

    def install_python(self) -> None:
        """Install python3 through plain sh, the only thing that needs no python3."""
        channel = self.execute(
            "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
            "apt-get install -y -qq --no-install-recommends python3 python3-venv"
        )
        # What it says on either stream, in their order.
        channel.set_combine_stderr(True)
        output = b""
        for part in self.parts(channel.recv, LONGEST_INSTALL):
            output = (output + part)[-LAST_WORDS:]
        # It is there a moment after the end of the output, or never.
        if not channel.status_event.wait(SILENCE):
            channel.close()
            raise Unreachable(f"{self.name}: the installation of python3 came to no end")
        if channel.recv_exit_status():
            raise Unreachable(f"{self.name}: python3 could not be installed:\n{as_said(output)}")

    def receive(self) -> bytes:
        """Return the next bytes of the runner, empty ones at its end.

        :raises TimeoutError: none came for a second.
        :raises Unreachable: the connection broke, or it says too much on standard error.
        """
        assert self.channel is not None
        self.drain()
        if self.erred > LONGEST_ERRORS:
            self.reader.breach(f"more than {LONGEST_ERRORS >> 20} MiB on standard error")
        try:
            return self.channel.recv(65536)
        except TimeoutError:
            raise
        except (OSError, paramiko.SSHException) as error:
            raise Unreachable(f"{self.name}: the connection broke: {reason(error)}") from None

    def drain(self) -> None:
        """Take what came on standard error and keep its end: both streams share a window, and stand still with it."""
        assert self.channel is not None
        with self.errors_lock:
            if self.channel.recv_stderr_ready():
                part = self.channel.recv_stderr(2 * self.channel.in_window_size)
                self.erred += len(part)
                self.errors = (self.errors + part)[-LAST_WORDS:]

    def last_words(self) -> str:
        """Say why the runner ended: sudo's refusal, or its own last error."""
        assert self.channel is not None
        broken = self.channel.get_transport().get_exception()
        if isinstance(broken, paramiko.SSHException):
            return f"the connection broke: {reason(broken)}"
        heard = self.errors
        try:
            for part in self.parts(self.channel.recv_stderr, 2.0):
                heard = (heard + part)[-LAST_WORDS:]
        except (OSError, paramiko.SSHException):
            pass
        said = as_said(heard)
        if "password is required" in said or "a terminal is required" in said:
            return (
                f"sudo asks {self.user} for a password; next: name the secret that holds it with "
                "`ssh.sudo_password`, or give the user NOPASSWD"
            )
        if "incorrect password" in said or "try again" in said:
            return f"sudo refuses the password of {self.user}"
        if "not in the sudoers" in said or "not allowed" in said:
            return f"{self.user} may not use sudo on this host"
        return "the connection or the runner ended" + (f":\n{said}" if said else "")

    def write(self, data: bytes) -> None:
        """Send bytes, however slowly the other side takes them.

        :raises OSError: it has taken nothing for too long.
        """
        assert self.channel is not None
        sent, taken = 0, time.monotonic()
        while sent < len(data):
            try:
                sent += self.channel.send(data[sent : sent + CHUNK])
                taken = time.monotonic()
            except TimeoutError:
                # A runner that can say no more takes nothing either.
                self.drain()
                if time.monotonic() - taken > SILENCE:
                    raise

    def send(self, message: Mapping[str, Any], data: Iterable[bytes] = ()) -> None:
        """Send one message, and the bytes that belong to it."""
        assert self.channel is not None
        try:
            with self.send_lock:
                self.write(json.dumps(message).encode() + b"\n")
                for part in data:
                    self.write(part)
        except (OSError, EOFError, paramiko.SSHException) as error:
            # Half a message may have gone: what follows would not be understood.
            self.broken = self.broken or f"{self.name}: the connection broke: {reason(error)}"
            self.cut()
            raise Unreachable(self.broken) from None

    def ping(self) -> None:
        """Tell the runner that we are still there; a broken line shows at the next request."""
        if self.channel is not None and not self.channel.closed:
            try:
                self.send({"op": "ping"})
            except Unreachable:
                pass

    def blob(self, name: str, data: bytes) -> None:
        """Send a large piece of data ahead, which a later catalog refers to by name."""
        self.send({"op": "blob", "id": name, "size": len(data)}, (data,))

    def blob_of(self, name: str, stream: BinaryIO, size: int) -> None:
        """Send a file ahead, part by part."""

        def parts() -> Iterator[bytes]:
            rest = size
            while rest:
                # A file that has become shorter meanwhile is filled up: its digest will tell.
                part = stream.read(min(CHUNK, rest)) or bytes(min(CHUNK, rest))
                rest -= len(part)
                yield part

        self.send({"op": "blob", "id": name, "size": size}, parts())

    def request(
        self,
        operation: str,
        arguments: Mapping[str, JSON] | None = None,
        masks: Sequence[str] = (),
        heard: Callable[[Mapping[str, Any]], None] = lambda message: None,
    ) -> Answer:
        """Ask the runner for one thing and wait until it is done: one exchange.

        :param heard: called with every message that comes before the end.
        :raises Unreachable: the line is cut.
        """
        if self.broken:
            raise Unreachable(self.broken)
        self.counter += 1
        self.exchanges += 1
        asked = dict(arguments or {})
        try:
            self.send({"op": operation, "id": self.counter, "arguments": asked, "masks": list(masks)})
            found = Exchange(self.reader, self.counter, operation, asked).listen(heard)
        except Unreachable as error:
            # What comes late would be taken for the answer to the next question.
            self.broken = str(error)
            self.cut()
            raise
        return Answer(found["ok"], found)

    def apply(
        self, catalog: Catalog, dry: bool, masks: Sequence[str], heard: Callable[[Mapping[str, Any]], None]
    ) -> bool:
        """Have a catalog applied.

        :returns: whether nothing failed.
        """
        answer = self.request("apply", {"catalog": catalog.to_wire(), "dry": dry}, masks, heard)
        if answer.error:
            raise StepFailed(f"{self.name}: {answer.error}")
        return answer.ok

    def cut(self) -> None:
        """Hang up without a word; the runner ends what it does."""
        if self.connection is not None:
            self.connection.close()

    def close(self) -> None:
        """Say goodbye, which frees the lock, and hang up."""
        if self.channel is not None and not self.channel.closed:
            try:
                self.send({"op": "bye"})
            except Unreachable:
                pass
            with suppress(OSError, EOFError, paramiko.SSHException):
                self.channel.close()
        self.cut()
