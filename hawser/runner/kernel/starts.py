"""Starts of programs: the moments that part what a program writes now from what it wrote in an earlier life."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple


class Start:
    """A moment, and the length that a log file has at it.

    :param path: the log file; empty: there is none.
    """

    def __init__(self, path: str = "") -> None:
        self.moment = time.time()
        self.path = path
        self.file, self.size = place_of(path)

    def offset(self, path: str) -> int:
        """Return how many bytes of a file were written before; 0 where it was emptied or replaced since."""
        file, size = place_of(path)
        return self.size if path == self.path and file == self.file and size >= self.size else 0


def place_of(path: str) -> Tuple[Optional[Tuple[int, int]], int]:
    """Return the device and inode of a file, and its size; None and 0 where there is none."""
    try:
        there = os.stat(path)
    except OSError:
        return None, 0
    return (there.st_dev, there.st_ino), there.st_size
