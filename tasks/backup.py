"""Backups that leave the host."""

from __future__ import annotations

import time

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.databases import folder_of
from hawser.host.offsite import Place, job, leaves
from hawser.report.text import hearsay
from hawser.resources import (
    Command,
    Directory,
    Drill,
    File,
    Packages,
    Resources,
)
from hawser.steps import fleet_task, removal, step

from .status import span
from .timers import gone, timed


@step()
def install(host: Host) -> Resources:
    """Have a timer of the host make backups that leave it; without the setting, take it away."""
    place, setting = Place.of(host), leaves(host)
    if setting is None:
        yield from gone(place)
        return
    yield Packages(("restic", *(("openssh-client",) if setting.host_key else ())))
    yield Directory(place.folder, mode=0o700)
    if setting.host_key:
        make = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", place.unit, "-f", place.key)
        yield Command(make, creates=place.key, title="a key for the server of the backups")
        yield File(place.known_hosts, f"* {setting.host_key}\n", mode=0o600)
    yield from timed(host, place, job(host, setting), setting)


@removal()
def remove(host: Host) -> Resources:
    """Make no more backups; those that have left the host stay where they are."""
    yield from gone(Place.of(host))


# Without the lock, which the service itself takes.
SCRIPT = """
systemctl start "$1" 2>/dev/null && exit
journalctl --no-pager -o cat -n 20 _SYSTEMD_INVOCATION_ID="$(systemctl show -P InvocationID "$1")"
exit 1
"""


@fleet_task(admin=True)
def run(fleet: Fleet) -> None:
    """Have backups leave the hosts now, as their timers do."""
    there = leaving(fleet)
    services = {name: f"{Place.of(there.host(name)).unit}.service" for name in there.names}
    there.stream({name: {"argv": ["sh", "-c", SCRIPT, "sh", unit]} for name, unit in services.items()}, "the backup")
    if not fleet.dry:
        listing(there)


@fleet_task(name="list")
def listing(fleet: Fleet) -> None:
    """Show the backups that have left the hosts, the youngest first, and how the last attempt has ended."""
    there = leaving(fleet)
    rows = []
    for name, found in there.ask_all(reading.SNAPSHOTS, {"job": Place.of(there.host(there.names[0])).job}).items():
        for each in found:
            age = span(max(0, int(time.time() - each["time"])))
            rows.append([name, each["name"], age, ", ".join(each["paths"])])
    for name, outcome in there.ask_all(reading.OFFSITE, {}).items():
        if outcome["failed"]:
            ago = span(max(0, int(time.time() - outcome["failed_at"])))
            fleet.report.note(name, f"the last backup failed {ago} ago: {outcome['failed']}", "warning")
    none = f"none has left a host yet; next: fab -H {fleet.environment.name} backup.run"
    fleet.report.table("backups", ["host", "snapshot", "age", "of"], rows, empty=none)


@step()
def proven(host: Host) -> Resources:
    """Bring the newest backup that has left the host back, somewhere else, and ask it what the settings say."""
    setting = leaves(host)
    if setting is not None:
        questions = tuple(each.model_dump() for each in setting.drill)
        yield Drill(Place.of(host).job, folder_of(host), setting.max_age, questions)


@fleet_task(admin=True)
def drill(fleet: Fleet) -> None:
    """Prove the backups that have left the hosts: bring the newest of each back, somewhere else, and ask it.

    It fails where one is missing, too old, damaged, empty or another application's. Nothing that is there is touched.
    """
    leaving(fleet).apply([proven], phase="drill")


@fleet_task()
def key(fleet: Fleet) -> None:
    """Show the public keys with which hosts log in at the server of their backups."""
    there = leaving(fleet)
    setting = fleet.environment.backup.offsite
    if setting is None or setting.host_key is None:
        raise HawserError("backups leave these hosts without SFTP, so nobody logs in with a key", code=2)
    there.connect()
    for name in there.names:
        text = fleet.connections.text_at(name, f"{Place.of(there.host(name)).key}.pub")
        if text is None:
            raise HawserError("there is no key yet;", host=name, next=f"fab -H {fleet.environment.name} bootstrap")
        fleet.report.output(name, hearsay(text.strip()))


def leaving(fleet: Fleet) -> Fleet:
    """Return the hosts that backups leave.

    :raises HawserError: there are none.
    """
    names = [name for name in fleet.names if leaves(fleet.host(name))]
    if not names:
        told = "backup.offsite is not set" if fleet.environment.backup.offsite is None else "nothing of theirs is kept"
        raise HawserError(f"no backup leaves {', '.join(fleet.names)}: {told}", code=2)
    return fleet.subset(names)
