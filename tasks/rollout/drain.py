"""Backends on TCP ports, taken out of the web servers in front of them while they restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host.release import Release
from hawser.inventory.schema import Environment

from .. import webservers

# Seconds for the requests that were passed on just before.
GRACE = 1.0


def fronts(fleet: Fleet, batch: Fleet) -> list[str]:
    """Return the hosts whose web server passes requests on to these hosts and to others, which can take them.

    They are connected to, also those that ``-H`` does not name.

    :raises Unreachable: one does not answer, and `release.unreachable` says that this is fatal.
    """
    site, environment, lost = fleet.environment.site, fleet.environment, fleet.lost
    names = [
        name
        for name in (environment.hosts_of(site.groups) if site else ())
        if name not in lost and passes_on(environment, name, set(batch.names))
    ]
    return [name for name in fleet.subset(names).required_hosts().names if fleet.facts(name).current]


def passes_on(environment: Environment, name: str, batch: set[str]) -> bool:
    """Whether the web server of a host has requests for some process passed on to these hosts and to others."""
    for each in dict.fromkeys(environment.site.proxy.values() if environment.site else ()):
        process = environment.processes[each]
        backends = set(environment.hosts_running(process))
        if not process.socket and name not in backends and backends & batch and backends - batch:
            return True
    return False


@contextmanager
def drained(
    fleet: Fleet,
    batch: Fleet,
    names: Sequence[str],
    releases: Callable[[], Mapping[str, Release]],
    stays_out: bool = False,
) -> Iterator[None]:
    """Have the web servers in front of some backends pass them nothing meanwhile.

    :param names: the web servers' hosts (see `fronts`), and
    :param releases: tells what serves there; asked each time, for they may be in the batch themselves.
    :param stays_out: after a failure the backends stay out, for whoever puts them back to take them in.
    """
    if not names:
        yield
        return
    progress, told = fleet.session.progress, ", ".join(batch.names)
    before = progress.drained

    def pass_nothing_to(hosts: Iterable[str], phase: str) -> None:
        progress.drain(hosts)
        there = fleet.subset([name for name in names if name not in fleet.lost])
        there.apply(webservers.INSTALL, releases(), phase)

    def take_in() -> None:
        pass_nothing_to([name for name in before if name not in batch.names], f"take in {told}")

    pass_nothing_to(dict.fromkeys([*before, *batch.names]), f"take out {told}")
    if not fleet.dry:
        time.sleep(GRACE)
    try:
        yield
    except Exception:
        if not stays_out:
            with suppress(HawserError):
                take_in()
        raise
    take_in()
