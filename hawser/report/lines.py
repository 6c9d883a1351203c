"""The lines that stay on the screen, the same with and without a terminal; how they look is the subclasses' part."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .events import Event
from .summary import summary
from .tally import Tally
from .text import Line, Marked, at_home, brief, duration, names, one_line, safe

TAIL = 20
STEP_WIDTH = 16
# Hosts that one line names.
MOST_NAMES = 3
# Seconds for which a change waits for other hosts of which the same is to be told.
PATIENCE = 1.0
# The events that are told when they did not fail.
CHANGES = ("changed", "would_change", "differs", "unknown")
# Before each line that somebody else has written, as it is: what stands at the left, indented or not, is ours.
QUOTED = (("    | ", "dim"),)
WORDS = {"would_change": "would change"}
STYLES = {
    "changed": "yellow",
    "would_change": "cyan",
    "differs": "yellow",
    "unknown": "dim",
    "failed": "bold red",
    "warning": "bold yellow",
    "error": "bold red",
}


@dataclass(frozen=True)
class Settings:
    """The choices of a person about a report.

    :param dry: nothing is touched: speak of what would change, and show diffs.
    :param diffs: show diffs of what was changed, too.
    :param debug: show the traceback of a failure that is a defect of the runner.
    :param clock: seconds that only grow.
    :param verbose: show book-keeping, and the counts of every host.
    """

    dry: bool = False
    diffs: bool = False
    debug: bool = False
    clock: Callable[[], float] = time.monotonic
    verbose: bool = False


@dataclass
class Held:
    """A line that waits for other hosts of which the same is to be told.

    :param event: that of the slowest of them so far.
    :param since: when the first one came, by the report's clock.
    """

    event: Event
    since: float
    hosts: dict[str, None] = field(default_factory=dict)

    def add(self, host: str, event: Event) -> None:
        self.hosts[host] = None
        self.event = max(self.event, event, key=lambda each: each.ms)


class LineReport(ABC):
    """Tell a run in lines: changes and failures, but not resources that were fine, nor book-keeping.

    Equal changes on several hosts are told once: each is held until all hosts of the phase have it, for `PATIENCE` at
    most; in a dry run, until the phase ends.
    """

    def __init__(self, settings: Settings) -> None:
        self._dry = settings.dry
        self._diffs = settings.dry or settings.diffs
        self._debug = settings.debug
        self._verbose = settings.verbose
        self._clock = settings.clock
        self._began = self._clock()
        self._lock = threading.RLock()
        self._masks: tuple[str, ...] = ()
        self._tally = Tally()
        self._host_width = 0
        # That of the column in which a line names its hosts: several of them, where they are at work together.
        self._head_width = 0
        self._step_width = STEP_WIDTH
        # By what is told of it, in the order in which the first of each came.
        self._held: dict[tuple[str, ...], Held] = {}
        self._at_work: set[str] = set()
        # What was said of the last one: one that takes several exchanges is told once.
        self._phase: tuple[str, ...] = ()
        self._timer: threading.Timer | None = None
        self._finished = False

    @abstractmethod
    def _write(self, line: Line) -> None:
        """Put one line out, whole, at any length."""

    @abstractmethod
    def _write_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Put a table out, whose cells are safe to show."""

    def _write_output(self, host: str, text: str, stream: str) -> None:
        for line in self._safe(text).rstrip("\n").split("\n"):
            self._write([(host.ljust(self._host_width), "bold"), (" | ", "dim"), (line, "")])

    def set_masks(self, values: Sequence[str]) -> None:
        with self._lock:
            self._masks = tuple(values)

    def begin(self, run: Callable[[], Mapping[str, object]]) -> None:  # noqa: B027
        """Whoever has typed it knows."""

    def release(self, identifier: str, commit: str) -> None:  # noqa: B027
        """The end tells it."""

    def commits(
        self, former: str, commit: str, hosts: Sequence[str], told: str, subjects: Sequence[str], goes_out: bool = True
    ) -> None:
        self.note("", told)

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        with self._lock:
            self._release()
            self._know(hosts)
            self._at_work = set(hosts)
            if (bookkeeping and not self._verbose) or self._phase == (name, *hosts, detail):
                return
            self._phase = (name, *hosts, detail)
            line = [("== ", "dim"), (self._safe_line(name), "bold"), (f"  {names(hosts)}", "dim")]
            if detail:
                line.append((f"  {self._safe_line(detail)}", ""))
            self._write(line)

    def start(self, host: str, step: str, label: str) -> None:  # noqa: B027
        """Nothing that stays."""

    def progress(self, host: str, text: str) -> None:  # noqa: B027
        """Nothing that stays."""

    def event(self, host: str, event: Event) -> None:
        with self._lock:
            self._know([host])
            self._tally.add(host, event)
            if event.status == "failed":
                self._release_early()
                self._write_event([host], event)
            elif event.status in CHANGES and (self._verbose or not event.bookkeeping):
                key = (event.status, event.step, event.label, event.diff if self._shows(event) else "", event.note)
                self._held.setdefault(key, Held(event, self._clock())).add(host, event)
            if not self._dry:
                self._release_complete()

    def note(self, host: str, text: str, level: str = "info") -> None:
        with self._lock:
            self._release_early()
            self._know([host] if host else [])
            if level == "warning":
                self._tally.warnings[(host, text)] = None
            word = "note" if level == "info" else level
            head, *rest = self._brief(text).strip("\n").split("\n")
            style = STYLES.get(level, "dim")
            columns = self._head(host, word, style) if host else [(f"{word}  ", style)]
            self._write([*columns, (head, STYLES.get(level, ""))])
            self._indent(rest, "")

    def output(self, host: str, text: str, stream: str = "out") -> None:
        with self._lock:
            self._release_early()
            self._know([host])
            self._write_output(host, text, stream)

    def log(self, host: str, source: str, moment: float, text: str) -> None:
        when = time.strftime("%b %d %H:%M:%S", time.localtime(moment))
        self.output(host, f"{when} {source}: {text}")

    def explained(self, host: str, text: str) -> None:  # noqa: B027
        """The message of the error ends with it."""

    def host_done(self, host: str) -> None:
        with self._lock:
            self._at_work.discard(host)
            if not self._dry:
                self._release_complete()

    def host_failed(self, host: str, message: str) -> None:
        with self._lock:
            self._release_early()
            self._at_work.discard(host)
            self._know([host])
            self._tally.broken_off[host] = message
            head, *rest = self._brief(message.removeprefix(f"{host}: ")).strip("\n").split("\n")
            self._write([*self._head(host, "failed", STYLES["failed"]), (head, "red")])
            self._indent(rest, "")

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None:
        if empty and not rows:
            self.note("", empty)
            return
        shown = [number for number in range(len(columns)) if not rows or any(row[number] for row in rows)]
        cells = [[self._safe_cell(row[number]) for number in shown] for row in rows]
        with self._lock:
            self._release()
            heads = [self._safe_line(columns[number]) for number in shown]
            self._write_table(self._safe_line(title), heads, cells)

    def pause(self) -> None:
        with self._lock:
            self._release()

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None:
        with self._lock:
            self.pause()
            if self._finished:
                return
            self._finished = True
            for line in summary(self._tally, self._clock() - self._began, ok, self._dry, self._verbose):
                self._write([(self._brief(text), style) for text, style in line])
            if kept:
                self._write([("report  ", "dim"), (self._safe_line(at_home(kept)), "")])

    def _safe(self, text: str) -> str:
        return safe(text, self._masks)

    def _brief(self, text: str) -> str:
        return brief(self._safe(text))

    def _safe_cell(self, text: str) -> str:
        cell = Marked(self._brief(text))
        cell.style = text.style if isinstance(text, Marked) else ""
        return cell

    def _safe_line(self, text: str) -> str:
        return one_line(self._brief(text))

    def _know(self, hosts: Sequence[str]) -> None:
        self._tally.expect(hosts)
        self._host_width = max([self._host_width, *map(len, hosts)])
        self._head_width = max(self._host_width, self._head_width, len(names(hosts, MOST_NAMES)))

    def _head(self, host: str, word: str, style: str) -> list[tuple[str, str]]:
        """The two columns that every line begins with."""
        width = len("would change") if self._dry else len("changed")
        return [(f"{host:{self._head_width}}  ", "bold"), (f"{word:{width}}  ", style)]

    def _write_event(self, hosts: Sequence[str], event: Event) -> None:
        status = event.status
        step = self._safe_line(event.step)
        self._step_width = max(self._step_width, len(step))
        line = [
            *self._head(names(hosts, MOST_NAMES), WORDS.get(status, status), STYLES[status]),
            (f"{step:{self._step_width}}  ", "cyan"),
            (self._safe_line(event.label), "dim" if status == "unknown" else ""),
        ]
        if status in ("changed", "failed"):
            line.append((f"  {duration(event.ms / 1000)}", "dim"))
        note = self._brief(event.note).strip("\n")
        if note and "\n" not in note:
            line.append((f"  ({note})", "dim"))
        self._write(line)
        if "\n" in note:
            self._indent(note.split("\n"), "dim")
        if self._shows(event) and event.diff:
            self._write_diff(self._safe(event.diff))
        if status == "failed":
            self._write_failure(event)

    def _shows(self, event: Event) -> bool:
        """Whether the diff of an event is told: that is what was asked for, or the choice of a person."""
        return self._diffs or event.status in ("differs", "unknown")

    def _write_progress(self, host: str, step: str, label: str, seconds: float, text: str) -> None:
        line = [*self._head(host, "running", "dim"), (f"{self._safe_line(step):{self._step_width}}  ", "cyan")]
        self._write(
            [*line, (f"{self._safe_line(label)}  {duration(seconds)}", ""), (f"  | {self._safe_line(text)}", "dim")]
        )

    def _write_diff(self, diff: str) -> None:
        for number, line in enumerate(diff.strip("\n").split("\n")):
            names_a_file = number < 2 and line.startswith(("---", "+++"))
            style = "bold" if names_a_file else {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            self._write([*QUOTED, (line, style)])

    def _write_failure(self, event: Event) -> None:
        if event.error:
            self._indent(self._brief(event.error).strip("\n").split("\n"), "red")
        output = self._safe(event.output).rstrip().split("\n") if event.output.strip() else []
        if len(output) > TAIL:
            self._indent([f"(the last {TAIL} of {len(output)} lines)"], "dim")
        self._write_tail(output[-TAIL:])
        if event.traceback and self._debug:
            self._write_tail(self._safe(event.traceback).rstrip().split("\n"))
        elif event.traceback:
            self._indent(["this is a defect of Hawser; HAWSER_DEBUG=1 shows where"], "dim")

    def _write_tail(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._write([*QUOTED, (line, "")])

    def _indent(self, lines: Sequence[str], style: str) -> None:
        for line in lines:
            self._write([("    ", ""), (line, style)])

    def _release(self) -> None:
        """Tell all that is held, hosts in their order."""
        order = {host: number for number, host in enumerate(self._tally.hosts)}
        held = sorted(self._held.values(), key=lambda each: min(order[host] for host in each.hosts))
        self._held.clear()
        for each in held:
            self._write_held(each)

    def _release_early(self) -> None:
        """Tell all that is held before something else is told; a dry run keeps it until the phase ends."""
        if not self._dry:
            self._release()

    def _release_complete(self) -> None:
        """Tell what no host at work can still join, and what has waited long enough, in the order in which it came."""
        for key, each in list(self._held.items()):
            if self._at_work - each.hosts.keys() and self._clock() - each.since < PATIENCE:
                break
            del self._held[key]
            self._write_held(each)
        if self._held and self._timer is None:
            self._timer = threading.Timer(PATIENCE, self._look_again)
            self._timer.daemon = True
            self._timer.start()

    def _look_again(self) -> None:
        with self._lock:
            self._timer = None
            self._release_complete()

    def _write_held(self, held: Held) -> None:
        self._write_event([host for host in self._tally.hosts if host in held.hosts], held.event)
