"""The engine: finds workers by way of a scheduler, and chooses one for each host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import Unreachable
from ...ssh.connect import Address, Connector
from ...ssh.transport import SILENCE
from .. import together
from . import cluster
from .far import FarLine
from .keys import Ring
from .station import Station

if TYPE_CHECKING:
    from .cluster import Cluster

# Ways to hosts that are made out at a time.
PLANS = 4
# Seconds after which the scheduler is asked anew who is there, and between two questions while somebody is missed.
FRESH = 5.0
AGAIN = 0.5


@dataclass(frozen=True)
class Worker:
    """A worker, as the scheduler tells.

    :param hosts: the hosts and groups that it was started for, by name; none: for all that no other one names.
    """

    address: str
    name: str
    hosts: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        return self.address if self.name == self.address else f"{self.name} ({self.address})"


class Workers:
    """The engine of many machines: each line is held by a worker.

    :param scheduler: where it listens, as ``tls://HOST:PORT``.
    :param labels: returns the names under which a worker may take a host, the closest one first.
    """

    def __init__(self, scheduler: str, connector: Connector, labels: Callable[[str], Sequence[str]]) -> None:
        self.scheduler, self.connector, self.labels = scheduler, connector, labels
        self.lock = threading.Lock()
        self.cluster: Cluster | None = None
        self.seen = 0.0
        self.workers: tuple[Worker, ...] = ()
        self.stations: dict[str, Future[Station]] = {}
        # How many lines each worker was given, and those that are gone.
        self.given: dict[str, int] = {}
        self.gone: set[str] = set()
        # Whether one has died in this run: it may come back.
        self.missed = False
        # What workers were started for, those too that are gone: their hosts are near them, and maybe near no other.
        self.taken: set[str] = set()
        # Of a thousand threads that compute, few at a time: those that speak with workers have their turn.
        self.planning = threading.BoundedSemaphore(PLANS)
        self.rings: dict[tuple[object, ...], Ring] = {}
        self.ring_lock = threading.Lock()

    def make_room(self, hosts: int) -> None:
        """See `Engine`: the files that lines need are open on workers, which see to it themselves."""

    def line(self, address: Address, hello: Mapping[str, str]) -> FarLine:
        """See `Engine`."""
        return FarLine(address, hello, self)

    def place(self, address: Address) -> tuple[Station, Address]:
        """Return the worker that is to hold the line to a host, and how it reaches it.

        :raises Unreachable: there is none, or it does not answer.
        """
        deadline, forgiven = time.monotonic() + SILENCE, False
        while True:
            with self.lock:
                self.note_the_dead()
                if not forgiven and time.monotonic() > deadline:
                    # One that came back at the same address unseen counts as any other.
                    forgiven = True
                    self.forgive(self.gone.copy())
                worker = self.choose(address.name)
                starting = None if worker is None else self.starting(worker)
            if worker is not None and starting is not None:
                try:
                    station = starting.result()
                except Unreachable as error:
                    self.forget(worker)
                    raise Unreachable(error.what, host=address.name) from None
                if station.over is None:
                    return station, address if station.jump is None else replace(address, jump=station.jump)
                self.forget(worker)
            elif forgiven or not self.missed:
                # One that has died may be started anew.
                raise self.nobody(address.name)
            else:
                time.sleep(AGAIN)

    def starting(self, worker: Worker) -> Future[Station]:
        """Return the beginning of a worker's work for us, which happens once."""
        found = self.stations.get(worker.address)
        if found is None:
            assert self.cluster is not None
            of_cluster = self.cluster
            found = together.begin(lambda: Station(worker.title, of_cluster.actor(worker.address, worker.title)))
            self.stations[worker.address] = found
        return found

    def note_the_dead(self) -> None:
        for address, station in self.stations.items():
            if station.done() and station.exception() is None and station.result().over is not None:
                if address not in self.gone:
                    self.seen = 0.0
                self.gone.add(address)
                self.missed = True

    def forgive(self, addresses: set[str]) -> None:
        """Let workers at these addresses be new ones."""
        for address in addresses:
            self.gone.discard(address)
            self.stations.pop(address, None)

    def forget(self, worker: Worker) -> None:
        with self.lock:
            self.gone.add(worker.address)
            self.missed = True
            self.seen = 0.0

    def choose(self, host: str) -> Worker | None:
        """Return the worker with the fewest lines among those for a host.

        :raises HawserError: the scheduler cannot be asked.
        """
        if self.cluster is None:
            self.cluster = cluster.Cluster(self.scheduler)
        if time.monotonic() - self.seen > (AGAIN if self.missed else FRESH):
            self.workers = tuple(
                Worker(address, name, frozenset(hosts)) for address, name, hosts in self.cluster.workers()
            )
            self.seen = time.monotonic()
            # Who is started again may have the same address.
            self.forgive(self.gone - {worker.address for worker in self.workers})
            self.taken.update(*(worker.hosts for worker in self.workers))
        alive = [worker for worker in self.workers if worker.address not in self.gone]
        mine = self.for_host(host, alive)
        if not mine:
            return None
        chosen = min(mine, key=lambda worker: self.given.get(worker.address, 0))
        self.given[chosen.address] = self.given.get(chosen.address, 0) + 1
        return chosen

    def for_host(self, host: str, workers: Sequence[Worker]) -> list[Worker]:
        """Return those that were started for a host, for the closest of its groups, or else for any."""
        for label in self.labels(host):
            if label in self.taken:
                return [worker for worker in workers if label in worker.hosts]
        return [worker for worker in workers if not worker.hosts]

    def nobody(self, host: str) -> Unreachable:
        there = ", ".join(f"{worker.name} ({', '.join(sorted(worker.hosts)) or 'any'})" for worker in self.workers)
        return Unreachable(
            f"no worker is there for it at {self.scheduler}: {there or 'there is none at all'};",
            host=host,
            next="start one: docs/scale.md",
        )

    def ring(self, address: Address) -> Ring:
        """Return the keys of the login to an address; mostly they are the same for all."""
        options = self.connector.options(address)
        same = (address.key, options.agent, options.identities, options.certificates, options.only_identities)
        with self.ring_lock:
            if same not in self.rings:
                self.rings[same] = Ring(self.connector.login(address))
            return self.rings[same]

    def close(self) -> None:
        """See `Engine`."""
        with self.lock:
            begun, self.stations = list(self.stations.values()), {}
            at, self.cluster = self.cluster, None
        ending = [together.begin(each.result().close) for each in begun if each.done() and each.exception() is None]
        for each in ending:
            each.result()
        for ring in self.rings.values():
            ring.close()
        if at is not None:
            at.close()
        self.connector.close()
