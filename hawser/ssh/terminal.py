"""This terminal, or another standard input, at the far end of a channel."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator

import paramiko

PART = 32768
# Seconds within which the status follows the end of the output.
SILENCE = 15.0


def size() -> tuple[str, int, int] | None:
    """Return the terminal's kind, columns and lines; None where standard input is no terminal."""
    if not os.isatty(0):
        return None
    columns, lines = shutil.get_terminal_size()
    return os.environ.get("TERM", "dumb"), columns, lines


def attach(channel: paramiko.Channel) -> int:
    """Pass bytes on in both directions until the program at the far end has ended.

    :returns: its exit status, 255 where the far end does not tell it.
    """
    sys.stdout.flush()
    with _raw(channel):
        _converse(channel)
    if not channel.status_event.wait(SILENCE):
        channel.close()
        return 255
    return channel.recv_exit_status()


@contextlib.contextmanager
def _raw(channel: paramiko.Channel) -> Iterator[None]:
    """Leave keys and size of this terminal to the far end; nothing to do where there is none."""
    if size() is None:
        yield
        return
    before = termios.tcgetattr(0)

    def resize(*_signal: object) -> None:
        columns, lines = shutil.get_terminal_size()
        with contextlib.suppress(paramiko.SSHException):
            channel.resize_pty(columns, lines)

    former = signal.signal(signal.SIGWINCH, resize)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, former)


def _converse(channel: paramiko.Channel) -> None:
    sources: list[int | paramiko.Channel] = [channel, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if channel in ready:
            has_data = channel.recv_ready() or channel.recv_stderr_ready()
            if channel.recv_ready():
                _write(1, channel.recv(PART))
            if channel.recv_stderr_ready():
                _write(2, channel.recv_stderr(PART))
            if not has_data:
                # Readable without data: the far end has closed.
                return
        if 0 in ready:
            data = os.read(0, PART)
            if data:
                with contextlib.suppress(OSError):
                    # It may just have ended; its status tells.
                    channel.sendall(data)
            else:
                channel.shutdown_write()
                sources.remove(0)


def _write(stream: int, data: bytes) -> None:
    while data:
        data = data[os.write(stream, data) :]
