"""The scenarios that are measured: the same moments in the life of a site, for each candidate in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .candidates import CANDIDATES, LEAST, Candidate, Cost
from .testbed import Testbed, commit

# New processes are still busy with their start when a deploy has ended, and the next one shall not pay for it.
REST_SECONDS = 3.0


@dataclass(frozen=True)
class Scenario:
    """One moment in the life of a site.

    :param rounds: how often each candidate is measured on one host, after one round that does not count.
    :param changes: whether a deploy changes the hosts.
    :param anew: whether each candidate's deploys are forgotten before.
    :param seconds: those of a round trip to the hosts, where they are far away.
    """

    name: str
    rounds: int
    changes: bool
    anew: bool = False
    seconds: float = 0.0

    def rounds_on(self, hosts: int) -> int:
        """Return how often each candidate is measured: on several hosts a round takes several times as long."""
        return self.rounds if hosts == 1 else max(3, self.rounds // 2)


SCENARIOS = (
    Scenario("first deploy", 3, True, anew=True),
    Scenario("one file changed", 7, True),
    Scenario("nothing changed", 11, False),
    Scenario("nothing changed, 50 ms away", 7, False, seconds=0.05),
)


@dataclass
class Result:
    """The result of a scenario.

    :ivar costs: those of each candidate, round by round.
    """

    scenario: Scenario
    hosts: int
    costs: dict[Candidate, list[Cost]] = field(default_factory=dict)

    def seconds(self, candidate: Candidate) -> float:
        """Return the median."""
        return statistics.median(each.seconds for each in self.costs[candidate])

    def ratios(self, candidate: Candidate) -> list[float]:
        """Return a candidate's time as a multiple of the least, of each round."""
        pairs = zip(self.costs[candidate], self.costs[LEAST], strict=True)
        return sorted(mine.seconds / least.seconds for mine, least in pairs)

    def ratio(self, candidate: Candidate) -> float:
        return statistics.median(self.ratios(candidate))

    def spread(self, candidate: Candidate) -> tuple[float, float]:
        """Return the quartiles of the ratios; the extremes where there are too few rounds for them."""
        ratios = self.ratios(candidate)
        if len(ratios) < 4:
            return ratios[0], ratios[-1]
        low, _middle, high = statistics.quantiles(ratios, n=4)
        return low, high

    def cpu(self, candidate: Candidate) -> float:
        """Return the median of the processor's seconds on the controlling machine."""
        return statistics.median(each.cpu for each in self.costs[candidate])


def chosen(names: Sequence[str], scenario: Scenario | None = None) -> list[Candidate]:
    """Return the candidates that take part: the least always does.

    :param names: those that are asked for; all unless given.
    :param scenario: only those that can be measured in it; None: only those that deploy.
    """

    def fits(candidate: Candidate) -> bool:
        if scenario is None or scenario.changes:
            return not candidate.idle
        return candidate.far is not None or not scenario.seconds

    return [each for each in CANDIDATES if fits(each) and (each is LEAST or not names or each.application in names)]


def measure(testbed: Testbed, scenario: Scenario, candidates: Sequence[Candidate], rounds: int) -> Iterator[Result]:
    """Yield what has been measured so far after each round; who goes first moves on by one.

    :raises RuntimeError: a candidate failed, or did not do what it is measured for.
    """
    result = Result(scenario, len(testbed.names))
    with testbed.at_distance(scenario.seconds):
        for number in range(rounds + 1):
            if scenario.changes:
                commit("a change")
            place = number % len(candidates)
            for candidate in [*candidates[place:], *candidates[:place]]:
                if scenario.anew:
                    candidate.forget(testbed)
                if scenario.changes:
                    time.sleep(REST_SECONDS)
                cost = candidate.deploy(testbed, far=bool(scenario.seconds))
                if scenario.changes:
                    candidate.check(testbed)
                # The first round warms up.
                if number:
                    result.costs.setdefault(candidate, []).append(cost)
            if number:
                yield result
