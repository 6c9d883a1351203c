"""The log of a rollout: the JSON lines that programs read, written while it runs, so that a killed one leaves them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..jsonlines import FORMAT, JsonReport, now
from ..text import safe
from . import folder

# Lines that wait until it is clear whether the run leaves a log, and of which kinds; what follows logs has many others.
MOST_WAITING = 1000
WAITING = {"release", "commits", "note", "host_failed", "explained"}
# Characters of a text; of a longer one the middle is left out.
LONGEST = 200_000
# Bytes of a log, from which on only what `WEIGHTY` names is written.
MOST_BYTES = 64 * 2**20
WEIGHTY = {"begin", "release", "phase", "host_failed", "explained", "finish"}
# Texts that come again and again, with what they are written as.
MOST_KNOWN, LONGEST_KNOWN = 20_000, 500


class LogFile:
    """A file that takes lines until it cannot take any more; its writer goes on.

    :param trouble: is told of the error, once.
    """

    def __init__(self, path: Path, handle: int, trouble: Callable[[Exception], None]) -> None:
        self.path = path
        self.size = 0
        self.whole = True
        self._stream = os.fdopen(handle, "ab")
        self._trouble = trouble

    def write(self, text: str) -> int:
        if self.whole:
            try:
                self.size += self._stream.write(text.encode())
            except (OSError, ValueError) as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        if self.whole:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._give_up(error)

    def close(self) -> None:
        if self.whole:
            try:
                self._stream.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.whole = False
        # What it still holds is tried once more, in vain.
        with suppress(OSError, ValueError):
            self._stream.close()
        self._trouble(error)


class RolloutLog(JsonReport):
    """The lines of one run, in a file of its own.

    A run whose task rolls out leaves a log whatever comes of it, any other one as soon as it begins a phase, and a dry
    run none. Texts are written as a terminal shows them: without secrets and escape sequences.

    :param say: tells the person, once, that no log can be written.
    :ivar always: the run leaves a log whatever comes of it.
    :ivar file: None while there is none.
    :ivar eventful: something was to be done, and was at least begun.
    """

    def __init__(self, dry: bool, say: Callable[[str], None]) -> None:
        self._waiting: deque[Mapping[str, object]] = deque(maxlen=MOST_WAITING)
        # Masks, and what texts become by them.
        self._shield: tuple[tuple[str, ...], dict[str, str]] = ((), {})
        self.always = self.eventful = False
        self.file: LogFile | None = None
        self._say = say
        self._account: Callable[[], Mapping[str, object]] | None = None
        self._over = dry
        super().__init__(_Nowhere(), dry=dry)

    def set_masks(self, values: Sequence[str]) -> None:
        self._shield = (tuple(values), {})

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None:
        self._account = run
        if self.always:
            self.open()

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        self.eventful = True
        self.open()
        super().phase(name, hosts, detail, bookkeeping)

    def progress(self, host: str, text: str) -> None:
        """Nothing: it passes, and what failed comes with its whole output."""

    def open(self) -> None:
        """Begin the file, where it is clear by now what the run is about."""
        if self._over or self.file is not None or self._account is None:
            return
        account = self._account()
        with self._lock:
            if self.file is None:
                self._open(account)

    def _open(self, account: Mapping[str, object]) -> None:
        application, environment = str(account.get("application", "")), str(account.get("environment", ""))
        try:
            place = folder.folder_of(application, environment)
            if place is None:
                self._over = True
                return
            path, handle = folder.create(place, str(account.get("command", "")), time.time())
        except (OSError, RuntimeError) as error:
            self._trouble(error)
            return
        self._sink = self.file = LogFile(path, handle, self._trouble)
        waiting, self._waiting = self._waiting, deque()
        rows = [{"t": "begin", "at": now(), "format": FORMAT, **account}, *waiting]
        for row in rows:
            # More secrets may be known than when they came.
            self._put({name: self._masked(value) for name, value in row.items()})

    def close(self) -> Path | None:
        """End the file; returns where it lies, or None where there is none that is whole."""
        with self._lock:
            self._over = True
            if self.file is not None:
                self.file.close()
            return self.file.path if self.file is not None and self.file.whole else None

    def _write(self, kind: str, **fields: object) -> None:
        if not self._over and (self.file is not None or kind in WAITING):
            super()._write(kind, **fields)

    def _put(self, row: Mapping[str, object]) -> None:
        if self._over:
            return
        if self.file is None:
            self._waiting.append(row)
        elif self.file.size < MOST_BYTES or row["t"] in WEIGHTY:
            super()._put(row)

    def _trouble(self, error: Exception) -> None:
        self._over = True
        why = getattr(error, "strerror", None) or str(error)
        self._say(f"no log of this is kept{f' in {self.file.path}' if self.file else ''}: {why}")

    def _masked(self, value: object) -> object:
        if not isinstance(value, str):
            return super()._masked(value)
        masks, known = self._shield
        found = known.get(value)
        if found is None:
            found = safe(value, masks)
            if len(found) > LONGEST:
                left = len(found) - LONGEST
                found = f"{found[: LONGEST // 2]}\n(… {left} characters …)\n{found[-LONGEST // 2 :]}"
            if len(value) <= LONGEST_KNOWN and len(known) < MOST_KNOWN:
                known[value] = found
        return found


class _Nowhere:
    """The stream of what has no file yet."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
