"""Backups of databases: taken, proven readable, kept for a while, and brought back."""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import shutil
import stat
import time

from . import mariadb_dump
from .disk import digest, remove, write_atomically
from .mariadb import Server
from .postgres import Cluster, identifier, literal
from .system import Change, Failure, Kind, account_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Mapping, Optional

    from .system import Spec, System

# Seconds for one dump or one restore.
LONGEST = 6 * 3600
MAKING = ".making-"
NAME = re.compile(r"^(.+)-(\d{8}T\d{6}Z)\.(dump|sql\.gz|sqlite3)$")

# As the user that the database belongs to: root's own would leave files behind that this user cannot open.
SQLITE_COPY = """
import sqlite3, sys
source, target = (sqlite3.connect(path, timeout=60) for path in sys.argv[1:3])
with target:
    source.backup(target)
said = target.execute("PRAGMA integrity_check").fetchone()[0]
sys.exit(0 if said == "ok" else said)
"""


@contextlib.contextmanager
def workplace(folder: str, user: str) -> Iterator[str]:
    """Yield a folder inside another one that a user may write to; what a killed run has left there goes first."""
    os.makedirs(folder, mode=0o711, exist_ok=True)
    for name in os.listdir(folder):
        if name.startswith(MAKING):
            remove(os.path.join(folder, name), recursive=True)
    place = os.path.join(folder, MAKING + os.urandom(4).hex())
    account = account_of(user)
    os.mkdir(place, 0o700)
    try:
        os.chown(place, account.pw_uid, account.pw_gid)
        yield place
    finally:
        remove(place, recursive=True)


class Engine:
    """One way to save a database.

    :param spec: database, owner, path.
    """

    suffix = ""
    user = ""

    def __init__(self, spec: Spec, system: System) -> None:
        self.spec = spec
        self.system = system

    def size(self) -> int:
        """Return about how many bytes a backup may take."""
        raise NotImplementedError

    def save(self, path: str) -> str:
        """Write a backup and prove that it can be read; return the version of what wrote it."""
        raise NotImplementedError

    def restore(self, path: str) -> str:
        """Bring a backup back; return what became of the database that was there."""
        raise NotImplementedError


class Postgresql(Engine):
    """A database of PostgreSQL, by pg_dump and pg_restore."""

    suffix = "dump"
    user = "postgres"

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.cluster = Cluster(system)
        self.programs = os.path.dirname(self.cluster.program)

    def program(self, name: str, *arguments: str) -> None:
        argv = [os.path.join(self.programs, name), *arguments]
        self.system.run(argv, user="postgres", timeout=LONGEST)

    def size(self) -> int:
        found = self.cluster.psql("SELECT pg_database_size(%s)" % literal(self.spec["database"]))
        return int(found.output.strip() or 0)

    def save(self, path: str) -> str:
        self.program("pg_dump", "-w", "-p", self.cluster.port, "-Fc", "-f", path, "-d", self.spec["database"])
        # To the last byte: a list of contents alone would not notice a damaged end.
        self.program("pg_restore", "-f", "/dev/null", path)
        return "PostgreSQL " + self.cluster.version

    def restore(self, path: str) -> str:
        name, port = self.spec["database"], self.cluster.port
        fresh = "%s_restore_%s" % (name[:40], os.urandom(3).hex())
        former = "%s_before_%s" % (name[:40], time.strftime("%Y%m%dt%H%M%S", time.gmtime()))
        sql = self.cluster.psql
        owner = identifier(self.spec["owner"])
        sql("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8'" % (identifier(fresh), owner))
        try:
            self.program("pg_restore", "-w", "-p", port, "--exit-on-error", "-d", fresh, path)
        except Failure:
            sql("DROP DATABASE %s" % identifier(fresh))
            raise
        pattern = name[:40].replace("_", r"\_") + r"\_before\_%"
        for old in sql("SELECT datname FROM pg_database WHERE datname LIKE %s" % literal(pattern)).output.split():
            sql("DROP DATABASE %s WITH (FORCE)" % identifier(old))
        # Both names change in one transaction: nobody ever finds no database.
        sql("ALTER DATABASE %s ALLOW_CONNECTIONS false" % identifier(name))
        try:
            sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s" % literal(name))
            sql(
                "BEGIN; ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s RENAME TO %s; COMMIT;"
                % (identifier(name), identifier(former), identifier(fresh), identifier(name))
            )
        except Failure:
            sql("ALTER DATABASE %s ALLOW_CONNECTIONS true" % identifier(name))
            raise
        return "the database that was there is %s now" % former


class Mariadb(Engine):
    """A database of MariaDB, by mariadb-dump."""

    suffix = "sql.gz"
    user = "root"

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.server = Server(system)

    def size(self) -> int:
        return mariadb_dump.size(self.server, self.spec["database"])

    def save(self, path: str) -> str:
        mariadb_dump.save(self.server, self.spec["database"], path, LONGEST)
        return self.server.version()

    def restore(self, path: str) -> str:
        return mariadb_dump.restore(self.server, self.spec["database"], path, LONGEST)


