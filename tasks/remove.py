"""Take an application away from its hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hawser.answers.messages import EventRow
from hawser.errors import HawserError
from hawser.fleet import access
from hawser.fleet.fleet import Fleet
from hawser.host.databases import databases_of, folder_of
from hawser.session.generated import load_incomplete
from hawser.steps import Step, fleet_task

from . import (
    acme,
    backup,
    bootstrap,
    certs,
    checkouts,
    config,
    cron,
    db,
    firewall,
    helper,
    notify,
    release,
    shares,
    sshd,
    team,
    updates,
    volumes,
    webservers,
)
from .services import SERVICES

# In this order, and within a stage too. Between stages all hosts wait for each other: nowhere is a database dropped
# that a process on another host still uses.
REMOVE: Mapping[str, Sequence[Step]] = {
    # What runs, and what sends visitors and cron there.
    "processes": [*webservers.REMOVE, cron.remove, backup.remove, notify.remove, release.remove],
    # Each database after a last backup.
    "services": [firewall.remove, *(each.remove for each in SERVICES.values() if each.remove), db.remove],
    # What databases and their backups may lie on.
    "storage": [shares.remove, volumes.remove],
    # What else lies outside of the application's folder.
    "files": [
        acme.remove,
        certs.remove,
        checkouts.remove,
        config.remove,
        updates.remove,
        helper.remove,
        sshd.remove,
        team.remove,
    ],
    # That folder, its users, and the runner's records.
    "host": [bootstrap.remove],
}


@fleet_task(admin=True, help={"yes": "go on without being asked for the environment's name"})
def remove(fleet: Fleet, yes: bool = False) -> None:
    """Take the application away from these hosts, databases too, after a last backup; backups stay.

    It says what goes, and asks for the environment's name.
    """
    load_incomplete(fleet.session)
    fleet.connect()
    access.require_way_back(fleet, members={})
    if not fleet.dry:
        fleet = fleet.subset(losses(fleet))
        if not fleet.names:
            return
        name = fleet.environment.name
        if not yes and confirmation(fleet) != name:
            raise HawserError(f"that is not {name}; nothing was touched")
    for stage, steps in REMOVE.items():
        fleet.apply(steps, phase=f"remove {stage}")
    kept = sorted(
        {f"{folder_of(fleet.host(name))} on {name}" for name in fleet.names if databases_of(fleet.host(name))}
    )
    own = f"{fleet.session.secrets.sources.name} here"
    fleet.report.note("", f"{', '.join([*kept, *shared(fleet), own])} and the packages of the system stay")


def shared(fleet: Fleet) -> list[str]:
    """Return the servers in which nothing is of one application alone: others of the host may use them."""
    servers = [(name, each) for name, each in fleet.environment.services.installed.items() if not SERVICES[name].remove]
    hosts = [fleet.host(name) for name in fleet.names]
    return [
        f"{name} with its settings{' and password' if any(access.password for access in setting.access()) else ''} on "
        f"{host.name}"
        for name, setting in servers
        for host in hosts
        if host.is_in(setting.groups)
    ]


def losses(fleet: Fleet) -> list[str]:
    """Report, by host, the things that will go; return the hosts that have some."""

    def loss(event: EventRow) -> str:
        note, label = event.get("note", ""), event["label"]
        if event["status"] == "would_change":
            return label.removeprefix("absent ").removeprefix("no ") if note in ("", "removed") else note
        return f"{label}: {event.get('error')}" if event["status"] == "failed" else ""

    found = fleet.foresee([each for steps in REMOVE.values() for each in steps], None, loss)
    for name, lines in found.items():
        if lines:
            fleet.report.note(name, "\n".join(["will go:", *lines]), "warning")
        else:
            fleet.report.note(name, "nothing of it is there")
    return [name for name, lines in found.items() if lines]


def confirmation(fleet: Fleet) -> str:
    """Ask for the environment's name."""
    fleet.report.pause()
    where = ", ".join(fleet.names)
    try:
        return input(f"All this goes from {where}. Type the environment's name to go on: ").strip()
    except EOFError:
        raise HawserError("nobody is there to confirm it;", next="the same command with --yes") from None
