"""Measure Hawser beside other ways to deploy the same site on throwaway hosts, and write docs/performance.md."""

from __future__ import annotations

import argparse
import os

from rich.console import Console

from .candidates import CANDIDATES
from .report import table, write
from .scenarios import SCENARIOS, Result, chosen, measure
from .testbed import Testbed

SIZES = (1, 5)


def main() -> None:
    """Run the benchmark that the command line asks for."""
    known = [each.application for each in CANDIDATES]
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds per scenario; default: more where a round is short")
    parser.add_argument("--hosts", type=int, choices=SIZES, help="only on so many hosts")
    parser.add_argument("--only", nargs="*", default=(), choices=known, help="only these beside the least")
    parser.add_argument("--keep", action="store_true", help="leave the hosts up")
    options = parser.parse_args()
    console = Console(highlight=False)
    results: list[Result] = []
    for size in [options.hosts] if options.hosts else SIZES:
        testbed = Testbed(tuple(f"host{number}" for number in range(1, size + 1)))
        with testbed.up({each.application: each.domain for each in chosen(options.only)}, options.keep):
            for scenario in SCENARIOS:
                if scenario.seconds and size > 1:
                    continue
                candidates = chosen(options.only, scenario)
                for result in measure(testbed, scenario, candidates, options.rounds or scenario.rounds_on(size)):
                    done = ", ".join(f"{each.name} {costs[-1].seconds:.2f}" for each, costs in result.costs.items())
                    console.print(f"{scenario.name}, {size} hosts: {done}")
                results.append(result)
    for each in results:
        console.print(table(each))
    if os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        console.print("this machine is busy with other things: do not believe the numbers", style="yellow")
    elif not options.rounds and not options.hosts and not options.only:
        write(results)


if __name__ == "__main__":
    main()
