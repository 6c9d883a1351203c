"""The claims of the benchmark: tables for the terminal, and their part of docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from .scenarios import Result
from .testbed import PROJECT

PAGE = PROJECT / "docs" / "performance.md"


def table(result: Result) -> Table:
    """Return the table of a scenario for the terminal, which has seconds too."""
    found = Table("candidate", "seconds", "of the least", "middle half", "cpu s", title=title(result))
    for each in result.costs:
        low, high = result.spread(each)
        seconds, cpu = f"{result.seconds(each):.2f}", f"{result.cpu(each):.2f}"
        found.add_row(each.name, seconds, f"{result.ratio(each):.2f}", f"{low:.2f} - {high:.2f}", cpu)
    return found


def title(result: Result) -> str:
    return f"{result.scenario.name}, {result.hosts} host{'s' if result.hosts > 1 else ''}"


def machine() -> str:
    """Return what the measuring machine is, without its name."""
    return f"{os.cpu_count()} processors for everything, {platform.machine()}, Python {platform.python_version()}"


def write_part(name: str, heading: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Write a measured part of a page, which stands between two comments of its name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    text = page.read_text()
    before, after = text.partition(begin)[0], text.partition(end)[2]
    page.write_text(f"{before}{begin}\n{heading}\n\n" + "\n".join(lines) + f"\n\n{end}{after}")


def write(results: Sequence[Result]) -> None:
    """Write the measured part of the page that tells of the candidates, without seconds."""
    write_part("measured", f"`make bench`, {machine()}.", rows(results))


def rows(results: Sequence[Result]) -> list[str]:
    """Return one table of ratios: a row a candidate, a column a scenario."""
    candidates = list(dict.fromkeys(each for result in results for each in result.costs))
    lines = ["| | " + " | ".join(map(title, results)) + " |", "| --- |" + " ---: |" * len(results)]
    for each in candidates:
        cells = []
        for result in results:
            if each not in result.costs:
                cells.append("")
                continue
            low, high = result.spread(each)
            cells.append(f"**{result.ratio(each):.2f}** ({low:.2f} to {high:.2f})")
        lines.append(f"| {each.name} | " + " | ".join(cells) + " |")
    return lines
