"""Transports of SSH whose far side answers in time, takes all data, and sends no more than it may.

Paramiko itself would wait for ever, and keep whatever comes.
"""

from __future__ import annotations

import functools
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Concatenate, ParamSpec

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA
from paramiko.packet import Packetizer
from typing_extensions import Buffer

# Seconds within which the far side of a file transfer answers, and a packet is taken.
SILENCE = 15.0
# Bytes of a packet, as OpenSSH has it, and of all that is written before the first one.
LONGEST_PACKET = 1 << 18
LONGEST_BANNER = 1 << 16
# Bytes of a program's last words.
LAST_WORDS = 2000
# Those that encrypt and authenticate in one go: Paramiko has them last, and compares other checksums byte by byte.
AUTHENTICATED = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
P = ParamSpec("P")


class PromptSocket(socket.socket):
    """A socket that acknowledges at once: sshd holds back its next packet until the last one is acknowledged."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read; the kernel forgets the wish for prompt acknowledgements with every packet."""
        data = super().recv(size, flags)
        if hasattr(socket, "TCP_QUICKACK"):  # Linux only
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def open_socket(host: str, port: int, timeout: float, family: str = "any", source: str = "") -> socket.socket:
    """Connect with TCP_NODELAY, without which every exchange waits 40 ms for an acknowledgement.

    :param family: ``inet`` or ``inet6`` for addresses of this family alone.
    :param source: our own address; empty: any.
    """
    if family in FAMILIES:
        host = socket.getaddrinfo(host, port, FAMILIES[family], socket.SOCK_STREAM)[0][4][0]  # type: ignore[assignment]
    link = socket.create_connection((host, port), timeout, (source, 0) if source else None)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.settimeout(None)
    return PromptSocket(fileno=link.detach())


class ProgramSocket(socket.socket):
    """A socket at whose far end a program is the way to a host.

    :param command: a line for the shell.
    """

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self.errors = tempfile.TemporaryFile()
        with theirs:
            self.program = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self.errors
            )

    def last_words(self) -> str:
        """Return the end of what the program has said on standard error."""
        self.errors.seek(max(0, self.errors.seek(0, 2) - LAST_WORDS))
        return self.errors.read().decode("utf-8", "replace").strip() or "no word of it"

    def close(self) -> None:
        """Close it, and have the program end."""
        super().close()
        if self.program.poll() is None:
            self.program.terminate()


