"""The application's databases: migrations, backups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import PurePosixPath

from hawser.answers import reading
from hawser.answers.records import OpenRestore
from hawser.answers.rows import Backup as BackupRow
from hawser.errors import HawserError
from hawser.fleet import alembic
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.code import commands, derived, in_release
from hawser.host.databases import Database, broken_off, databases_gone, databases_of, folder_of
from hawser.resources import Absent, Backup, NoOpenRestore, Resources, Restore
from hawser.runner.databases.restoring import BEFORE_MIGRATION, BEFORE_RESTORE, BY_HAND
from hawser.steps import fleet_task, removal, step

from .status import span

DATABASE = {"database": "only this one; default: all"}


@step()
def migrate(host: Host, again: bool = True) -> Resources:
    """Run the migrate commands, on the leader only.

    :param again: also those whose inputs are the same as the last time.
    """
    if host.is_leader and host.release is not None:
        for record, (line, setting) in zip(records(host), commands(host, "migrate"), strict=True):
            command = in_release(host, line, words=generating(host, line))
            yield derived(host, setting, command, record, again=again) if setting.inputs else command


def records(host: Host) -> list[str]:
    """Return the files that say of what the migrate commands have run, those without inputs included."""
    return [f"{host.state}/migrated-{number}" for number, _ in enumerate(host.environment.release.migrate, 1)]


@step(bookkeeping=True)
def forget(host: Host) -> Resources:
    """Forget of what the migrate commands have run: another database may take the place of the one that they know."""
    if host.is_leader:
        for record, setting in zip(records(host), host.environment.release.migrate, strict=True):
            if setting.inputs:
                yield Absent(record)


@step()
def after_migrate(host: Host) -> Resources:
    """Run the commands that belong behind a migration, on the leader only."""
    if host.is_leader and host.release is not None:
        for number, line in enumerate(host.environment.release.after_migrate):
            yield in_release(host, host.command_text(line, f"release.after_migrate[{number}]"))


def generating(host: Host, command: str) -> tuple[str, ...]:
    """Return the program that runs a command which generates migrations, and refuses those that are not allowed.

    :returns: nothing for any other command.
    """
    known = alembic.line(command)
    if known is None or known.generator is None:
        return ()
    accepted = host.rollout is not None and (host.rollout.accepted or host.rollout.maintenance)
    allowed = "all" if accepted else host.environment.release.rolling_migrations
    release = host.release.id if host.release else ""
    part = known.generator
    folder = ("env", "-C", str(PurePosixPath(host.code, known.folder))) if known.folder else ()
    return (*folder, *alembic.PYTHON, "generate", part.location, release, allowed, part.asked, *part.words)


@fleet_task(help={**DATABASE, "why": "what it is made for, for db.list: say `scheduled` in a timer"})
def backup(fleet: Fleet, database: str = "", why: str = BY_HAND) -> None:
    """Back up the databases on their own hosts, prove that the backups can be read, and remove old ones."""
    if why == BEFORE_RESTORE or not why.isprintable() or not 0 < len(why) <= 60:
        raise HawserError(f"--why: not {BEFORE_RESTORE!r}, and one line of up to 60 characters", code=2)
    there = hosts_with(fleet, database)
    there.apply([save.given(database=database, why=why)], phase="backup")
    if not fleet.dry:
        listing(fleet, database)


@fleet_task(name="list", help=DATABASE)
def listing(fleet: Fleet, database: str = "") -> None:
    """Show the backups of the databases, the youngest first."""
    there = hosts_with(fleet, database)
    rows = [
        [
            name,
            each["database"],
            each["name"],
            span(int(time.time() - each["time"])),
            f"{each['size'] / 2**20:.1f} MiB",
            each["release"],
            each["who"],
            each["why"],
            "proven" if each["proven"] else "not proven",
        ]
        for name, found in there.ask_all(reading.BACKUPS, {"folder": folder_of(there.host(there.names[0]))}).items()
        for each in found
        if database in ("", each["database"])
    ]
    columns = ["host", "database", "backup", "age", "size", "release", "by", "why", "state"]
    none = f"no backup is kept yet; next: fab -H {fleet.environment.name} db.backup"
    fleet.report.table("backups", columns, rows, empty=none)


@fleet_task(
    admin=True,
    positional=["name"],
    help={
        "name": "a backup as db.list names it, or `latest`: the youngest that was not made for a restore",
        "database": "which database; needed where there are several",
        "destroy": "the database's name, instead of being asked for it",
    },
)
def restore(fleet: Fleet, name: str, database: str = "", destroy: str = "") -> None:
    """Bring a database back from a backup, after a backup of what is there now; asks for the database's name.

    One that was broken off is finished or undone by the same command.
    """
    there = hosts_with(fleet, database)
    found = [(each, host) for host in there.names for each in wanted(there.host(host), database)]
    if len(found) > 1:
        told = ", ".join(f"{each.name} on {host}" for each, host in found)
        raise HawserError(f"which database? {told}", next="the same command with --database, or with one host", code=2)
    ((chosen, host),) = found
    one = fleet.subset([host])
    if name == "latest":
        one.connect()
        backups = one.ask(host, reading.BACKUPS, {"folder": folder_of(one.host(host))})
        name = latest(chosen, backups, one.facts(host).restores)
        if not name:
            raise HawserError(
                f"{host}: there is no backup of {chosen.name};", next=f"fab -H {one.environment.target(host)} db.backup"
            )
    warning = f"{host}: {chosen.name} will be replaced by {name}."
    if not fleet.dry and (destroy or asked_for(fleet, warning)) != chosen.name:
        raise HawserError(f"that is not {chosen.name}; nothing was touched")
    migrate_anew(fleet)
    one.apply([bring_back.given(database=chosen.name, backup=name)], phase="restore")


def migrate_anew(fleet: Fleet) -> None:
    """Have the next deploy migrate, whatever its migrations are: a database is about to be another one."""
    if any(setting.inputs for setting in fleet.environment.release.migrate):
        fleet.leader().apply([forget], phase="migrations")


def latest(database: Database, backups: Sequence[BackupRow], open_ones: Sequence[OpenRestore]) -> str:
    """Return the backup that `latest` stands for; empty where there is none.

    While a restore is open, it is the one that is brought back: what was saved on the way to it would be wrong.

    :param backups: what the host says of them, the youngest first.
    :param open_ones: the journals of restores that were not completed.
    """
    what = (database.name, database.engine)
    at_work = [
        str(each["backup"])
        for each in open_ones
        if (each.get("database"), each.get("engine")) == what and each.get("backup")
    ]
    mine = [
        str(each["name"])
        for each in backups
        if (each["database"], each["engine"]) == what
        # An older version did not write down which file it was.
        and each["path"] in ("", database.path)
        and each["why"] != BEFORE_RESTORE
        and each["proven"]
    ]
    return next(iter([*at_work, *mine]), "")


def hosts_with(fleet: Fleet, database: str) -> Fleet:
    """Return the hosts that hold the databases in question.

    :raises HawserError: there are none.
    """
    names = [name for name in fleet.names if wanted(fleet.host(name), database)]
    if not names:
        known = sorted({each.name for name in fleet.environment.hosts for each in databases_of(fleet.host(name))})
        what = f"no database {database}" if database else "no database"
        raise HawserError(f"{what} lies on {', '.join(fleet.names)}; databases: {', '.join(known) or 'none'}", code=2)
    return fleet.subset(names)


def wanted(host: Host, database: str) -> list[Database]:
    """Return the databases of a host that a command is about."""
    return [each for each in databases_of(host) if database in ("", each.name)]


def asked_for(fleet: Fleet, warning: str) -> str:
    """Ask for a database's name, for what follows cannot be taken back easily."""
    fleet.report.pause()
    try:
        return input(f"{warning} Type the database's name to go on: ").strip()
    except EOFError:
        raise HawserError("nobody is there to confirm it;", next="the same command with --destroy DATABASE") from None


