"""One change at a time per application and host: a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time

from .files.records import parsed
from .kernel import scopes
from .rows import some
from .system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional

    Info = Dict[str, object]

# Whoever only looks at the lock holds it for an instant; that is not taken for a holder.
PATIENCE = 0.3


class Lock:
    """A ``flock`` on a file that says who holds it.

    :param path: the lock file, in a folder that only root may write.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.handle: Optional[int] = None

    def acquire(self, info: Mapping[str, object], wait: float = 0.0) -> Optional[Info]:
        """Take the lock, ending first the processes that a killed holder left running.

        :param info: who, from where, since when, doing what, and the token that marks the processes of this run.
        :param wait: seconds to wait for another holder.
        :returns: None, or the other holder's info.
        :raises Failure: what a killed holder left running does not end.
        """
        if self.handle is not None:
            return None
        deadline = time.monotonic() + max(wait, PATIENCE)
        while True:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if self.is_ours(handle):
                    former = read(handle)
                    if former and former.get("token"):
                        end_leftovers(str(former["token"]), str(former.get("scope", "")))
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, json.dumps(info).encode(), 0)
                    self.handle, handle = handle, -1
                    return None
                if time.monotonic() >= deadline:
                    return read(handle) or {"who": "somebody"}
            finally:
                if handle != -1:
                    os.close(handle)
            time.sleep(0.05)

    def is_ours(self, handle: int) -> bool:
        """Try to lock an open lock file, which must still lie at its path, where others would open it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(handle), os.stat(self.path))
        except (BlockingIOError, FileNotFoundError):
            return False

    def holder(self) -> Optional[Info]:
        """Return the holder's info, or None when the lock is free."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return read(handle) or {"who": "somebody"}
        finally:
            os.close(handle)

    def release(self) -> None:
        if self.handle is not None:
            os.ftruncate(self.handle, 0)
            os.close(self.handle)
            self.handle = None


def read(handle: int) -> Optional[Info]:
    """Return the holder's info in a lock file; None when its last holder gave it back."""
    return parsed(os.pread(handle, 65536, 0), dict)


def marked(token: str) -> List[int]:
    """List the processes whose environment carries the token of a run."""
    return [pid for pid in scopes.processes() if scopes.marked(pid, "HAWSER_RUN", token)]


def end_leftovers(token: str, scope: str = "", seconds: float = 10.0) -> None:
    """Kill the processes of a dead run and wait until they are gone.

    :param scope: the folder of the control groups of its commands; empty: there are none.
    :raises Failure: something survives a kill for that many seconds (a hanging disk or mount).
    """
    deadline = time.monotonic() + seconds
    found = True
    while True:
        left = list({*marked(token), *(scopes.members(scope) if scope else ())})
        # One that is being started carries the mark a moment later: only a second look without a find counts.
        if not left and not found:
            return
        found = bool(left)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise Failure(
                "an interrupted run left processes that do not end: %s; next: mend what they hang on, a disk or a"
                " mount, or reboot the host; then the same command" % some(list(map(str, left)))
            )
        time.sleep(0.03)
