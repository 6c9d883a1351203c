"""The databases of an application on one host, as backups and questions see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..resources import DatabaseGone
from .host import Host


@dataclass(frozen=True)
class Database:
    """A database of the application.

    :param name: its name; for SQLite see `inventory.backup.Backup.name_of`.
    :param engine: ``postgresql``, ``mariadb`` or ``sqlite``.
    :param owner: the role, or the Unix user, that it belongs to.
    :param path: the file of SQLite, else empty.
    """

    name: str
    engine: str
    owner: str
    path: str = ""


def databases_of(host: Host) -> list[Database]:
    """Return the databases that lie on a host."""
    found = []
    for engine, server in host.environment.services.databases.items():
        if host.is_in(server.groups):
            found += [Database(name, engine, each.owner) for name, each in server.databases.items()]
    if host.runs_code:
        for path in host.environment.backup.sqlite:
            name = host.environment.backup.name_of(path)
            found.append(Database(name, "sqlite", host.app.user, f"{host.root}/{path}"))
    return found


def folder_of(host: Host) -> str:
    """Return the folder of a host's backups."""
    return host.environment.backup.folder or f"/var/backups/hawser/{host.app.name}"


def databases_gone(host: Host, engine: str) -> Iterator[DatabaseGone]:
    """Yield that the application's databases of one kind are no more on a host, after a last backup."""
    setting = host.environment.backup
    for each in databases_of(host):
        if each.engine == engine:
            entry = {**host.entry, "release": host.facts.current}
            place = (folder_of(host), setting.keep, setting.days, each.path)
            yield DatabaseGone(each.name, each.engine, each.owner, *place, entry)


def broken_off(host: Host) -> Iterator[str]:
    """Yield, in words, the restores that a host says were not completed."""
    for each in host.facts.restores:
        if isinstance(each, Mapping):
            by = each.get("by")
            begun = (
                f"{by.get('who')} on {by.get('from')} at {by.get('started')}" if isinstance(by, Mapping) else "nobody"
            )
            what = f"the restore of {each.get('database')} from {each.get('backup', 'a backup that is not known')}"
            yield f"{what}, begun by {begun}, is not complete"
