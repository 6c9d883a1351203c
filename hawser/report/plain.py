"""A report for logs, pipes and CI: the lines, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from .lines import LineReport, Settings
from .stream import Sink
from .text import Line


class PlainReport(LineReport):
    """Lines without colours or a limit of width, each flushed as it comes."""

    def __init__(self, sink: Sink, settings: Settings) -> None:
        super().__init__(settings)
        self._sink = sink

    def _write(self, line: Line) -> None:
        self._sink.write("".join(text for text, _ in line).rstrip() + "\n")
        self._sink.flush()

    def _write_table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if title:
            self._write([(title, "")])
        table = [columns, *([cell.strip("\n").replace("\n", ", ") for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            self._write([("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), "")])
