"""The removal of an application: of its databases after a last backup, its broker's vhost, its users."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import time

from ..files.disk import noted_folders, parent_of, remove
from ..kernel.ports import family, parents
from ..kernel.procstat import stat_of
from ..kernel.scopes import processes
from ..kernel.strays import belongs, describe, orphans
from ..rows import some
from ..system import Change, Failure, Kind
from . import mariadb, postgres, rabbitmq
from .backups import Saving
from .logins import is_login
from .rabbitmq import control
from .restores import recover
from .restoring import BEFORE_REMOVAL, Journal, is_former

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Set, Type

    from ..specs.databases import DatabaseGoneSpec, DatabaseSpec, RabbitGoneSpec
    from ..specs.system import FoldersGoneSpec, UserGoneSpec
    from ..system import System

# Seconds that programs have to end when they are asked to.
PATIENCE = 5.0
# Where a broker that is installed keeps what it knows.
BROKER = "/var/lib/rabbitmq"

# What a role of PostgreSQL owns, and where it has rights: databases by name, the rest described.
HELD = """
SELECT DISTINCT to_json(coalesce(datname, pg_describe_object(classid, objid, objsubid)))::text
    FROM pg_shdepend LEFT JOIN pg_database AS d
        ON d.oid = CASE WHEN classid = 'pg_database'::regclass THEN objid ELSE dbid END
    WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s);
