"""The claims of the benchmark: tables for the terminal, and their part of docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from rich.table import Table

from .scenarios import Result
from .testbed import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
# Between these lines the page is written anew.
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


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


def write(results: Sequence[Result]) -> None:
    """Write the measured part of the page, without seconds and names of machines."""
    text = PAGE.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    machine = f"{os.cpu_count()} processors for everything, {platform.machine()}, Python {platform.python_version()}"
    PAGE.write_text(f"{before}{BEGIN}\n`make bench`, {machine}.\n\n{rows(results)}\n\n{END}{after}")


def rows(results: Sequence[Result]) -> str:
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
    return "\n".join(lines)
