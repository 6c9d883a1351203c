"""A report for a person at a terminal: lines that stay, and below them one live line a host."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, cast

from rich import box
from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hawser.runner.masks import mask

from .events import Event
from .lines import LineReport, Settings
from .live import FRAMES_PER_SECOND, Board, State
from .stream import Sink
from .text import Line, clean

# Lines that the live area leaves to what stays, on a low terminal.
LEFT_ABOVE = 3
# Columns that no terminal has.
WIDEST = 100_000


class TerminalReport(LineReport):
    """Lines in colour, and the work of each host right now.

    The live area is drawn under the same lock as the lines: nothing can come between moving the cursor and writing.

    :param environ: where rich finds TERM, COLORTERM and NO_COLOR.
    :param width: columns, and ``height`` rows; those of the terminal when not given.
    """

    def __init__(
        self,
        sink: Sink,
        settings: Settings,
        environ: Mapping[str, str],
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        super().__init__(settings)
        self._console = Console(
            file=cast(IO[str], sink),
            force_terminal=True,
            width=width,
            height=height,
            no_color=bool(environ.get("NO_COLOR")) or None,
            highlight=False,
            markup=False,
            emoji=False,
            _environ=environ,
        )
        self._own_stdout = sink.stream is sys.stdout
        self._board = Board(self._clock)
        self._live: Live | None = None
        self._ticking = threading.Event()
        # A hidden cursor would outlive us.
        atexit.register(self.pause)

    def phase(self, name: str, hosts: Sequence[str], detail: str = "", bookkeeping: bool = False) -> None:
        with self._lock:
            self._hide()
            super().phase(name, hosts, detail, bookkeeping)
            self._board.begin(self._safe_line(name), hosts)
            self._show()

    def start(self, host: str, step: str, label: str) -> None:
        with self._lock:
            self._board.at(host, self._safe_line(step), self._safe_line(label))
            self._show()

    def progress(self, host: str, text: str) -> None:
        with self._lock:
            self._board.says(host, self._safe_line(text))

    def event(self, host: str, event: Event) -> None:
        with self._lock:
            self._board.at(host, self._safe_line(event.step))
            super().event(host, event)
            if event.status == "failed" and not self._dry:
                self._end(host, "failed")

    def host_done(self, host: str) -> None:
        with self._lock:
            super().host_done(host)
            self._end(host, "done")

    def host_failed(self, host: str, message: str) -> None:
        with self._lock:
            super().host_failed(host, message)
            self._end(host, "failed")

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        records: Sequence[Mapping[str, object]] = (),
        empty: str = "",
    ) -> None:
        with self._lock:
            self._hide()
            super().table(title, columns, rows, records, empty)

    def pause(self) -> None:
        with self._lock:
            self._hide()
            super().pause()

    def finish(
        self, ok: bool, exchanges: Mapping[str, int] | None = None, error: str = "", code: int = 0, kept: str = ""
    ) -> None:
        super().finish(ok, exchanges, error, code, kept)
        atexit.unregister(self.pause)

    def _write(self, line: Line) -> None:
        self._print(Text.assemble(*line))

    def _write_output(self, host: str, text: str, stream: str) -> None:
        plain, coloured = self._safe(text), mask(clean(text, colours=True), self._masks)
        # A colour inside a secret hides it from the mask: then the text goes without its colours.
        safe = coloured if clean(coloured) == plain else plain
        head = Text.assemble((host.ljust(self._host_width), "bold"), (" | ", "red" if stream == "err" else "dim"))
        for line in safe.rstrip("\n").split("\n"):
            self._print(head + Text.from_ansi(line))

    def _write_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Put a table out; one that is wider than the terminal in parts, each with the columns that tell rows apart."""
        keys = 1 if len({row[0] for row in rows}) == len(rows) else 2
        left = list(range(len(columns)))
        while left:
            # At least one new column, however wide it is.
            count = next((n for n in range(len(left), keys + 1, -1) if self._fits(columns, rows, left[:n])), keys + 1)
            self._console.print(self._made_table(title, columns, rows, left[:count]))
            title, rest = "", left[count:]
            left = [*range(keys), *rest] if rest else []

    def _fits(self, columns: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> bool:
        table = self._made_table("", columns, rows, shown)
        # What it would take where there is room for everything.
        anywhere = self._console.options.update(max_width=WIDEST)
        return Measurement.get(self._console, anywhere, table).maximum <= self._console.width

    def _made_table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[int]
    ) -> Table:
        table = Table(
            title=title or None,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
            show_edge=False,
        )
        for number in shown:
            table.add_column(Text(columns[number]), overflow="fold")
        for row in rows:
            cells = (row[number] for number in shown)
            table.add_row(*(Text(cell, style=getattr(cell, "style", "")) for cell in cells))
        return table

    def _print(self, text: Text) -> None:
        """Print a line whole: the terminal may break it, rich must not."""
        self._console.print(text, soft_wrap=True)

    def _end(self, host: str, state: State) -> None:
        self._board.end(host, state)
        if not self._board.busy():
            self._hide()

    def _show(self) -> None:
        if self._live is None and not self._finished and self._board.busy():
            # What others print meanwhile appears above the live area instead of tearing it.
            self._live = Live(
                self._view(),
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=self._own_stdout,
                redirect_stderr=self._own_stdout and sys.stderr.isatty(),
            )
            self._live.start(refresh=True)
            self._ticking = threading.Event()
            threading.Thread(target=self._tick, args=(self._ticking,), name="report", daemon=True).start()

    def _hide(self) -> None:
        if self._live is not None:
            self._ticking.set()
            self._live.stop()
            self._live = None

    def _tick(self, stopped: threading.Event) -> None:
        while not stopped.wait(1 / FRAMES_PER_SECOND):
            with self._lock:
                if self._live is not None and not stopped.is_set():
                    self._live.update(self._view(), refresh=True)

    def _view(self) -> Text:
        return self._board.render(self._console.width, max(self._console.height - LEFT_ABOVE, 1))