"""
# In which databases of MariaDB a role has rights, and code that runs with its own.
RIGHTS = ("mysql.db", "mysql.tables_priv", "mysql.columns_priv", "mysql.procs_priv")
CODE = {"VIEWS": "TABLE", "ROUTINES": "ROUTINE", "TRIGGERS": "TRIGGER", "EVENTS": "EVENT"}


class Server:
    """A database with its role, where they are.

    :param spec: database, owner and path.
    """

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        raise NotImplementedError

    def there(self) -> bool:
        """Tell whether there is such a database."""
        raise NotImplementedError

    def role(self) -> bool:
        """Tell whether there is such a role."""
        raise NotImplementedError

    def others(self) -> List[str]:
        """Return where else the role owns something or has rights."""
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError

    def drop_role(self) -> None:
        raise NotImplementedError


class Postgresql(Server):
    """A database and its role in PostgreSQL.

    :param spec: database and owner.
    """

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        self.cluster = postgres.Cluster(system)
        self.name, self.owner = spec["database"], spec["owner"]

    def there(self) -> bool:
        return self.cluster.has(self.name)

    def role(self) -> bool:
        return self.cluster.has_role(self.owner)

    def others(self) -> List[str]:
        """Return where else the role owns something or has rights, but for databases that a restore has set aside."""
        mine = [self.name, *self.aside()]
        return [name for name in self.cluster.values(HELD % postgres.literal(self.owner)) if name not in mine]

    def aside(self) -> List[str]:
        """Return the databases that were there before a restore."""
        return [name for name in self.cluster.names() if is_former(name, self.name)]

    def drop(self) -> None:
        for name in [*self.aside(), self.name]:
            if self.cluster.has(name):
                self.cluster.drop(name)

    def drop_role(self) -> None:
        for login in self.cluster.logins(self.owner):
            self.cluster.drop_login(login, self.owner)
        self.cluster.psql("DROP ROLE IF EXISTS %s" % postgres.identifier(self.owner))


class Mariadb(Server):
    """A database and its role in MariaDB.

    :param spec: database and owner.
    """

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        self.server = mariadb.Server(system)
        self.name, self.owner = spec["database"], spec["owner"]

    def there(self) -> bool:
        return self.server.has(self.name)

    def accounts(self) -> List[str]:
        """Return the hosts from which the role may come."""
        return self.server.rows("SELECT Host FROM mysql.user WHERE User = %s;" % mariadb.literal(self.owner))

    def role(self) -> bool:
        return bool(self.accounts())

    def others(self) -> List[str]:
        """Return the other databases in which the role has rights, or code of its own."""
        owner = mariadb.literal(self.owner)
        parts = ["SELECT hex(Db) FROM %s WHERE User = %s" % (table, owner) for table in RIGHTS]
        code = "SELECT hex(%s_SCHEMA) FROM information_schema.%s WHERE DEFINER IN (%s)"
        definers = ", ".join(mariadb.literal("%s@%s" % (self.owner, host)) for host in self.accounts())
        parts += [code % (prefix, table, definers) for table, prefix in CODE.items()] if definers else []
        names = self.server.values(" UNION ".join(parts) + ";")
        return [name for name in names if name not in (self.name, mariadb.pattern(self.name).strip("`"))]

    def drop(self) -> None:
        for name in [*(each for each in self.server.names() if is_former(each, self.name)), self.name]:
            self.server.sql("DROP DATABASE IF EXISTS %s;" % mariadb.identifier(name))

    def drop_role(self) -> None:
        for host in self.accounts():
            self.server.sql("DROP USER IF EXISTS %s;" % mariadb.account(self.owner, host))


class Sqlite(Server):
    """A file of SQLite; it goes with its folder.

    :param spec: path.
    """

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        self.path = spec["path"]

    def there(self) -> bool:
        return os.path.lexists(self.path)

    def role(self) -> bool:
        return False

    def others(self) -> List[str]:
        return []

    def drop(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            remove(self.path + suffix)

    def drop_role(self) -> None:
        """Nothing: it belongs to a user of the host."""


SERVERS: Dict[str, Type[Server]] = {"postgresql": Postgresql, "mariadb": Mariadb, "sqlite": Sqlite}


class DatabaseGone(Kind):
    """See `hawser.resources.DatabaseGone`."""

    spec: DatabaseGoneSpec

    def server(self) -> Optional[Server]:
        try:
            return SERVERS[self.spec["engine"]](self.spec, self.system)
        except Failure:
            # A server that is not there holds no database; one that is down says so at the first question.
            if self.spec["engine"] == "postgresql" and not os.path.isdir("/var/lib/postgresql"):
                return None
            raise

    def check(self) -> Optional[Change]:
        server = self.server()
        if server is None:
            return None
        name, owner = self.spec["database"], self.spec["owner"]
        what = ["the database %s, after a last backup" % name] if server.there() else []
        if server.role() and not server.others():
            what.append("the role %s" % owner)
        return Change("removes " + " and ".join(what)) if what else None

    def apply(self, change: Change) -> None:
        server = self.server()
        assert server is not None
        if Journal(self.system.state, self.spec["engine"], self.spec["database"]).found:
            # Half of a restore would be the last that is known of it.
            recover(self.spec, self.system)
        if server.there():
            # Nothing is dropped that could not be saved: a backup that fails ends it here.
            Saving(self.spec, self.system).make(BEFORE_REMOVAL)
            server.drop()
        if not server.role():
            return
        others = server.others()
        if not others:
            server.drop_role()
            return
        self.system.warnings.append(
            "the role %s stays: it owns something or has rights elsewhere (%s); when these are somebody else's,"
            " the same command removes it" % (self.spec["owner"], ", ".join(others))
        )


class RabbitGone(Kind):
    """See `hawser.resources.RabbitGone`."""

    spec: RabbitGoneSpec

    def run(self, *arguments: str) -> str:
        program, user, cwd = control()
        result = self.system.run(
            [program, "-q", *arguments], user, cwd, timeout=120, check=False, apart=True, whole=True
        )
        if result.code:
            raise Failure("rabbitmqctl %s failed" % arguments[0], result.errors + result.output)
        return result.output

    def look(self) -> Dict[str, Set[str]]:
        """Return the user and the vhost as far as they exist, and the other vhosts on which the user has rights."""
        if not os.path.isdir(BROKER):
            return {"users": set(), "vhosts": set(), "others": set()}
        user, vhost = self.spec["user"], self.spec["vhost"]
        names = {line.split("\t")[0] for line in self.run("list_users", "--no-table-headers").split("\n")}
        users = {name for name in names if name == user or is_login(name, user, rabbitmq.LONGEST)}
        vhosts = set(self.run("list_vhosts", "name", "--no-table-headers").split("\n")) & {vhost}
        listed = (self.run("list_user_permissions", name, "--no-table-headers") for name in users)
        rights = [line for each in listed for line in each.split("\n")[:-1]]
        others = {line.split("\t")[0] for line in rights} - {vhost}
        return {"users": users, "vhosts": vhosts, "others": others}

    def check(self) -> Optional[Change]:
        found = self.look()
        what = ["the vhost " + name for name in found["vhosts"]]
        what += ["the user " + name for name in sorted(found["users"]) if not found["others"]]
        return Change("removes " + " and ".join(what)) if what else None

    def apply(self, change: Change) -> None:
        found = self.look()
        for name in found["vhosts"]:
            self.run("delete_vhost", name)
        for name in sorted(found["users"]):
            if not found["others"]:
                self.run("delete_user", name)


class FoldersGone(Kind):
    """See `hawser.resources.FoldersGone`."""

    spec: FoldersGoneSpec

    def there(self) -> List[str]:
        """Return the folders that are there, the innermost ones first."""
        # The application's own folder has gone by then, or will have.
        inside = self.spec["root"] + "/"
        return [each for each in reversed(noted_folders(self.system.state)) if not (each + "/").startswith(inside)]

    def check(self) -> Optional[Change]:
        found = self.there()
        return Change("removes, where nothing is left in them, " + ", ".join(found)) if found else None

    def apply(self, change: Change) -> None:
        for path in self.there():
            # Those in which something lies or is mounted stay.
            with contextlib.suppress(Failure, OSError), parent_of(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)


class UserGone(Kind):
    """See `hawser.resources.UserGone`."""

    spec: UserGoneSpec

    def account(self) -> Optional[pwd.struct_passwd]:
        """Return the user's entry where it was made for the application; one of somebody else's stays."""
        try:
            account = pwd.getpwnam(self.spec["name"])
        except KeyError:
            return None
        return account if account.pw_dir == self.spec["home"] and account.pw_uid else None

    def check(self) -> Optional[Change]:
        account = self.account()
        if account is None:
            return None
        left = describe(self.system, orphans(account.pw_name))
        return Change("removed" if not left else "user %s, after ending %s" % (account.pw_name, ", ".join(left)))

    def programs(self, uid: int) -> Dict[int, bool]:
        """Return the processes of the user, and whether each was started for the application or was left behind."""
        found = {}
        left, parent_of = set(orphans(self.spec["name"])), parents()
        mine = (os.path.dirname(self.spec["home"]) + "/").encode()
        for pid in processes():
            if not belongs(pid, uid):
                continue
            try:
                with open("/proc/%d/environ" % pid, "rb") as stream:
                    variables = stream.read().split(b"\0")
            except OSError:
                continue
            state = stat_of(pid)[1][:1]
            if state not in ([], ["Z"]):
                ours = any(each.partition(b"=")[2].startswith(mine) for each in variables)
                found[pid] = ours or bool(left.intersection(family(pid, parent_of)))
        return found

    def apply(self, change: Change) -> None:
        account = self.account()
        if account is None:
            return
        # A cron job, or a shell: what was started for the application ends with it.
        deadline = time.monotonic() + PATIENCE
        sent = signal.SIGTERM
        while any(self.programs(account.pw_uid).values()):
            for pid, ours in self.programs(account.pw_uid).items():
                if ours:
                    try:
                        os.kill(pid, sent)
                    except ProcessLookupError:
                        pass
            time.sleep(0.1)
            if time.monotonic() > deadline:
                if sent == signal.SIGKILL:
                    break
                sent, deadline = signal.SIGKILL, time.monotonic() + PATIENCE
        left = self.programs(account.pw_uid)
        if left:
            raise Failure(
                "processes of %s still run: %s; next: end them, then the same command again"
                % (account.pw_name, some(list(map(str, sorted(left)))))
            )
        self.system.run(["userdel", account.pw_name])
        try:
            group = grp.getgrgid(account.pw_gid)
        except KeyError:
            return
        if not any(each.pw_gid == group.gr_gid for each in pwd.getpwall()):
            self.system.run(["groupdel", group.gr_name])
