"""What a host watches by itself, and whom it tells: the files of its timer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from ..inventory.tables.notify import Notify
from ..inventory.values.schedule import NICKNAMES
from .certificates import shown_certificates
from .host import Host
from .offsite import leaves

# What the longest time between two runs is looked for in: from a day on that is always the same, or a job would differ
# from day to day.
FROM, DURING, MOST = datetime(2024, 1, 1), timedelta(days=370), 5000


@dataclass(frozen=True)
class Place:
    """Where the files lie that have a host watch itself for an application."""

    application: str
    folder: str

    @classmethod
    def of(cls, host: Host) -> Place:
        return cls(host.app.name, f"{host.state}/watch")

    @property
    def unit(self) -> str:
        return f"hawser-watch-{self.application}"

    @property
    def service(self) -> str:
        return f"/etc/systemd/system/{self.unit}.service"

    @property
    def timer(self) -> str:
        return f"/etc/systemd/system/{self.unit}.timer"

    @property
    def job(self) -> str:
        return f"{self.folder}/job.json"

    @property
    def program(self) -> str:
        """The runner, as a file that Python runs."""
        return f"{self.folder}/runner.pyz"

    @property
    def addresses(self) -> str:
        """Who is told, as apprise reads it: an address a line."""
        return f"{self.folder}/addresses"


def watches(host: Host) -> Notify | None:
    """Return the setting for a host that watches itself."""
    setting = host.environment.notify
    return setting if setting is not None and setting.watch else None


def addresses(host: Host, setting: Notify) -> list[str]:
    """Return where people are reached; whoever knows one of them may write to them."""
    return [host.text(url, f"notify.urls[{number}]") for number, url in enumerate(setting.urls)]


def job(host: Host, setting: Notify) -> str:
    """Return what the service is told, as JSON; see `hawser.runner.specs.watching.Job`."""
    place, backup, urls = Place.of(host), host.environment.backup.offsite, addresses(host, setting)
    content = {
        "application": host.app.name,
        "title": f"{host.environment.name}/{host.name}",
        "state": host.state,
        "cron": {name: longest_gap(entry.schedule) for name, entry in sorted(host.cron_entries().items())},
        "cron_file": f"/etc/cron.d/{host.app.name}",
        "cron_folder": f"{host.root}/cron",
        "certificates": shown_certificates(host),
        "backup_hours": backup.max_age if backup is not None and leaves(host) else 0,
        "addresses": place.addresses,
        "tells": bool(urls),
        "textfile": f"{setting.textfiles}/hawser-{host.app.name}.prom" if setting.textfiles else "",
        # No other secret has to be there.
        "masks": sorted({value for value in host.secrets.values.values() if any(value in url for url in urls)}),
    }
    return json.dumps(content, indent=1) + "\n"


@lru_cache
def longest_gap(schedule: str) -> int:
    """Return the longest time between two runs of an entry of cron, in seconds; 0 where it runs at boot, or never."""
    from cronsim import CronSim, CronSimError  # needed for nothing else

    if schedule == "@reboot":
        return 0
    try:
        runs = CronSim(NICKNAMES.get(schedule, schedule), FROM)
        before, longest = next(runs), timedelta()
        for run in islice(runs, MOST):
            longest, before = max(longest, run - before), run
            if run - FROM > DURING:
                break
    except (CronSimError, StopIteration):
        # Of a day that no year has.
        return 0
    return int(longest.total_seconds())
