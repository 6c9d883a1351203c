"""Blobs that go to a worker once, whatever number of its hosts get them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from ...ssh.talk import CHUNK
from .flow import WINDOW
from .frames import Frame, Kind


@dataclass(frozen=True)
class Blob:
    """A blob.

    :param key: says what is in it; the same for the same.
    :param size: its bytes.
    """

    key: str
    size: int


class Sender:
    """What one worker was sent, as it is known here.

    :param tell: sends a piece there.
    :param room: waits until few bytes wait to be sent; False: the worker is gone.
    """

    def __init__(self, tell: Callable[[Frame], None], room: Callable[[int], bool]) -> None:
        self.tell, self.room = tell, room
        self.known: dict[Blob, int] = {}
        self.lock = threading.Lock()

    def share(self, blob: Blob, parts: Iterable[bytes]) -> int:
        """Send a blob, unless somebody does or has; returns its number there.

        :param parts: its bytes, which are taken by the first one who sends it.
        """
        with self.lock:
            first = blob not in self.known
            number = self.known.setdefault(blob, len(self.known) + 1)
        if first:
            try:
                for part in parts:
                    if not self.room(WINDOW):
                        break
                    self.tell(Frame(number, Kind.STORE, part))
            finally:
                # An empty piece is the end, also of what is too short: whoever wants it is told then.
                self.tell(Frame(number, Kind.STORE))
        return number


class Store:
    """What one run has sent to this worker, in files without a name."""

    def __init__(self) -> None:
        self.files: dict[int, BinaryIO] = {}
        self.whole: set[int] = set()
        self.changed = threading.Condition()
        self.over = False

    def add(self, number: int, data: bytes) -> None:
        """Take a piece; an empty one is the end."""
        with self.changed:
            if self.over:
                return
            if number not in self.files:
                self.files[number] = cast(BinaryIO, tempfile.TemporaryFile(prefix="hawser-blob-", buffering=0))
            if data:
                self.files[number].write(data)
            else:
                self.whole.add(number)
                self.changed.notify_all()

    def has(self, number: int, seconds: float) -> bool:
        """Wait for so long at most until all of a blob has come."""
        with self.changed:
            return self.changed.wait_for(lambda: self.over or number in self.whole, seconds)

    def parts(self, number: int, size: int) -> Iterator[bytes]:
        """Yield the pieces of a blob that has come.

        :raises OSError: it has not come as a whole.
        """
        at = 0
        while at < size:
            with self.changed:
                if self.over:
                    raise OSError("the run is over")
                part = os.pread(self.files[number].fileno(), min(CHUNK, size - at), at)
            if not part:
                raise OSError("a file for it came short")
            at += len(part)
            yield part

    def close(self) -> None:
        """Forget all."""
        with self.changed:
            self.over = True
            for each in self.files.values():
                each.close()
            self.files.clear()
            self.changed.notify_all()