class Sqlite(Engine):
    """A file of SQLite, by SQLite's own online backup, also while programs use it."""

    suffix = "sqlite3"

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.user = spec["owner"]
        if not os.path.isfile(spec["path"]):
            raise Failure("there is no database %s on this host" % spec["path"])

    def copy(self, source: str, target: str) -> None:
        self.system.run(["/usr/bin/python3", "-c", SQLITE_COPY, source, target], user=self.user, timeout=LONGEST)

    def size(self) -> int:
        return os.stat(self.spec["path"]).st_size

    def save(self, path: str) -> str:
        self.copy(self.spec["path"], path)
        return "SQLite"

    def restore(self, path: str) -> str:
        # Into the very file, in one transaction: whoever has it open goes on with what was brought back.
        self.copy(path, self.spec["path"])
        return ""


ENGINES = {"postgresql": Postgresql, "mariadb": Mariadb, "sqlite": Sqlite}


class Backup(Kind):
    """See `hawser.resources.Backup`."""

    def check(self) -> Optional[Change]:
        if self.spec["may_lack"] and not os.path.exists(self.spec["path"]):
            return None
        return Change("backs up %s" % self.spec["database"])

    def apply(self, change: Change) -> None:
        spec, folder = self.spec, self.spec["folder"]
        engine = ENGINES[spec["engine"]](spec, self.system)
        os.makedirs(folder, mode=0o711, exist_ok=True)
        need, free = engine.size(), shutil.disk_usage(folder).free
        if need > free:
            sizes = (folder, free >> 20, spec["database"], need >> 20)
            raise Failure("%s has %d MiB free, and a backup of %s may need %d" % sizes)
        name = self.new_name(engine.suffix)
        with workplace(folder, engine.user) as place:
            made = os.path.join(place, name)
            version = engine.save(made)
            status = os.lstat(made)
            if not stat.S_ISREG(status.st_mode):
                raise Failure("%s is no file" % made)
            os.chown(made, 0, 0, follow_symlinks=False)
            os.chmod(made, 0o600)
            about = dict(spec["entry"], size=status.st_size, sha256=digest(made), made_by=version, proven=True)
            with open(made, "rb") as stream:
                os.fsync(stream.fileno())
            write_atomically(os.path.join(folder, name + ".json"), json.dumps(about).encode() + b"\n", 0o600)
            os.rename(made, os.path.join(folder, name))
        self.thin_out()

    def new_name(self, suffix: str) -> str:
        """Return a name that no backup has yet: one of the same second may be just what shall be brought back."""
        while True:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = "%s-%s.%s" % (self.spec["database"], moment, suffix)
            if not os.path.exists(os.path.join(self.spec["folder"], name)):
                return name
            time.sleep(0.1)

    def thin_out(self) -> None:
        """Remove what is too old or too many; the youngest always stays."""
        mine = [each for each in listing(self.system, self.spec["folder"]) if each["database"] == self.spec["database"]]
        oldest = time.time() - self.spec["days"] * 86400
        for number, each in enumerate(mine):
            if number and (number >= self.spec["keep"] or each["time"] < oldest):
                path = os.path.join(self.spec["folder"], each["name"])
                remove(path)
                remove(path + ".json")


class Restore(Kind):
    """See `hawser.resources.Restore`."""

    def check(self) -> Optional[Change]:
        spec = self.spec
        path = os.path.join(spec["folder"], spec["name"])
        if not os.path.isfile(path):
            raise Failure("there is no backup %s" % path)
        about = details(path)
        if about.get("sha256") and about["sha256"] != digest(path):
            raise Failure("%s is damaged: it is not what was written then; nothing was touched" % path)
        return Change("replaces the database %s by %s" % (spec["database"], spec["name"]))

    def apply(self, change: Change) -> None:
        spec = self.spec
        engine = ENGINES[spec["engine"]](spec, self.system)
        with workplace(spec["folder"], engine.user) as place:
            copy = os.path.join(place, spec["name"])
            shutil.copyfile(os.path.join(spec["folder"], spec["name"]), copy)
            account = account_of(engine.user)
            os.chown(copy, account.pw_uid, account.pw_gid)
            self.output = engine.restore(copy)


def details(path: str) -> Mapping[str, Any]:
    """Return what was written down beside a backup; nothing where that is lost."""
    try:
        with open(path + ".json", encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def listing(system: System, folder: str) -> List[Dict[str, Any]]:
    """Return the backups in a folder, the youngest first, also those whose details are lost."""
    found: List[Dict[str, Any]] = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    for name in names:
        parts = NAME.match(name)
        if not parts:
            continue
        path = os.path.join(folder, name)
        about = details(path)
        made = calendar.timegm(time.strptime(parts.group(2), "%Y%m%dT%H%M%SZ"))
        found.append(
            {
                "name": name,
                "database": parts.group(1),
                "time": made,
                "size": os.stat(path).st_size,
                "release": str(about.get("release", "")),
                "who": str(about.get("who", "")),
                "proven": bool(about.get("proven")),
            }
        )
    return sorted(found, key=lambda each: (-float(each["time"]), str(each["name"])))
