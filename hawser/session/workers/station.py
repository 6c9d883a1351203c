"""One worker, as it is seen from here: pieces go there and come back, each way one load after the other."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from ...errors import HawserError, Unreachable
from ...installed import this_version
from ...report.text import reason
from ...ssh.transport import SILENCE
from .flow import LOAD
from .frames import Frame, pack, unpack
from .holder import PRELOAD
from .store import Sender


class Line(Protocol):
    """A line that a worker holds; see `FarLine`."""

    name: str
    number: int

    def arrived(self, frame: Frame) -> None: ...

    def lose(self, error: HawserError) -> None: ...


class Future(Protocol):
    """An answer that is on its way."""

    def result(self, timeout: float) -> Any: ...


class Actor(Protocol):
    """A `Holder` on its worker."""

    def greet(self) -> Future: ...

    def give(self, frames: bytes) -> Future: ...

    def fetch(self) -> Future: ...

    def end(self) -> Future: ...


class Station:
    """A worker that holds lines for us.

    :param name: as dask knows it, with its address.
    :ivar jump: the jump host through which it reaches hosts; None: those of the settings.
    :ivar heard: when it was last heard of, on the monotonic clock.
    :ivar over: why nothing can be asked of it any more.
    :ivar sent: bytes that went there, and
    :ivar taken: came from there, before TLS.
    """

    def __init__(self, name: str, actor: Actor) -> None:
        self.name, self.actor = name, actor
        self.jump = self.greeted()
        self.heard = time.monotonic()
        self.over: Unreachable | None = None
        self.sent = self.taken = 0
        self.lines: dict[int, Line] = {}
        self.numbers = itertools.count(1)
        self.waiting: deque[Frame] = deque()
        # Bytes of them.
        self.load = 0
        self.changed = threading.Condition()
        self.sender = Sender(self.tell, self.room)
        for work in (self.give, self.fetch):
            threading.Thread(target=self.guarded, args=(work,), daemon=True).start()

    def greeted(self) -> str | None:
        """Insist that it has our version of Hawser, and was started as it should; returns its jump host.

        :raises HawserError: it has another one, or was not.
        """
        said = json.loads(self.actor.greet().result(SILENCE))
        if said["hawser"] != this_version():
            raise HawserError(
                f"the worker {self.name} has Hawser {said['hawser']}, and here is {this_version()}",
                next="install the same one there, and start the worker anew",
                code=2,
            )
        if not said["prepared"]:
            raise HawserError(
                f"the worker {self.name} was not prepared for many lines",
                next=f"start it with --preload {PRELOAD}",
                code=2,
            )
        jump = said["jump"]
        return None if jump is None else str(jump)

    def add(self, line: Line) -> int:
        """Take a line; returns its number.

        :raises Unreachable: the worker is gone.
        """
        with self.changed:
            if self.over is not None:
                raise Unreachable(self.over.what, host=line.name)
            number = next(self.numbers)
            self.lines[number] = line
            return number

    def remove(self, line: Line) -> None:
        with self.changed:
            self.lines.pop(line.number, None)

    def tell(self, frame: Frame) -> None:
        """Have a piece sent; nobody waits for it."""
        with self.changed:
            self.waiting.append(frame)
            self.load += frame.size
            self.changed.notify_all()

    def room(self, most: int) -> bool:
        """Wait until fewer bytes than these wait to be sent; False: the worker is gone."""
        with self.changed:
            self.changed.wait_for(lambda: self.load < most or self.over is not None)
            return self.over is None

    def guarded(self, work: Any) -> None:
        try:
            work()
        except TimeoutError:
            self.lose(f"has been silent for {SILENCE:.0f} s")
        except Exception as error:
            # Whatever dask has for it: nothing can be asked of this worker any more.
            self.lose(f"is gone ({reason(error)})")

    def give(self) -> None:
        """Send what waits, until nothing comes any more."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.over is not None)
                if self.over is not None:
                    return
                load, size = [], 0
                while self.waiting and size < LOAD:
                    load.append(self.waiting.popleft())
                    size += load[-1].size
                self.load -= size
                self.changed.notify_all()
            data = pack(load)
            self.sent += len(data)
            self.actor.give(data).result(SILENCE)

    def fetch(self) -> None:
        """Take what comes."""
        while self.over is None:
            data = self.actor.fetch().result(SILENCE)
            self.heard = time.monotonic()
            self.taken += len(data)
            for frame in unpack(data):
                with self.changed:
                    line = self.lines.get(frame.line)
                if line is not None:
                    line.arrived(frame)

    def lose(self, what: str) -> None:
        """Take its lines for lost."""
        with self.changed:
            if self.over is not None:
                return
            self.over = Unreachable(f"its worker {self.name} {what}; the line is cut")
            lines = list(self.lines.values())
            self.changed.notify_all()
        for line in lines:
            line.lose(Unreachable(self.over.what, host=line.name))
        # One that only could not be heard cuts them when it can; nobody waits for that.
        with suppress(Exception):
            self.actor.end()

    def close(self) -> None:
        """Have it cut what is left; its lines are closed by then."""
        if self.over is not None:
            return
        # One that is gone by now has ended as well.
        with suppress(Exception):
            self.actor.end().result(SILENCE)
        with self.changed:
            self.over = self.over or Unreachable("the run is over")
            self.changed.notify_all()
