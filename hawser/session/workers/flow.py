"""How much may be under way on a line before the other side has taken some of it."""

from __future__ import annotations

import threading

# Bytes of a line that are under way at most; one more piece than these fits always.
WINDOW = 4 << 20
# Bytes that go at once to a worker or from it, mostly: a slow line takes them while something must be heard of it.
LOAD = 1 << 18
# Bytes after which it is told that they have been taken.
PORTION = 1 << 19


class Window:
    """The bytes under way; whoever sends more waits."""

    def __init__(self) -> None:
        self.under_way = 0
        self.shut = False
        self.changed = threading.Condition()

    def enter(self, size: int) -> bool:
        """Wait until so many bytes may be sent; False: the line is gone."""
        with self.changed:
            self.changed.wait_for(lambda: self.shut or self.under_way < WINDOW)
            self.under_way += size
            return not self.shut

    def leave(self, size: int) -> None:
        """Take note that they were taken."""
        with self.changed:
            self.under_way -= size
            self.changed.notify_all()

    def shut_down(self) -> None:
        """Let nobody wait any more."""
        with self.changed:
            self.shut = True
            self.changed.notify_all()


class Portions:
    """Bytes that were taken, told in portions."""

    def __init__(self) -> None:
        self.taken = 0

    def add(self, size: int) -> int:
        """Take note of some; returns how many to tell of, mostly none."""
        self.taken += size
        if self.taken < PORTION:
            return 0
        told, self.taken = self.taken, 0
        return told
