"""Databases, brokers and their backups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Resource


@dataclass(frozen=True, eq=False)
class PostgresRole(Resource):
    """A PostgreSQL role that may log in with this password (checked by logging in).

    :param former: what becomes of another password that it has. It holds one alone, so nothing: it is replaced, and
        kept aside for a way back; ``keep``: it stays, with a warning; ``back``: it comes back, if one was replaced.
    """

    kind: ClassVar[str] = "postgres_role"
    name: str
    password: str
    former: str = ""


@dataclass(frozen=True, eq=False)
class PostgresLogin(Resource):
    """A PostgreSQL role that logs in with this password and acts as an owner of databases (checked by logging in).

    :param name: empty: the owner logs in itself.
    :param alone: nobody else logs in for the owner: neither itself, with a password, nor roles like this one.
    """

    kind: ClassVar[str] = "postgres_login"
    name: str
    owner: str
    password: str
    alone: bool = False

    @property
    def label(self) -> str:
        return f"login of {self.owner}"


@dataclass(frozen=True, eq=False)
class PostgresDatabase(Resource):
    """A PostgreSQL database (UTF-8) with an owner and extensions."""

    kind: ClassVar[str] = "postgres_database"
    name: str
    owner: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MariadbDatabase(Resource):
    """A database of MariaDB with the character set of its new tables."""

    kind: ClassVar[str] = "mariadb_database"
    name: str
    charset: str


@dataclass(frozen=True, eq=False)
class MariadbRole(Resource):
    """A role of MariaDB with a password (checked by logging in) and all rights on some databases.

    :param hosts: the addresses from which it may connect, beside ``localhost``; accounts of it for others go.
    :param beside: the password that it has goes on being good beside this one.
    """

    kind: ClassVar[str] = "mariadb_role"
    name: str
    password: str
    databases: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    beside: bool = False


@dataclass(frozen=True, eq=False)
class RabbitAccess(Resource):
    """A RabbitMQ user with a password and all rights on one vhost (checked by logging in over AMQP).

    :param former: ``keep``: another password that it has stays, with a warning.
    """

    kind: ClassVar[str] = "rabbit_access"
    user: str
    password: str
    vhost: str
    former: str = ""


@dataclass(frozen=True, eq=False)
class RabbitLogins(Resource):
    """No other users of RabbitMQ log in for this one than the named one.

    :param keep: the user itself, or one that was made for a password.
    """

    kind: ClassVar[str] = "rabbit_logins"
    user: str
    keep: str

    @property
    def label(self) -> str:
        return f"logins of {self.user}"


@dataclass(frozen=True, eq=False)
class Backup(Resource):
    """A new backup of a database, proven readable; old ones go.

    :param engine: ``postgresql``, ``mariadb`` or ``sqlite``.
    :param owner: the role, or for SQLite the Unix user, that the database belongs to.
    :param path: the file of SQLite.
    :param keep: how many backups of this database stay, and
    :param days: how old they may become; the youngest always stays.
    :param entry: who makes it, and what serves, for the record beside it.
    :param may_lack: a file of SQLite that is not there yet needs no backup.
    :param why: what it is made for, for the record beside it.
    """

    kind: ClassVar[str] = "backup"
    momentary: ClassVar[bool] = True
    database: str
    engine: str
    owner: str
    folder: str
    keep: int
    days: int
    path: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)
    may_lack: bool = False
    why: str = ""


@dataclass(frozen=True, eq=False)
class Drill(Resource):
    """The newest backup that has left the host, brought back somewhere else, and asked.

    :param job: the file with the job of the timer.
    :param folder: where there is room for it.
    :param max_age: hours.
    :param questions: each with ``database``, ``query`` and ``answer``, a regular expression for all that is answered.
    """

    kind: ClassVar[str] = "drill"
    job: str
    folder: str
    max_age: int
    questions: tuple[Mapping[str, str], ...] = ()

    @property
    def label(self) -> str:
        """The name of the resource in the report."""
        return "drill of the backups"


@dataclass(frozen=True, eq=False)
class Restore(Resource):
    """A database brought back from a backup, after a backup of its present state.

    The one that was there is kept beside it where the server can. A restore that was broken off is finished or undone
    first; when that finishes this very one, it is done.

    :param name: the backup's file name.
    """

    kind: ClassVar[str] = "restore"
    momentary: ClassVar[bool] = True
    database: str
    name: str
    engine: str
    owner: str
    folder: str
    path: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class NoOpenRestore(Resource):
    """A database without a half-done restore: an interrupted one is finished or undone.

    The fields are those of `Backup`.
    """

    kind: ClassVar[str] = "restore_settled"
    momentary: ClassVar[bool] = True
    database: str
    engine: str
    owner: str
    folder: str
    path: str = ""

    @property
    def label(self) -> str:
        return f"no restore of {self.database} left half done"


@dataclass(frozen=True, eq=False)
class DatabaseGone(Resource):
    """No such database, after a last backup of it that was proven readable; nor its role, unless others need it.

    The fields are those of `Backup`.
    """

    kind: ClassVar[str] = "database_gone"
    momentary: ClassVar[bool] = True
    database: str
    engine: str
    owner: str
    folder: str
    keep: int
    days: int
    path: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"no database {self.database}"


@dataclass(frozen=True, eq=False)
class RabbitGone(Resource):
    """No such vhost of RabbitMQ, nor its user, unless that one has rights on others."""

    kind: ClassVar[str] = "rabbit_gone"
    momentary: ClassVar[bool] = True
    user: str
    vhost: str

    @property
    def label(self) -> str:
        return f"no vhost {self.vhost} of {self.user}"
