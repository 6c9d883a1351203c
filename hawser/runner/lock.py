"""One change at a time per application and host: a lock that dies with its holder."""

import fcntl
import json
import os
import signal
import time

from .system import Failure


class Lock:
    """A ``flock`` on a file that says who holds it.

    :param path: the lock file, in a folder that only root may write.
    """

    def __init__(self, path):
        self.path = path
        self.handle = None

    def acquire(self, info, wait=0.0):
        """Take the lock, ending first what a killed holder left running.

        :param info: who, from where, since when, doing what, and the token that marks the processes of this run.
        :param wait: seconds to wait for another holder.
        :returns: None, or the other holder's info.
        """
        if self.handle is not None:
            return None
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    other = self.read(handle)
                    os.close(handle)
                    return other or {"who": "somebody"}
                time.sleep(0.1)
        former = self.read(handle)
        if former and former.get("token"):
            end_leftovers(former["token"])
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(info).encode(), 0)
        self.handle = handle
        return None

    def read(self, handle):
        """Return what the lock file says; None when nobody holds it or died holding it."""
        try:
            return json.loads(os.pread(handle, 65536, 0).decode())
        except ValueError:
            return None

    def holder(self):
        """Return the holder's info, or None when the lock is free."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return self.read(handle) or {"who": "somebody"}
        finally:
            os.close(handle)

    def release(self):
        if self.handle is not None:
            os.ftruncate(self.handle, 0)
            os.close(self.handle)
            self.handle = None


def marked(token):
    """List the processes whose environment carries the token of a run."""
    wanted = ("HAWSER_RUN=%s" % token).encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as stream:
                if wanted in stream.read().split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return found


def end_leftovers(token, seconds=10.0):
    """Kill what a dead run started and wait until it is gone.

    :raises Failure: something survives a kill for that many seconds (a hanging disk or mount).
    """
    deadline = time.monotonic() + seconds
    while True:
        left = marked(token)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise Failure("an interrupted run left processes that do not end: %s" % ", ".join(map(str, left)))
        time.sleep(0.05)
