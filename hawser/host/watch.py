"""What a host watches by itself, and whom it tells: the files of its timer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from ..inventory.tables.notify import Notify
from ..inventory.values.schedule import NICKNAMES
from . import timers
from .certificates import shown_certificates
from .host import Host
from .offsite import leaves

# What the longest time between two runs is looked for in: from a day on that is always the same, or a job would differ
# from day to day.
FROM, DURING, MOST = datetime(2024, 1, 1), timedelta(days=370), 5000


class Place(timers.Place):
    """Where the files lie that have a host watch itself."""

    kind, within = "watch", "watch"

    @property
    def addresses(self) -> str:
        """Who is told, as apprise reads it: an address a line."""
        return f"{self.folder}/addresses"


def addresses(host: Host, setting: Notify) -> list[str]:
    """Return where people are reached; whoever knows one of them may write to them."""
    return [host.text(url, f"notify.urls[{number}]") for number, url in enumerate(setting.urls)]


def job(host: Host, setting: Notify, urls: Sequence[str]) -> str:
    """Return what the service is told, as JSON; see `hawser.runner.specs.watching.Job`.

    :param urls: where people are reached.
    """
    place, backup = Place.of(host), host.environment.backup.offsite
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
