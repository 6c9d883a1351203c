"""From what served to what serves: until nobody asks the former any more."""

from __future__ import annotations

import time

from ..kernel.connections import Door, owes_answers, takes_connections
from ..kernel.ports import status, unit_of
from ..kernel.scopes import processes
from ..system import Change, Failure, Kind
from ..webservers import TRAITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from ..specs.processes import DrainedSpec, ReloadedSpec

# Seconds between two looks.
GLANCE = 0.02
# Seconds until workers take no requests any more: on a busy machine it takes them a while to hear of it.
TURN = 10.0


def waited(busy: Callable[[], bool], seconds: float) -> None:
    """Wait until something is no longer busy, at most for some seconds."""
    deadline = time.monotonic() + seconds
    while busy() and time.monotonic() < deadline:
        time.sleep(GLANCE)


def workers(unit: str) -> List[int]:
    """Return the processes of a unit of systemd that others of it have started."""
    mine = {pid for pid in processes() if unit_of(pid) == unit + ".service"}
    return [pid for pid in mine if status(pid)[1] in mine]


class Reloaded(Kind):
    """See `hawser.resources.Reloaded`."""

    spec: ReloadedSpec

    def check(self) -> Optional[Change]:
        return Change("reloads it") if self.due else None

    def apply(self, change: Change) -> None:
        unit = TRAITS[self.spec["server"]].unit
        former = workers(unit)
        result = self.system.run(["systemctl", "reload-or-restart", unit], check=False)
        if result.code:
            raise Failure("systemctl reload-or-restart %s failed" % unit, result.output)
        # `systemctl` returns when its master has been told.
        waited(lambda: any(map(takes_connections, former)), TURN)


class Drained(Kind):
    """See `hawser.resources.Drained`."""

    spec: DrainedSpec

    def check(self) -> Optional[Change]:
        served = [address for address in self.spec["addresses"] if Door(address).listens]
        return Change("waits until nobody is connected to " + ", ".join(served)) if served else None

    def apply(self, change: Change) -> None:
        doors, server = [Door(address) for address in self.spec["addresses"]], self.spec["server"]
        if server:
            # They ask there still, when their clients come to say what they want.
            former = [pid for pid in workers(TRAITS[server].unit) if not takes_connections(pid)]
            waited(lambda: any(map(owes_answers, former)), TURN)
        deadline = time.monotonic() + self.spec["seconds"]
        quiet = 0
        # Twice: between two connections there is a moment without any.
        while quiet < 2 and time.monotonic() < deadline:
            quiet = 0 if any(door.connected for door in doors) else quiet + 1
            time.sleep(GLANCE)
