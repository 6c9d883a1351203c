"""Backends on TCP ports, taken out of the web servers in front of them while they restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from hawser.errors import HawserError
from hawser.fleet import Fleet
from hawser.release import Release

from . import apache, nginx

# Seconds for the requests that were passed on just before.
GRACE = 1.0


def fronts(fleet: Fleet, batch: Fleet) -> list[str]:
    """Return the hosts whose web server passes requests on to these hosts and to others, which can take them."""
    site, environment = fleet.environment.site, fleet.environment
    found = []
    for name in environment.hosts_of(site.groups) if site else ():
        if name not in fleet.session.facts or name in fleet.session.lost or not fleet.facts(name).current:
            continue
        for each in dict.fromkeys(site.proxy.values() if site else ()):
            process = environment.processes[each]
            backends = set(environment.hosts_running(process))
            remote = not process.socket and name not in backends
            if remote and backends & set(batch.names) and backends - set(batch.names):
                found.append(name)
                break
    return found


@contextmanager
def drained(
    fleet: Fleet,
    batch: Fleet,
    names: Sequence[str],
    releases: Mapping[str, Release],
    later: list[Callable[[], None]] | None = None,
) -> Iterator[None]:
    """Have the web servers in front of some backends pass them nothing meanwhile.

    :param names: the web servers' hosts (see `fronts`), and
    :param releases: what serves there.
    :param later: takes what is to be done when something inside fails and the backends have been put back; without it,
        that is done at once.
    """
    if not names:
        yield
        return
    front, session = fleet.some(names), fleet.session
    told = ", ".join(batch.names)

    def take_in() -> None:
        front.some([name for name in names if name not in session.lost]).apply(
            [nginx.install, apache.install], releases, f"take in {told}"
        )

    asked, session.asked = session.asked, {**session.asked, "drained": ",".join(batch.names)}
    try:
        front.apply([nginx.install, apache.install], releases, f"take out {told}")
        if not fleet.dry:
            time.sleep(GRACE)
        yield
    except Exception:
        session.asked = asked
        if later is None:
            with suppress(HawserError):
                take_in()
        else:
            later.append(take_in)
        raise
    finally:
        session.asked = asked
    take_in()
