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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import paramiko
from fabric import Connection

from .connect import Address, Connector
from .errors import StepFailed, Unreachable
from .resources import JSON, Catalog

# The far side says something every 3 s; after this long without a word the line counts as cut.
SILENCE = 15.0
HEARTBEAT = 3.0
CHUNK = 1 << 17

# Reads our modules from standard input and runs them without touching the disk. Python 3.8 syntax.
LOADER = (
    "import sys,zlib,json,importlib.machinery as m\n"
    "i=sys.stdin.buffer\n"
    "s=json.loads(zlib.decompress(i.read(int(i.readline()))).decode())\n"
    "class L:\n"
    " def create_module(self,o):\n"
    "  return None\n"
    " def find_spec(self,n,p=None,t=None):\n"
    "  return m.ModuleSpec(n,self,is_package=n=='hawser_runner') if n in s else None\n"
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
    folder = Path(__file__).parent / "runner"
    modules = {
        "hawser_runner" if path.stem == "__init__" else f"hawser_runner.{path.stem}": path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.py"))
    }
    return zlib.compress(json.dumps(modules).encode(), 9)


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
        self.buffer = b""
        self.send_lock = threading.Lock()
        self.counter = 0
        self.exchanges = 0
        self.facts: Mapping[str, Any] = {}

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
        """Start a script as root on a new channel."""
        assert self.connection is not None
        channel = self.connection.transport.open_session()
        if self.address.forward_agent:
            paramiko.agent.AgentRequestHandler(channel)
        command, first = self.command(script)
        channel.exec_command(command)
        if first:
            channel.sendall(first)
        return channel  # type: ignore[no-any-return]

    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Start a script as root on a new channel that a person talks to.

        :param size: kind, columns and lines of the person's terminal; None: there is none.
        """
        if size is None:
            return self.execute(script)
        assert self.connection is not None
        channel: paramiko.Channel = self.connection.transport.open_session()
        channel.get_pty(*size)
        command, password = self.command(script)
        if not password:
            channel.exec_command(command)
            return channel
        # A terminal shows what is typed: the password is sent when it has been told not to.
        outer = (
            f"stty -echo; printf {READY}; IFS= read -r p; stty echo; printf '%s\\n' \"$p\" | sudo -S -p '' -v && "
            f"unset p && sudo -n /bin/sh -c {shlex.quote(script)}; exit $?"
        )
        channel.exec_command(f"/bin/sh -c {shlex.quote(outer)}")
        heard = b""
        channel.settimeout(SILENCE)
        while READY.encode() not in heard:
            part = channel.recv(65536)
            if not part:
                raise Unreachable(f"{self.name}: {heard.decode('utf-8', 'replace').strip() or 'starts no terminal'}")
            heard += part
        channel.settimeout(None)
        channel.sendall(password)
        return channel

    def start(self) -> str:
        """Start the runner.

        :returns: an empty string, or `NO_PYTHON`.
        """
        check = f"command -v python3 >/dev/null || {{ echo '{NO_PYTHON}'; exit 0; }}"
        script = f"{check}; exec python3 -IBc {shlex.quote(LOADER)}"
        self.buffer = b""
        try:
            self.channel = self.execute(script)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{self.name}: starts no command for us: {error or type(error).__name__}") from None
        # One timeout for reading and writing, which two threads do at the same time.
        self.channel.settimeout(1.0)
        try:
            source = runner_source()
            self.write(b"%d\n" % len(source) + source + json.dumps(self.hello).encode() + b"\n")
        except (OSError, EOFError, paramiko.SSHException):
            # It ended before it had read everything; what it said follows.
            pass
        # A login script may speak first.
        while not (line := self.read_line()).startswith('{"t": "hello"'):
            if line == NO_PYTHON:
                return NO_PYTHON
        self.facts = json.loads(line)["facts"]
        return ""

    def install_python(self) -> None:
        """Install python3 through plain sh, the only thing that needs no python3."""
        channel = self.execute(
            "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
            "apt-get install -y -qq --no-install-recommends python3 python3-venv"
        )
        output = channel.makefile("rb").read() + channel.makefile_stderr("rb").read()
        if channel.recv_exit_status():
            raise Unreachable(
                f"{self.name}: python3 could not be installed:\n{output.decode('utf-8', 'replace')[-2000:]}"
            )

    def read_line(self) -> str:
        """Return the runner's next line.

        :raises Unreachable: it has been silent for too long, or ended.
        """
        assert self.channel is not None
        silent_since = time.monotonic()
        while b"\n" not in self.buffer:
            try:
                data = self.channel.recv(65536)
            except TimeoutError:
                if time.monotonic() - silent_since > SILENCE:
                    raise Unreachable(f"{self.name}: has been silent for {SILENCE:.0f} s; the line is cut") from None
                continue
            except (OSError, paramiko.SSHException) as error:
                raise Unreachable(f"{self.name}: the connection broke: {error}") from None
            if not data:
                raise Unreachable(f"{self.name}: {self.last_words()}")
            silent_since = time.monotonic()
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode("utf-8", "replace")

    def last_words(self) -> str:
        """Say why the runner ended: sudo's refusal, or its own last error."""
        assert self.channel is not None
        try:
            said = self.channel.makefile_stderr("rb").read().decode("utf-8", "replace").strip()
        except (OSError, paramiko.SSHException):
            said = ""
        if "password is required" in said or "a terminal is required" in said:
            return (
                f"sudo asks {self.user} for a password; next: name the secret that holds it with "
                "`ssh.sudo_password`, or give the user NOPASSWD"
            )
        if "incorrect password" in said or "try again" in said:
            return f"sudo refuses the password of {self.user}"
        if "not in the sudoers" in said or "not allowed" in said:
            return f"{self.user} may not use sudo on this host"
        return "the connection or the runner ended" + (f":\n{said[-2000:]}" if said else "")

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
            raise Unreachable(f"{self.name}: the connection broke: {error or 'it is closed'}") from None

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
        self.counter += 1
        self.exchanges += 1
        self.send({"op": operation, "id": self.counter, "arguments": dict(arguments or {}), "masks": list(masks)})
        while True:
            message = json.loads(self.read_line())
            if message["t"] == "done":
                return Answer(bool(message["ok"]), message)
            if message["t"] != "beat":
                heard(message)

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

    def close(self) -> None:
        """Say goodbye, which frees the lock, and hang up."""
        if self.channel is not None and not self.channel.closed:
            try:
                self.send({"op": "bye"})
            except Unreachable:
                pass
            self.channel.close()
        if self.connection is not None:
            self.connection.close()
