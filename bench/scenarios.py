"""The scenarios that are measured: the same three moments in the life of a site, for each candidate in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .candidates import HAWSER, SCRIPT, Candidate, Cost
from .testbed import Testbed, commit

# New processes are still busy with their start when a deploy has ended, and the next one shall not pay for it.
REST_SECONDS = 4.0


@dataclass(frozen=True)
class Scenario:
    """One moment in the life of a site.

    :param rounds: how often each candidate is measured.
    :param changes: whether a deploy changes the hosts.
    :param each_round: done before both candidates are measured.
    :param before: done before one of them is.
    """

    name: str
    rounds: int
    changes: bool
    each_round: Callable[[int], None] = lambda number: None
    before: Callable[[Candidate, Testbed], None] = lambda candidate, testbed: None


SCENARIOS = (
    Scenario("first deploy", 3, True, before=lambda candidate, testbed: candidate.forget(testbed)),
    Scenario("one file changed", 7, True, each_round=lambda number: commit(f"change {number} {time.time_ns()}")),
    Scenario("nothing to do", 15, False),
)


@dataclass(frozen=True)
class Pair:
    """One round: both candidates, one directly after the other."""

    script: Cost
    hawser: Cost


@dataclass(frozen=True)
class Result:
    """The result of the rounds of a scenario."""

    scenario: str
    hosts: int
    pairs: Sequence[Pair]

    @property
    def script_seconds(self) -> float:
        return statistics.median(pair.script.seconds for pair in self.pairs)

    @property
    def hawser_seconds(self) -> float:
        return statistics.median(pair.hawser.seconds for pair in self.pairs)

    @property
    def ratio(self) -> float:
        """Hawser's time as a multiple of the script's: the median of the rounds' own ratios."""
        return statistics.median(pair.hawser.seconds / pair.script.seconds for pair in self.pairs)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the rounds' ratios; the extremes where there are too few rounds for them."""
        ratios = sorted(pair.hawser.seconds / pair.script.seconds for pair in self.pairs)
        if len(ratios) < 4:
            return ratios[0], ratios[-1]
        quartiles = statistics.quantiles(ratios, n=4)
        return quartiles[0], quartiles[2]

    @property
    def cpu_ratio(self) -> float:
        """The same for processor time on the controlling machine."""
        return statistics.median(pair.hawser.cpu / pair.script.cpu for pair in self.pairs)


def measure(testbed: Testbed, scenario: Scenario, rounds: int) -> Iterator[Pair]:
    """Yield the rounds of a scenario; who goes first alternates.

    :raises RuntimeError: a candidate failed, or did not do what it is measured for.
    """
    for number in range(rounds):
        scenario.each_round(number)
        costs = {}
        for candidate in (SCRIPT, HAWSER) if number % 2 else (HAWSER, SCRIPT):
            scenario.before(candidate, testbed)
            if scenario.changes:
                time.sleep(REST_SECONDS)
            costs[candidate] = candidate.deploy(testbed)
            if scenario.changes == (candidate.idle in costs[candidate].output):
                raise RuntimeError(f"{candidate.name} took this for another scenario:\n{costs[candidate].output}")
            if scenario.changes:
                candidate.check(testbed)
        yield Pair(costs[SCRIPT], costs[HAWSER])
