"""Measure Hawser beside a shell script on throwaway hosts, print a table, and write RESULTS.md."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .report import write
from .scenarios import SCENARIOS, Result, measure
from .testbed import PROJECT, Testbed

TESTBEDS = {
    1: Testbed({"one": ("web", "data")}),
    3: Testbed({"web1": ("web",), "web2": ("web",), "data1": ("data",)}),
}


def main() -> None:
    """Run the benchmark that the command line asks for."""
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds per scenario; default: more where a round is short")
    parser.add_argument("--quick", action="store_true", help="one host, two rounds, and RESULTS.md stays as it is")
    parser.add_argument("--hosts", type=int, choices=list(TESTBEDS), help="only on so many hosts")
    parser.add_argument("--keep", action="store_true", help="leave the hosts of the last part up")
    options = parser.parse_args()
    console = Console()
    sizes = [options.hosts] if options.hosts else [1] if options.quick else list(TESTBEDS)
    results: list[Result] = []
    for size in sizes:
        testbed = TESTBEDS[size]
        console.print(f"{size} host{'s' if size > 1 else ''}: bringing up", highlight=False)
        testbed.up()
        try:
            for scenario in SCENARIOS:
                rounds = options.rounds or (2 if options.quick else scenario.rounds)
                pairs = []
                for pair in measure(testbed, scenario, rounds):
                    pairs.append(pair)
                    seconds = f"script {pair.script.seconds:.2f} s, Hawser {pair.hawser.seconds:.2f} s"
                    console.print(f"  {scenario.name}: {seconds}", highlight=False)
                results.append(Result(scenario.name, size, pairs))
        finally:
            if not options.keep:
                testbed.down()
    console.print(table(results))
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        console.print("this machine is busy with other things: do not believe the numbers", style="yellow")
    if sizes == list(TESTBEDS):
        write(PROJECT / "bench" / "RESULTS.md", results)


def table(results: Sequence[Result]) -> Table:
    """Return the table for the terminal, which has seconds too."""
    found = Table("scenario", "hosts", "script s", "Hawser s", "ratio", "middle half", "cpu ratio")
    for each in results:
        low, high = each.spread
        found.add_row(
            each.scenario,
            str(each.hosts),
            f"{each.script_seconds:.2f}",
            f"{each.hawser_seconds:.2f}",
            f"{each.ratio:.2f}",
            f"{low:.2f} - {high:.2f}",
            f"{each.cpu_ratio:.2f}",
        )
    return found


if __name__ == "__main__":
    main()
