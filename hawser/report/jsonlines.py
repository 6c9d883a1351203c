"""A report for programs: every call is one JSON line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from hawser.runner.masks import mask

from .events import Event
from .stream import Lines
from .tally import Tally
from .text import clean, safe

# The first line says it. A reader takes fields and kinds of lines that it does not know as not being there; whatever it
# would misunderstand gets a number of its own.
FORMAT = 1


class JsonReport:
    """Lines with ``t`` (the method's name), ``at`` (UTC, ISO 8601), then its arguments; empty fields are left out.

    :param sink: where to; nothing else may write there.
    :param clock: seconds that only grow.
    """

    def __init__(self, sink: Lines, dry: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._dry = dry
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._masks: tuple[str, ...] = ()
        self._tally = Tally()
        self._finished = False

    def set_masks(self, values: Sequence[str]) -> None:
        self._masks = tuple(values)

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None:
        self._write("begin", format=FORMAT, dry=self._dry, **run())

    def release(self, identifier: str, commit: str) -> None:
        self._write("release", id=identifier, commit=commit)

    def commits(
        self, former: str, commit: str, hosts: Sequence[str], told: str, subjects: Sequence[str], goes_out: bool = True
    ) -> None:
        subject = subjects[0] if subjects and goes_out else ""
        shown = list(subjects)
        self._write(
            "commits", former=former, commit=commit, hosts=list(hosts), subject=subject, text=told, subjects=shown
        )

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        with self._lock:
            self._tally.expect(hosts)
        self._write("phase", name=name, hosts=list(hosts), detail=detail, bookkeeping=bookkeeping or None)

    def start(self, host: str, step: str, label: str) -> None:
        self._write("start", host=host, step=step, label=label)

    def progress(self, host: str, text: str) -> None:
        self._write("progress", host=host, text=text)

    def event(self, host: str, event: Event) -> None:
        with self._lock:
            self._tally.add(host, event)
        self._write("event", host=host, **{**asdict(event), "bookkeeping": event.bookkeeping or None})

    def note(self, host: str, text: str, level: str = "info") -> None:
        self._write("note", host=host, level=level, text=text)

    def output(self, host: str, text: str, stream: str = "out") -> None:
        self._write("output", host=host, stream=stream, text=text)

    def log(self, host: str, source: str, moment: float, text: str) -> None:
        when = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._write("log", host=host, source=source, time=when, text=text)

    def explained(self, host: str, text: str) -> None:
        self._write("explained", host=host, text=text)

    def host_done(self, host: str) -> None:
        self._write("host_done", host=host)

    def host_failed(self, host: str, message: str) -> None:
        with self._lock:
            self._tally.broken_off[host] = message
        self._write("host_failed", host=host, message=message)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None:
        self._write(
            "table",
            title=title,
            columns=list(columns),
            rows=[list(row) for row in rows],
            records=[dict(record) for record in records],
            empty="" if rows else empty,
        )

    def pause(self) -> None:
        """Nothing to leave: lines are written whole."""

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None:
        with self._lock:
            if self._finished:
                return
            self._finished = True
        self._write(
            "finish",
            ok=ok,
            code=code,
            error=error,
            report=kept,
            dry=self._dry,
            seconds=round(self._clock() - self._began, 3),
            exchanges=dict(exchanges or {}),
            counts={host: dict(counts) for host, counts in self._tally.hosts.items()},
            broken_off=self._tally.broken_off,
            slowest=[asdict(slow) for slow in self._tally.slowest()],
        )

    def _write(self, kind: str, **fields: object) -> None:
        values = {name: self._masked(value) for name, value in fields.items() if value not in ("", None, {}, [])}
        with self._lock:
            self._put({"t": kind, "at": now(), **values})

    def _put(self, row: Mapping[str, object]) -> None:
        # ASCII only: no character that a reader could take for the end of a line.
        self._sink.write(json.dumps(row, default=str) + "\n")
        self._sink.flush()

    def _masked(self, value: object) -> object:
        if isinstance(value, str):
            shown = mask(value, self._masks)
            # A sequence inside a secret hides it from the mask, and whoever shows the text takes it out.
            without = clean(shown)
            return shown if without == mask(without, self._masks) else safe(shown, self._masks)
        if isinstance(value, Mapping):
            return {str(self._masked(str(key))): self._masked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        return value


def now() -> str:
    """Return this moment: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