def answered_in_time(
    ask: Callable[Concatenate[PatientChannel, P], None], silence: float | None = None
) -> Callable[Concatenate[PatientChannel, P], None]:
    """Return a request of Paramiko's channels that is answered in time.

    :param silence: seconds within which all that follows is answered.
    """

    @functools.wraps(ask)
    def ask_in_time(channel: PatientChannel, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with channel.in_time():
            ask(channel, *args, **kwargs)
        if silence is not None:
            channel.settimeout(silence)

    return ask_in_time


class PatientChannel(paramiko.Channel):
    """A channel whose far side must answer requests in time; Paramiko itself would wait for ever."""

    patience = 10.0

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Close the channel, which ends every wait for it, unless the block is done in time.

        :raises TimeoutError: it was not.
        """
        late = threading.Event()

        def close() -> None:
            late.set()
            with suppress(EOFError, OSError):
                self.close()

        timer = threading.Timer(self.patience, close)
        timer.daemon = True
        timer.start()
        try:
            yield
        except paramiko.SSHException:
            if late.is_set():
                raise TimeoutError(f"no answer within {self.patience:.0f} s") from None
            raise
        finally:
            timer.cancel()

    exec_command = answered_in_time(paramiko.Channel.exec_command)
    get_pty = answered_in_time(paramiko.Channel.get_pty)
    invoke_shell = answered_in_time(paramiko.Channel.invoke_shell)
    # Such as sftp, which waits for an answer to all that it asks.
    invoke_subsystem = answered_in_time(paramiko.Channel.invoke_subsystem, SILENCE)


class PatientPacketizer(Packetizer):
    """Packets of a bounded size, which the far side takes in time."""

    def __init__(self, link: socket.socket) -> None:
        super().__init__(link)
        # Bytes of the banner, and since when a packet waits to be taken, on the monotonic clock.
        self.banner = 0
        self.waits: float | None = None

    @property
    def stuck(self) -> bool:
        """Whether the far side has left a packet lying."""
        waits = self.waits
        return waits is not None and time.monotonic() - waits > SILENCE

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read so many bytes; see Paramiko."""
        if n > LONGEST_PACKET:
            raise paramiko.SSHException(f"a packet of more than {LONGEST_PACKET >> 10} KiB")
        data: bytes = super().read_all(n, check_rekey)
        return data

    def _read_timeout(self, timeout: float) -> bytes:
        part: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self.banner += len(part)
        if self.banner > LONGEST_BANNER:
            raise paramiko.SSHException(f"a banner of more than {LONGEST_BANNER >> 10} KiB")
        return part

    def write_all(self, out: Buffer) -> None:
        """Send a packet; see Paramiko.

        :raises SSHException: it was not taken.
        """
        self.waits = time.monotonic()
        try:
            super().write_all(out)
        except EOFError:
            if self.stuck:
                raise paramiko.SSHException(f"nothing was taken for {SILENCE:.0f} s") from None
            raise
        finally:
            self.waits = None


def within_window(feed: Callable[..., None]) -> Callable[..., None]:
    """Return a function that keeps the data that comes, unless it is far more than the window lets through."""

    def keep(channel: paramiko.Channel, message: paramiko.Message) -> None:
        feed(channel, message)
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > 2 * channel.in_window_size:
            raise paramiko.SSHException("more comes than may be sent")

    return keep


class PatientTransport(paramiko.Transport):
    """A transport with patient channels, which ends when the far side leaves something lying.

    :param kinds: those of host keys, the preferred ones first; empty: Paramiko's.
    """

    packetizer: PatientPacketizer
    # Seconds after which the thread that reads looks whether it is to end; Paramiko's tenth of one is much for many
    # hosts that are waited for. `stop_thread` wakes it.
    _active_check_timeout = 1.0

    def __init__(
        self,
        link: socket.socket | paramiko.Channel,
        disabled_algorithms: Mapping[str, Iterable[str]] | None = None,
        kinds: tuple[str, ...] = (),
    ) -> None:
        super().__init__(link, disabled_algorithms=disabled_algorithms, packetizer_class=PatientPacketizer)
        self.ended = threading.Event()
        self.kinds = kinds
        # Paramiko calls what takes data as its own class of channels has it: ours could not have others.
        handlers = self._channel_handler_table  # type: ignore[has-type]
        self._channel_handler_table = {
            **handlers,
            **{each: within_window(handlers[each]) for each in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA)},
        }

    @property
    def preferred_keys(self) -> Sequence[str]:
        """The kinds of host keys to ask for; see Paramiko."""
        return self.kinds or super().preferred_keys

    @property
    def preferred_ciphers(self) -> Sequence[str]:
        """The ciphers to ask for; see Paramiko."""
        every: Sequence[str] = super().preferred_ciphers
        return (
            *(each for each in AUTHENTICATED if each in every),
            *(each for each in every if each not in AUTHENTICATED),
        )

    def run(self) -> None:
        """Read packets until the end; see Paramiko."""
        threading.Thread(target=self.watch, daemon=True).start()
        try:
            super().run()
        finally:
            self.ended.set()

    def stop_thread(self) -> None:
        """Have the thread that reads end; see Paramiko."""
        with suppress(OSError, EOFError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def watch(self) -> None:
        """Cut the line when it is stuck: a thread that writes, even the one that reads, is in Paramiko's hands."""
        while not self.ended.wait(SILENCE / 15):
            if self.packetizer.stuck:
                self.packetizer.close()
                with suppress(OSError, EOFError):
                    self.sock.shutdown(socket.SHUT_RDWR)
                self.sock.close()

    def open_channel(
        self,
        kind: str,
        dest_addr: tuple[str, int] | None = None,
        src_addr: tuple[str, int] | None = None,
        window_size: int | None = None,
        max_packet_size: int | None = None,
        timeout: float | None = None,
    ) -> paramiko.Channel:
        """Open a channel; see Paramiko."""
        channel = super().open_channel(kind, dest_addr, src_addr, window_size, max_packet_size, timeout)
        # Paramiko makes it itself, and offers no way to have another kind made.
        channel.__class__ = PatientChannel
        vars(channel)["patience"] = self.channel_timeout
        return channel
