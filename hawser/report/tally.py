"""The sum of a run: counts per host, and the slowest resources."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .events import Event, Status

SLOWEST = 5
WORTH_NAMING_MS = 50.0


@dataclass(frozen=True, order=True)
class Slow:
    """A resource and the milliseconds it took."""

    ms: float
    host: str
    step: str
    label: str


@dataclass
class Tally:
    """Counts that grow with every event.

    :ivar bookkeeping: how many of the changes were nothing but book-keeping.
    """

    hosts: dict[str, Counter[Status]] = field(default_factory=dict)
    broken_off: dict[str, str] = field(default_factory=dict)
    warnings: dict[tuple[str, str], None] = field(default_factory=dict)
    bookkeeping: int = 0
    _slowest: list[Slow] = field(default_factory=list)

    def expect(self, hosts: Sequence[str]) -> None:
        """Give these hosts a row, in this order."""
        for host in hosts:
            self.hosts.setdefault(host, Counter())

    def add(self, host: str, event: Event) -> None:
        self.expect([host])
        self.hosts[host][event.status] += 1
        self.bookkeeping += event.bookkeeping and event.status in ("changed", "would_change")
        if event.ms >= WORTH_NAMING_MS:
            heapq.heappush(self._slowest, Slow(event.ms, host, event.step, event.label))
            if len(self._slowest) > SLOWEST:
                heapq.heappop(self._slowest)

    def total(self, status: Status) -> int:
        return sum(counts[status] for counts in self.hosts.values())

    def having(self, status: Status) -> list[str]:
        """The hosts on which a resource ended so."""
        return [host for host, counts in self.hosts.items() if counts[status]]

    def failed_hosts(self) -> list[str]:
        """The hosts on which something failed or whose run was broken off."""
        return list(dict.fromkeys([*self.having("failed"), *self.broken_off]))

    def slowest(self) -> list[Slow]:
        """The slowest resources, slowest first."""
        return sorted(self._slowest, reverse=True)

    def empty(self) -> bool:
        """Whether no resource was settled at all: an ad-hoc command, a table."""
        return not any(self.hosts.values())
