"""Updates of the hosts' own packages, and reboots: in the batches of a deploy, with its drain and its health gate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from hawser.answers import reading
from hawser.answers.rows import Upgrades
from hawser.errors import HawserError, StepFailed
from hawser.fleet import kept, references
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.journal import UPGRADE, Record
from hawser.host.release import Release
from hawser.resources import PackageLists, Rebooted, Resources, Upgraded
from hawser.runner.rows import some
from hawser.steps import fleet_task, step

from . import deploy, status
from .rollout import drain

# Seconds that lists of packages may be old, when something is installed.
FRESH = 600
# Seconds until a host that was booted must answer again, and until all that it runs must be well.
BOOT, WELL = 600.0, 120.0
# Seconds between two looks at a host that boots.
GLANCE = 0.5
# Names that a message gives of many.
NAMED = 8


@step()
def lists(host: Host) -> Resources:
    """Fetch what the package servers have, unless that was done a moment ago."""
    yield PackageLists(FRESH)


@step()
def packages(host: Host, everything: bool = False) -> Resources:
    """Install newer versions of what is installed.

    :param everything: not security updates alone.
    """
    yield Upgraded(everything)


@step()
def boot(host: Host, former: str = "") -> Resources:
    """Boot a host.

    :param former: what tells the boot that shall end from all others.
    """
    yield Rebooted(former)


@fleet_task(
    admin=True,
    rolls_out=True,
    help={
        "everything": "install all newer versions that the host's Debian has, not security updates alone",
        "reboot": "boot hosts afterwards where a new kernel or another package asks for it",
    },
)
def upgrade(fleet: Fleet, everything: bool = False, reboot: bool = False) -> None:
    """Install security updates, batch by batch: drained, with processes started anew, and healthy before the next one.

    What serves goes on serving; nothing of the application changes.
    """
    there = fleet.required_hosts()
    there.lock()
    kept.ready(there)
    there.apply([lists], phase="package lists")
    found = there.ask_all(reading.UPGRADES, {})
    outdated = there.ask_all(reading.OUTDATED, {})
    waiting = {name: names for name, each in found.items() if (names := wanted(each, everything))}
    old = [name for name in there.names if runs_old_code(there, name, outdated[name])]
    tell_age(there, found)
    todo = [name for name in there.names if name in waiting or name in old]
    if todo:
        install(there.subset(todo), everything)
    due = {name: why for name, each in there.ask_all(reading.UPGRADES, {}).items() if (why := each["reboot"])}
    if due and reboot:
        boot_in_turn(there.subset([*due]))
    elif due:
        told = "\n".join(f"  {name}: {why}" for name, why in due.items())
        next_move = f"next: fab -H {fleet.environment.target(*due)} upgrade --reboot"
        fleet.report.note("", f"these hosts want to be booted:\n{told}\n  {next_move}", "warning")
    elif not todo:
        fleet.report.note("", f"{', '.join(there.names)}: nothing waits; nothing to do")
    if not fleet.dry:
        tell_outdated(there)


def wanted(found: Upgrades, everything: bool) -> list[str]:
    """Return the packages of a host that are to get another version."""
    return [each["name"] for each in found["packages"] if each["security"] or everything]


def runs_old_code(fleet: Fleet, name: str, outdated: Sequence[str]) -> bool:
    """Tell whether a process of the application runs code that an update has replaced before."""
    return any(f"{row['unit']}.service" in outdated for row in fleet.facts(name).processes if row["live"])


def tell_age(fleet: Fleet, found: Mapping[str, Upgrades]) -> None:
    """Say, in a dry run, where nobody has asked the package servers for long."""
    for name, each in found.items() if fleet.dry else ():
        seconds = int(fleet.facts(name).clock) - each["lists"]
        if not each["lists"]:
            fleet.report.note(name, "has no lists of packages yet; what there is, shows when they are fetched")
        elif seconds > FRESH:
            fleet.report.note(name, f"this is what its lists said {status.span(seconds)} ago")


def install(fleet: Fleet, everything: bool) -> None:
    """Install what waits: by a rollout of what serves, and one host after the other where nothing does."""
    update = packages.given(everything=everything)
    rolled = [name for name in fleet.names if fleet.host(name).runs_code and fleet.facts(name).current]
    release = serving(fleet.subset(rolled)) if rolled else None
    # First those that others depend on, such as hosts of databases.
    for name in sorted(set(fleet.names) - set(rolled), key=fleet.environment.host_rank):
        fleet.subset([name]).apply([update], phase=f"upgrade {name}")
    if release is not None:
        hosts = fleet.subset(rolled)
        record = Record(release.id, release.commit, UPGRADE, migrations=False, anew=hosts.names)
        deploy.roll_out(hosts, release, record, hosts.names, again=True, before=[update])
        fleet.session.progress.end_anew()


def serving(fleet: Fleet) -> Release:
    """Return the release that serves on some hosts, as it goes out once more.

    :raises HawserError: there are several, it is not known, or it would bring other secrets than those that serve.
    """
    found, lost, _strange = references.serving(fleet)
    target = fleet.environment.name
    unknown = [f"  {name}: {lost.get(name, 'is not known')}" for name in fleet.names if name not in found]
    if unknown:
        told = "\n".join(unknown)
        raise HawserError(f"what serves there cannot be started anew, so nothing was touched:\n{told}")
    if changed := [name for name, each in found.items() if each.secrets]:
        raise HawserError(
            f"secrets have changed since {', '.join(changed)} got theirs, and processes that start anew would have "
            "the new ones; nothing was touched",
            next=f"fab -H {target} deploy, then the same command again",
        )
    references.only_release({name: each.release.id for name, each in found.items()}, UPGRADE)
    return deploy.with_todays_secrets(fleet, next(iter(found.values())).release)


def boot_in_turn(fleet: Fleet) -> None:
    """Boot hosts one after the other, each out of the web servers in front of it meanwhile.

    :raises StepFailed: one does not come back, or is not well; those behind it are left alone.
    """
    names = sorted(fleet.names, key=fleet.environment.host_rank)
    for number, name in enumerate(names, 1):
        host, place = fleet.subset([name]), f"{number}/{len(names)}"
        fronts = [each for each in drain.fronts(fleet, host) if each != name]
        serve = partial(kept.serving_releases, fleet.subset(fronts))
        with drain.drained(fleet, host, fronts, serve, stays_out=True):
            boot_host(host, f"boot {place}")


def boot_host(fleet: Fleet, phase: str) -> None:
    """Boot one host, and wait until it is well.

    :raises StepFailed: it does not come back, or something on it does not.
    """
    (name,) = fleet.names
    before = fleet.ask(name, reading.BOOT, {})
    fleet.apply([boot.given(former=before)], phase=phase)
    if fleet.dry:
        return
    target, connections = fleet.environment.target(name), fleet.connections
    if not connections.come_back(name, BOOT, GLANCE, lambda: fleet.ask(name, reading.BOOT, {}) != before):
        raise StepFailed(
            f"does not answer {BOOT:.0f} s after it was told to boot", host=name, next=f"fab -H {target} status"
        )
    fleet.lock()
    deadline = time.monotonic() + WELL
    while troubles := [*status.status_of(fleet, name).troubles()]:
        if time.monotonic() > deadline:
            told = "\n".join(f"  {each}" for each in troubles)
            raise StepFailed(f"has booted, and is not well:\n{told}", host=name)
        time.sleep(GLANCE)
        connections.refresh([name])
    fleet.report.note(name, "has booted, and is well")


def tell_outdated(fleet: Fleet) -> None:
    """Warn of units that run code that has been replaced."""
    for name, units in fleet.ask_all(reading.OUTDATED, {}).items():
        if units:
            next_move = f'next: fab -H {fleet.environment.target(name)} run "systemctl restart …", or boot it'
            fleet.report.note(name, f"{some(units, NAMED)}: run code that was replaced; {next_move}", "warning")
