"""One look after the other in the same place of a terminal."""

from __future__ import annotations

import atexit
import io
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Self, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from .lines import Settings
from .stream import Sink
from .terminal import TerminalReport


class Screen:
    """What the last look has shown stays when it is over.

    :param title: stands above each look, with the time.
    :param environ: where rich finds TERM, COLORTERM and NO_COLOR.
    """

    def __init__(self, sink: Sink, title: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._title = title
        self._console = Console(
            file=cast(IO[str], sink),
            force_terminal=True,
            no_color=bool(environ.get("NO_COLOR")) or None,
            highlight=False,
            markup=False,
            emoji=False,
            _environ=environ,
        )
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._written = io.StringIO()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def report(self) -> TerminalReport:
        """Return a report to which a look is told; `show` brings it to the terminal."""
        self._written = io.StringIO()
        width, height = self._console.size
        report = TerminalReport(Sink(self._written), Settings(), self._environ, width, height)
        # It draws nothing that lives, and there will be thousands.
        atexit.unregister(report.pause)
        return report

    def show(self, report: TerminalReport, trouble: str = "") -> None:
        """Show a look in the place of the one before; what does not fit is cut off below.

        :param trouble: what is wrong, as a run without a second look ends with it.
        """
        report.pause()
        head = Text(f"{self._title}  {time.strftime('%H:%M:%S')}  Ctrl-C ends", style="dim", no_wrap=True)
        parts = [head, Text(), Text.from_ansi(self._written.getvalue().rstrip("\n"))]
        if trouble:
            parts += [Text(), Text(trouble, style="red")]
        self._live.update(Group(*parts), refresh=True)
