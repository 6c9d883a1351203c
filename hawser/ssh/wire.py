"""A wire: one SSH connection with one runner at its far end."""

from __future__ import annotations

import json
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO

import paramiko
from fabric import Connection

from ..answers.kinds import adapter
from ..errors import Unreachable
from ..host.facts import Facts
from ..report.text import reason
from .connect import Address, Connector
from .loader import INSTALL_PYTHON, NO_PYTHON, WANTED, source
from .protocol import LAST_WORDS, Reader, text_of
from .sudo import ENGLISH, refusal
from .talk import CHUNK, Talk
from .transport import SILENCE

# Seconds that apt may take to install Python.
LONGEST_INSTALL = 1800.0
# Bytes that a runner may say to standard error: a login script may speak there, and whatever warns.
LONGEST_ERRORS = 1 << 26

READY = "hawser-is-ready"


class Wire(Talk):
    """One connection, one channel, one runner.

    :param hello: what the runner must know from the start: application, root, state.
    """

    def __init__(self, address: Address, connector: Connector, hello: Mapping[str, str]) -> None:
        super().__init__(address.name)
        self.address = address
        self.connector = connector
        self.hello = {**hello, "token": uuid.uuid4().hex}
        self.connection: Connection | None = None
        self.channel: paramiko.Channel | None = None
        # The end of what came on standard error, and how much came there.
        self.errors, self.erred = b"", 0
        self.errors_lock = threading.Lock()

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
                raise Unreachable(
                    "there is no python3 yet;", host=self.name, next=f"fab -H {self.address.target} bootstrap"
                )
            self.install_python()
            first = self.start()
        if first == NO_PYTHON:
            raise Unreachable("python3 was installed and is still not found", host=self.name)

    def command(self, script: str) -> tuple[str, bytes]:
        """Return the command that runs a shell script as root, and the first bytes of its standard input."""
        if self.user == "root":
            return f"/bin/sh -c {shlex.quote(script)}", b""
        # What sudo starts has the host's language again.
        script = f"unset LC_ALL; {script}"
        if not self.address.sudo_password:
            return f"{ENGLISH} sudo -n /bin/sh -c {shlex.quote(script)}", b""
        # No `exec sudo`: the credential is cached under the shell's process id.
        outer = (
            f"IFS= read -r p && printf '%s\\n' \"$p\" | {ENGLISH} sudo -S -p '' -v && unset p && "
            f"{ENGLISH} sudo -n /bin/sh -c {shlex.quote(script)}; exit $?"
        )
        return f"/bin/sh -c {shlex.quote(outer)}", self.address.sudo_password.encode() + b"\n"

    def execute(self, script: str) -> paramiko.Channel:
        """Start a script as root on a new channel.

        :raises Unreachable: the host starts nothing for us, or does not answer.
        """
        if self.address.helper:
            raise self.for_administrators()
        channel = self.open_channel()
        command, first = self.command(script)
        self.run_on(channel, command, first)
        return channel

    def for_administrators(self) -> Unreachable:
        """Return the error of what no helper does."""
        return Unreachable(
            "this needs an administrator;", host=self.name, next="the same command with --as-admin, if you are one"
        )

    def open_channel(self) -> paramiko.Channel:
        """Open a channel for a command.

        :raises Unreachable: the host opens none.
        """
        assert self.connection is not None
        try:
            channel: paramiko.Channel = self.connection.transport.open_session()
            # One timeout for reading and writing, which two threads do at the same time.
            channel.settimeout(1.0)
            if self.address.forward_agent:
                paramiko.agent.AgentRequestHandler(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"starts no command for us: {reason(error)}", host=self.name) from None
        return channel

    def run_on(self, channel: paramiko.Channel, command: str, first: bytes = b"") -> None:
        """Start a command on a channel.

        :param first: what it reads first.
        :raises Unreachable: the host does not answer.
        """
        try:
            channel.exec_command(command)
            if first:
                channel.sendall(first)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"starts no command for us: {reason(error)}", host=self.name) from None

    def terminal(self, script: str, size: tuple[str, int, int] | None) -> paramiko.Channel:
        """Start a script as root on a new channel that a person talks to.

        :param size: kind, columns and lines of the person's terminal; None: there is none.
        :raises Unreachable: the host starts nothing for us, or does not answer.
        """
        if self.address.helper:
            raise self.for_administrators()
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
            raise Unreachable(f"starts no terminal: {reason(error)}", host=self.name) from None
        channel.settimeout(None)
        return channel

    def start_in_terminal(self, channel: paramiko.Channel, script: str) -> None:
        command, password = self.command(script)
        if not password:
            channel.exec_command(command)
            return
        # A terminal shows what is typed: the password is sent when it has been told not to.
        outer = (
            f"stty -echo; printf {READY}; IFS= read -r p; stty echo; "
            f"printf '%s\\n' \"$p\" | {ENGLISH} sudo -S -p '' -v && unset p && "
            f"{ENGLISH} sudo -n /bin/sh -c {shlex.quote(script)}; exit $?"
        )
        channel.exec_command(f"/bin/sh -c {shlex.quote(outer)}")
        output = b""
        for part in self.parts(channel.recv, SILENCE):
            output = (output + part)[-LAST_WORDS:]
            if READY.encode() in output:
                channel.sendall(password)
                return
        raise Unreachable(text_of(output) or "starts no terminal", host=self.name)

    def parts(self, receive: Callable[[int], bytes], seconds: float) -> Iterator[bytes]:
        """Yield the data of a channel until its end, for so many seconds at most.

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
        self.reader = Reader(self.name, self.receive, self.ended)
        self.signed = None
        if self.address.helper:
            return self.start_helper()
        hello = json.dumps(self.hello).encode()
        self.reader.secret, self.reader.hello = self.address.sudo_password.encode(), hello
        self.errors, self.erred = b"", 0
        self.channel = self.execute(source().script)
        self.offer(hello + b"\n")
        # While the far side starts its Python.
        adapter(Facts)
        said = self.reader.greeting((NO_PYTHON, WANTED))
        if said == WANTED:
            self.offer(source().packed)
            said = self.reader.greeting(())
        if isinstance(said, str):
            return said
        self.facts = said
        return ""

    def start_helper(self) -> str:
        """Start the helper, which answers to signed requests alone; see `start`."""
        signer, target = self.address.signer, self.address.target
        if signer is None:
            raise Unreachable(
                "its helper takes what HAWSER_SIGNING_KEY has signed, and that secret is missing;",
                host=self.name,
                next="the line is with whoever has bootstrapped this host, and on no host",
            )
        self.channel = self.open_channel()
        sudo = "" if self.user == "root" else f"{ENGLISH} sudo -n "
        self.run_on(self.channel, f"{sudo}{shlex.quote(self.address.helper)}")
        nonce, digest = self.reader.challenge()
        if digest != source().digest:
            raise Unreachable(
                "its helper is of another Hawser;",
                host=self.name,
                next=f"fab -H {target} bootstrap, as an administrator",
            )
        self.signed = signer.for_helper(self.name, nonce)
        self.offer(self.line_of(self.hello))
        said = self.reader.greeting(())
        assert not isinstance(said, str)
        self.facts = said
        return ""

    def offer(self, data: bytes) -> None:
        """Write what the runner needs to start; one that ended before it had read everything has said why."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.write(data)

    def install_python(self) -> None:
        """Install python3."""
        channel = self.execute(INSTALL_PYTHON)
        # What it says on either stream, in their order.
        channel.set_combine_stderr(True)
        output = b""
        for part in self.parts(channel.recv, LONGEST_INSTALL):
            output = (output + part)[-LAST_WORDS:]
        # It is there a moment after the end of the output, or never.
        if not channel.status_event.wait(SILENCE):
            channel.close()
            raise Unreachable("the installation of python3 came to no end", host=self.name)
        if channel.recv_exit_status():
            raise Unreachable(f"python3 could not be installed:\n{text_of(output)}", host=self.name)

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
            raise Unreachable(f"the connection broke: {reason(error)}", host=self.name) from None

    def drain(self) -> None:
        """Take the data on standard error and keep its end: both streams share a window, and stand still with it."""
        assert self.channel is not None
        with self.errors_lock:
            if self.channel.recv_stderr_ready():
                part = self.channel.recv_stderr(2 * self.channel.in_window_size)
                self.erred += len(part)
                self.errors = (self.errors + part)[-LAST_WORDS:]

    def ended(self) -> Unreachable:
        """Return the error that says why the runner ended: sudo's refusal, or its own last words."""
        assert self.channel is not None
        broken = self.channel.get_transport().get_exception()
        if isinstance(broken, paramiko.SSHException):
            return Unreachable(f"the connection broke: {reason(broken)}", host=self.name)
        errors = self.errors
        try:
            for part in self.parts(self.channel.recv_stderr, 2.0):
                errors = (errors + part)[-LAST_WORDS:]
        except (OSError, paramiko.SSHException):
            pass
        text = text_of(errors)
        # What the runner says last is not sudo's.
        refused = None if self.reader.speech is None else refusal(text, self.user, self.name)
        if refused is not None:
            if self.address.helper:
                return Unreachable(
                    f"sudo does not let {self.user} start {self.address.helper};",
                    host=self.name,
                    next=f"fab -H {self.address.target} bootstrap, as an administrator, which puts it there",
                )
            return refused
        words = "\n".join(each for each in (self.reader.words(), text) if each)
        return Unreachable("the connection or the runner ended" + (f":\n{words}" if words else ""), host=self.name)

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

    def blob_of(self, name: str, stream: BinaryIO, size: int) -> None:
        """See `Talk`."""
        if self.address.helper:
            raise self.for_administrators()
        super().blob_of(name, stream, size)

    @property
    def closed(self) -> bool:
        """See `Talk`."""
        return self.channel is None or self.channel.closed

    def cut(self) -> None:
        """Hang up without a word; the runner ends its work."""
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
