"""The hosts of a command: which they are, and which of them answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Self

from ..errors import HawserError, Unreachable
from ..host import Host
from ..host.facts import Facts
from ..host.release import Release
from ..inventory import Environment
from ..report import Report
from ..session.connections import Connections
from ..session.session import Session


class Hosts:
    """Some hosts of one environment.

    :param names: them, in the order of the environment file.
    """

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        self.session = session
        self.names = tuple(names)

    @property
    def environment(self) -> Environment:
        return self.session.environment

    @property
    def report(self) -> Report:
        return self.session.report

    @property
    def dry(self) -> bool:
        return self.session.dry

    @property
    def connections(self) -> Connections:
        return self.session.connections

    @property
    def lost(self) -> Mapping[str, HawserError]:
        """Why hosts do not answer any more, by host."""
        return self.connections.lost

    @property
    def age(self) -> float:
        """Seconds since this run began."""
        return self.session.age

    def facts(self, name: str) -> Facts:
        """The facts of a host, as of the opening of its wire or the last question."""
        if name not in self.connections.facts:
            self.connect()
        return self.connections.facts[name]

    def host(self, name: str, release: Release | None = None) -> Host:
        return self.session.host(name, release)

    def subset(self, names: Sequence[str]) -> Self:
        """Return the part of the environment with these hosts."""
        return type(self)(self.session, names)

    def everyone(self) -> Self:
        """Return all hosts of the environment, also those that ``-H`` does not name."""
        return self.subset(tuple(self.environment.hosts))

    def leader(self) -> Self:
        """Return the host of commands that must run once, even if ``-H`` does not name it."""
        return self.subset((self.environment.leader,))

    def with_code(self) -> Self:
        """Return the hosts that need the application's code."""
        return self.subset([name for name in self.names if self.host(name).runs_code])

    def needing_code(self) -> Self:
        """Return the hosts that need the application's code.

        :raises HawserError: none of them does.
        """
        fleet = self.with_code()
        if not fleet.names:
            raise HawserError(
                f"none of {', '.join(self.names)} runs the application's code; is a group missing?", code=2
            )
        return fleet

    def with_leader(self) -> Self:
        """Return these hosts that need the code, and the leader."""
        return self.subset(tuple(dict.fromkeys((*self.with_code().names, self.environment.leader))))

    def decommissioned(self) -> Self:
        """Return the hosts that still serve a release and, by the settings, need the code no more."""
        there = self.required_hosts().names
        return self.subset([name for name in there if not self.host(name).runs_code and self.facts(name).current])

    def batches(self) -> Iterator[Self]:
        """Yield the hosts in the portions in which they switch, those first that others wait for."""
        names, environment = self.with_code().names, self.environment
        canaries = environment.canaries
        for _rank, equals in groupby(sorted(names, key=environment.host_rank), environment.host_rank):
            together = list(equals)
            first = [name for name in together if name in canaries]
            if first:
                yield self.subset(first)
            rest = [name for name in together if name not in canaries]
            size = environment.release.batch_size(len(names))
            if size is None:
                if rest and not first:
                    yield self.subset(rest[:1])
                    rest = rest[1:]
                if all(map(environment.keeps_serving, rest)):
                    size = max(1, len(rest))
                else:
                    # Half of the workers go on with what waits for them; what answers visitors stays but for one.
                    size = max(1, len(together) // 2) if all(map(environment.keeps_answering, rest)) else 1
            for start in range(0, len(rest), size):
                yield self.subset(rest[start : start + size])

    def connect(self) -> None:
        """Open a wire to every host that has none."""
        self.connections.open(self.names)

    def connect_early(self) -> None:
        """Begin to open the wires of these hosts while other work goes on."""
        self.connections.be_lenient(self.environment.release.unreachable == "skip")
        self.connections.open_early(self.names)

    def reachable(self) -> Self:
        """Return the hosts that answer; the others have been reported and make the run fail at its end.

        For questions and ad-hoc commands: what changes hosts asks for all of them, with `connect`.
        """
        try:
            self.connect()
        except Unreachable:
            if not set(self.names) - set(self.lost):
                raise
        return self.subset([name for name in self.names if name not in self.lost])

    def required_hosts(self) -> Self:
        """Return the hosts that a rollout can go on with: all, or those that answer, where the settings skip the rest.

        :raises Unreachable: a host does not answer, and `release.unreachable` says that this is fatal; or none does.
        """
        if not self.names:
            return self
        self.connections.be_lenient(self.environment.release.unreachable == "skip")
        if not self.connections.lenient:
            self.connect()
            return self
        # Those that did not answer a moment ago are not asked again.
        left = [name for name in self.names if name not in self.lost]
        return self.subset(left or self.names).reachable()
