"""A program of this machine in the terminal's foreground, bounded in time and in what it prints.

It has a group of processes of its own, so that all that it has started can be ended, and this group gets the terminal
as a shell gives it to a job (setpgid(2), tcsetpgrp(3)): only so may a program read from it.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hawser.children import inherited
from hawser.inventory.documents import LONGEST

# Bytes of what it says on standard error that are kept: the last ones.
_ERRORS = 1 << 16
# Seconds in which it may end by itself when it is told to.
_GRACE = 2


@dataclass(frozen=True)
class Ended:
    """A program that has ended, or was ended.

    :param wrong: what is wrong with that, as the end of a sentence that starts with the program; empty: nothing.
    """

    output: bytes
    errors: bytes
    wrong: str = ""

    def __repr__(self) -> str:
        return f"Ended({self.wrong})"


def run(argv: Sequence[str], folder: Path, timeout: int) -> Ended:
    """Run a program, and return what it has printed.

    :param timeout: in seconds.
    :raises OSError: it cannot be started.
    :raises KeyboardInterrupt: somebody at the terminal has ended it.
    """
    with (
        _terminal() as terminal,
        subprocess.Popen(
            argv,
            cwd=folder,
            env=inherited(),
            stdin=None if sys.stdin is not None and sys.stdin.isatty() else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        ) as child,
    ):
        try:
            with _given(terminal, child.pid):
                output, errors, wrong = _read(child, time.monotonic() + timeout)
                if wrong:
                    _end(child)
                status = child.wait()
        except BaseException:
            _kill(child)
            raise
    if status == -signal.SIGINT or (status == 128 + signal.SIGINT and terminal is not None):
        raise KeyboardInterrupt
    if not wrong and status:
        wrong = f"ended with status {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
    return Ended(output, errors, wrong or "")


def _read(child: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes, str]:
    """Read what a program prints until it has ended, whoever else holds its pipes; return what is wrong as well."""
    assert child.stdout is not None and child.stderr is not None
    output, errors = bytearray(), bytearray()
    began = time.monotonic()
    with selectors.DefaultSelector() as waiting:
        for stream, kept in ((child.stdout, output), (child.stderr, errors)):
            os.set_blocking(stream.fileno(), False)
            waiting.register(stream, selectors.EVENT_READ, kept)
        while waiting.get_map():
            over = child.poll() is not None
            if not over and time.monotonic() > deadline:
                return bytes(output), bytes(errors), f"has not ended within {round(deadline - began)} s"
            ready = waiting.select(0 if over else min(0.2, max(0.0, deadline - time.monotonic())))
            for key, _event in ready:
                data = os.read(key.fd, 1 << 16)
                key.data.extend(data)
                if not data:
                    waiting.unregister(key.fileobj)
            del errors[:-_ERRORS]
            if len(output) > LONGEST:
                return b"", bytes(errors), f"prints more than {LONGEST:,} bytes"
            if over and not ready:
                break
    return bytes(output), bytes(errors), ""


@contextmanager
def _terminal() -> Iterator[int | None]:
    """Open the terminal that is ours to give away; None without one, or in the background."""
    number = -1
    with suppress(OSError):
        number = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    try:
        yield number if number >= 0 and os.tcgetpgrp(number) == os.getpgrp() else None
    finally:
        if number >= 0:
            os.close(number)


@contextmanager
def _given(terminal: int | None, group: int) -> Iterator[None]:
    """Have a group of processes be the terminal's foreground."""
    if terminal is None:
        yield
        return
    own = os.getpgrp()
    try:
        _hand_over(terminal, group)
        # It may have tried to read before that, and stands still since.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGCONT)
        yield
    finally:
        _hand_over(terminal, own)


def _hand_over(terminal: int, group: int) -> None:
    # Whoever is not in the foreground and changes that gets this signal, and would stand still.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with suppress(OSError):
            os.tcsetpgrp(terminal, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE)
    _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
