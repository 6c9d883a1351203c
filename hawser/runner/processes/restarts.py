"""Processes that execute their own program anew when they are told to, as sshd does."""

from __future__ import annotations

import time
from contextlib import contextmanager

from ..kernel.ports import held, sockets
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Set

# Seconds that it may take.
LONGEST = 30.0


@contextmanager
def begun_anew(pid: int) -> Iterator[None]:
    """Wait at the end until a process, which is told to within, has executed its program anew and listens.

    :raises Failure: it has not, or has ended.
    """
    before, listened = image(pid), listens(pid)
    yield
    deadline = time.monotonic() + LONGEST
    while True:
        # Sockets that somebody hands it stay; addresses do where the kernel does not choose them at random.
        now = listens(pid)
        if now and (now.isdisjoint(listened) or image(pid) != before):
            return
        if time.monotonic() > deadline:
            raise Failure("process %d has not begun anew within %d seconds" % (pid, LONGEST))
        time.sleep(0.02)


def image(pid: int) -> bytes:
    """Return what the kernel has handed a program at its start, addresses among it; nothing of one that has ended."""
    try:
        with open("/proc/%d/auxv" % pid, "rb") as stream:
            return stream.read(4096)
    except OSError:
        return b""


def listens(pid: int) -> Set[str]:
    """Return the sockets at which a process listens, by their inodes."""
    return held(pid) & sockets().keys()
