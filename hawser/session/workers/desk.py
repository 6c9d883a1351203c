"""The lines that a worker holds for one run of `fab`; they are cut when nobody asks for them any more."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections import deque

from ...errors import HawserError
from ...ssh.protocol import HEARTBEAT
from ...ssh.transport import SILENCE
from ..descriptors import make_room
from . import route
from .flow import LOAD
from .frames import Frame, Kind, pack, pack_error, unpack
from .held import Held, Placed
from .store import Store


class Desk:
    """The lines, and the pieces that wait to be fetched."""

    def __init__(self) -> None:
        self.connector = Placed()
        self.store = Store()
        self.lines: dict[int, Held] = {}
        self.waiting: deque[Frame] = deque()
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.more: asyncio.Event | None = None
        # When somebody asked last, on the monotonic clock.
        self.asked = time.monotonic()
        self.ended = threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def post(self, frame: Frame) -> None:
        """Have a piece fetched; any thread may call it."""
        with self.lock:
            self.waiting.append(frame)
            first = len(self.waiting) == 1
        if first and self.loop is not None and self.more is not None:
            try:
                self.loop.call_soon_threadsafe(self.more.set)
            except RuntimeError:
                # The worker ends.
                self.end()

    def take(self, frames: bytes) -> None:
        """Take pieces that came."""
        self.asked = time.monotonic()
        for frame in unpack(frames):
            if frame.kind == Kind.OPEN:
                self.open(frame)
            elif frame.kind == Kind.STORE:
                self.store.add(frame.line, frame.data)
            elif frame.line in self.lines:
                self.lines[frame.line].take(frame)

    def open(self, frame: Frame) -> None:
        try:
            make_room(len(self.lines) + 1)
            found = route.from_bytes(frame.data)
        except HawserError as error:
            self.post(Frame(frame.line, Kind.LOST, pack_error(error)))
            return
        self.connector.know(found)
        self.lines[frame.line] = Held(frame.line, self.connector, found, self.post, self.store)

    async def fetched(self) -> bytes:
        """Return pieces, when there are some; after a while also none, which says that this worker lives."""
        self.asked = time.monotonic()
        if self.more is None:
            self.loop, self.more = asyncio.get_running_loop(), asyncio.Event()
        if not self.waiting:
            self.more.clear()
            # One may have come between.
            if not self.waiting:
                try:
                    await asyncio.wait_for(self.more.wait(), HEARTBEAT)
                except TimeoutError:
                    pass
        frames, size = [], 0
        with self.lock:
            while self.waiting and size < LOAD:
                frames.append(self.waiting.popleft())
                size += frames[-1].size
        for each in frames:
            if each.kind in (Kind.LOST, Kind.CLOSED):
                self.lines.pop(each.line, None)
        return pack(frames)

    def watch(self) -> None:
        """Cut all lines when nobody has asked for too long: whoever held them is gone, or cannot be reached."""
        while not self.ended.wait(1.0):
            if time.monotonic() - self.asked > SILENCE:
                self.end()

    def end(self) -> None:
        """Cut all lines that are left."""
        if self.ended.is_set():
            return
        self.ended.set()
        for line in list(self.lines.values()):
            threading.Thread(target=line.cut, daemon=True).start()
        threading.Thread(target=self.leave, daemon=True).start()

    def leave(self) -> None:
        self.store.close()
        self.connector.close()
        shutil.rmtree(self.connector.folder, ignore_errors=True)
