"""Commands that run once in the life of an environment: the first administrator, the first data."""

from __future__ import annotations

from collections.abc import Iterable

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import current_releases, note_once, nothing_deployed
from hawser.host import Host
from hawser.host.release import Release
from hawser.host.variables import instance_variables
from hawser.inventory import Environment
from hawser.resources import Once, Resources
from hawser.steps import fleet_task, step

NAME = {"name": "the command's name, as in [once.NAME]"}


@step()
def run(host: Host, before: str = "") -> Resources:
    """Run on the leader what has never run in this environment; only what belongs before a phase where one is named."""
    if host.is_leader and host.release is not None:
        for name in due(host.environment, before):
            yield noted(host, name) if name in host.facts.once else command(host, name)


@step()
def remember(host: Host) -> Resources:
    """Keep on every other host that has the code which commands have run, for whoever becomes the leader."""
    if host.runs_code and not host.is_leader:
        for name in host.environment.once:
            if name in host.facts.once:
                yield noted(host, name)


@step()
def again(host: Host, name: str = "") -> Resources:
    """Run a command on the leader, whether it has run before or not; all of them where none is named."""
    if host.is_leader and host.release is not None:
        for each in chosen(host, name):
            yield command(host, each, again=True)


@step()
def note(host: Host, name: str = "") -> Resources:
    """Note that a command has been done, without running it; all of them where none is named."""
    if host.runs_code:
        for each in chosen(host, name):
            yield noted(host, each)


def due(environment: Environment, before: str) -> list[str]:
    """Return the commands that belong before a phase; all of them where none is named."""
    return [name for name, entry in environment.once.items() if before in ("", entry.before)]


def chosen(host: Host, name: str) -> Iterable[str]:
    """Return the command that is named; all of them where none is."""
    return [name] if name else host.environment.once


def command(host: Host, name: str, again: bool = False) -> Once:
    """Return a command in the code of the release, with its own variables over those of the release."""
    entry, key = host.environment.once[name], f"once.{name}"
    line = host.command_text(entry.command, f"{key}.command")
    unless = host.command_text(entry.unless, f"{key}.unless") if entry.unless else ""
    own = {each: host.text(value, f"{key}.environment.{each}") for each, value in entry.environment.items()}
    return Once(
        name,
        argv=("sh", "-c", line),
        unless=("sh", "-c", unless) if unless else (),
        user=host.app.user,
        cwd=host.code,
        env_file=f"{host.release_path}/environment",
        env={**instance_variables(host, entry.instance), **own},
        title=line,
        again=again,
        hint=f"  next: correct it and deploy again; or, if it has been done: fab -H {host.environment.name} "
        f"once.done {name}",
        entry=record_entry(host),
    )


def noted(host: Host, name: str) -> Once:
    """Return the mere note that a command has run."""
    return Once(name, entry=record_entry(host))


def record_entry(host: Host) -> dict[str, str]:
    """Return the fields of the record beside the time."""
    return {**host.entry, "release": host.release.id if host.release else host.facts.current}


def first_time(fleet: Fleet, wanted: Release, before: str = "") -> None:
    """Run on the leader what has never run in this environment; other hosts may know better than a new leader.

    :param before: only what belongs before this phase.
    """
    hosts, leader = fleet.with_leader(), fleet.leader()
    known = {each for name in hosts.names for each in fleet.facts(name).once}
    here = fleet.facts(leader.names[0]).once
    names = due(wanted.environment, before)
    if set(names) <= set(here):
        return
    note_once(leader, known)
    leader.apply([run.given(before=before)], wanted, phase=f"once, before {before}" if before else "once")
    note_once(hosts, {*known, *names})


def hosts_for(fleet: Fleet, name: str) -> Fleet:
    """Return all hosts with the code, for a command that is known.

    :raises HawserError: there is no such command.
    """
    known = fleet.environment.once
    if name not in known:
        raise HawserError(f"there is no [once.{name}]; known: {', '.join(known) or 'none'}", code=2)
    return fleet.everyone().with_code()


@fleet_task(name="run", positional=["name"], help=NAME)
def run_now(fleet: Fleet, name: str) -> None:
    """Run one of the commands in the release that serves, whether it has run before or not."""
    hosts = hosts_for(fleet, name)
    leader = fleet.leader()
    leader.connect()
    if not leader.facts(leader.names[0]).current:
        raise nothing_deployed(leader, leader.names[0])
    leader.apply([again.given(name=name)], current_releases(leader), phase="once")
    hosts.apply([note.given(name=name)], phase="remember")


@fleet_task(positional=["name"], help=NAME)
def done(fleet: Fleet, name: str) -> None:
    """Note that one of the commands has been done by hand, so that no deploy runs it, be it the first one."""
    hosts_for(fleet, name).apply([note.given(name=name)], phase="remember")


@fleet_task(name="list")
def listing(fleet: Fleet) -> None:
    """Show the commands that run once, and when each did."""
    found = fleet.everyone().with_code().ask_all(reading.RUN_ONCE, {})
    answers = [found[name] for name in sorted(found, key=lambda name: name != fleet.environment.leader)]
    rows = []
    for name, entry in fleet.environment.once.items():
        record = next((answer[name] for answer in answers if name in answer), None)
        state = "not yet" if record is None else "ran" if record.get("ran") else "noted as done"
        rows.append(
            [name, entry.command, state, *(str((record or {}).get(key, "")) for key in ("at", "who", "release"))]
        )
    none = f"{fleet.environment.path.name} names no command that runs once; next: a table [once.NAME]"
    fleet.report.table("once", ["name", "command", "state", "when (UTC)", "by", "release"], rows, empty=none)