@step()
def save(host: Host, database: str = "", why: str = BEFORE_MIGRATION) -> Resources:
    """Back up the databases that lie on this host; one of them where it is named."""
    setting = host.environment.backup
    for each in wanted(host, database):
        entry = {**host.entry, "release": host.facts.current}
        # Its first migration makes it, and only where it runs.
        may_lack = bool(each.path) and not (host.is_leader and host.facts.current)
        place = (folder_of(host), setting.keep, setting.days, each.path)
        yield Backup(each.name, each.engine, each.owner, *place, entry, may_lack, why)


@step()
def bring_back(host: Host, database: str = "", backup: str = "") -> Resources:
    """Replace a database by a backup of it; nothing where none is named."""
    if backup:
        for each in wanted(host, database):
            place = (folder_of(host), each.path)
            entry = {**host.entry, "release": host.facts.current}
            yield Restore(each.name, backup, each.engine, each.owner, *place, entry)


@step()
def finish(host: Host) -> Resources:
    """Finish or undo the restores that were broken off."""
    for each in databases_of(host):
        yield NoOpenRestore(each.name, each.engine, each.owner, folder_of(host), each.path)


def finish_restores(fleet: Fleet) -> bool:
    """Finish or undo the restores that were broken off on these hosts; return whether there were any."""
    there = fleet.subset([name for name in fleet.names if databases_of(fleet.host(name))])
    if not there.names:
        return False
    there = there.required_hosts()
    questions = {name: question(there.host(name)) for name in there.names}
    found = fleet.connections.parallel(
        there.names, lambda name: fleet.ask(name, reading.BROKEN_RESTORES, questions[name])
    )
    left = [name for name, answer in found.items() if answer and not isinstance(answer, Exception)]
    if left:
        migrate_anew(fleet)
        there.subset(left).apply([finish], phase="restores")
    return bool(left)


def question(host: Host) -> dict[str, object]:
    """Return the arguments of `restores.left` for a host."""
    return {"databases": [{"database": each.name, "engine": each.engine} for each in databases_of(host)]}


@removal()
def remove(host: Host) -> Resources:
    """Back up the databases in files a last time before they go with the folder of the application."""
    yield from databases_gone(host, "sqlite")


def refuse_broken_off(fleet: Fleet) -> None:
    """Stop where a restore was broken off: a database may be closed or half there; a dry run only says so.

    :param fleet: of its hosts, those count that have been asked already.
    :raises HawserError: which, and what finishes or undoes it.
    """
    known = [name for name in fleet.names if name in fleet.connections.facts]
    told = {name: list(broken_off(fleet.host(name))) for name in known}
    lines = [f"  {name}: {each}" for name, found in told.items() for each in found]
    if lines and fleet.dry:
        fleet.report.note("", "\n".join(["a database is not as it should be:", *lines]), "warning")
    elif lines:
        target = fleet.environment.target(*(name for name, found in told.items() if found))
        next_move = f"fab -H {target} resume, which finishes or undoes it, or the same restore again"
        what = "a database is not as it should be; nothing was touched"
        raise HawserError("\n".join([what, *lines]), next=next_move)
