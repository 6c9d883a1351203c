"""A report for logs, pipes and CI: the lines, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from .lines import LineReport, Settings
from .stream import Sink
from .text import Line

# What begins a workflow command of GitHub in a line, after spaces, and what does anywhere in it.
COMMAND, OLD_COMMAND = "::", "##["
# Seconds without a word of a program that takes long.
SILENCE = 30.0


def in_github() -> bool:
    """Tell whether GitHub Actions runs this job, and reads what it writes."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def without_command(line: str) -> str:
    """Return a line that begins no workflow command: a host may have had its word in it."""
    shown = f"| {line.lstrip()}" if line.lstrip().startswith(COMMAND) else line
    return shown.replace(OLD_COMMAND, "## [")


@dataclass
class Now:
    """What a host is at.

    :ivar began: when that began, and
    :ivar told: when something was told of it, by the report's clock.
    """

    step: str
    label: str
    began: float
    told: float


class PlainReport(LineReport):
    """Lines without colours or a limit of width, each flushed as it comes."""

    def __init__(self, sink: Sink, settings: Settings) -> None:
        super().__init__(settings)
        self._sink = sink
        self._in_github = in_github()
        # By host, what it is at, since when, and when it was last told that it still is.
        self._now: dict[str, Now] = {}

    def start(self, host: str, step: str, label: str) -> None:
        with self._lock:
            self._now[host] = Now(step, label, self._clock(), self._clock())

    def progress(self, host: str, text: str) -> None:
        """Say every half a minute how far a program is: whoever reads a log in CI sees no clock."""
        with self._lock:
            now = self._now.get(host)
            if now is None or self._clock() - now.told < SILENCE:
                return
            now.told = self._clock()
            self._release_early()
            self._write_progress(host, now.step, now.label, now.told - now.began, text)

    def tell_program(self, lines: Sequence[str]) -> None:
        """Write lines that the service reads which runs this job."""
        with self._lock:
            for line in lines:
                self._sink.write(line + "\n")
            self._sink.flush()

    def _write(self, line: Line) -> None:
        text = "".join(text for text, _ in line).rstrip()
        if self._in_github:
            text = "\n".join(map(without_command, text.split("\n")))
        self._sink.write(text + "\n")
        self._sink.flush()

    def _write_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if title:
            self._write([(title, "")])
        table = [columns, *([cell.strip("\n").replace("\n", ", ") for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            self._write([("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), "")])
