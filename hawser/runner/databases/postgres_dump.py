"""Dumps of PostgreSQL databases: written and brought back with the rights of the role that owns them.

A dump is what the application made of its database: to read it in runs functions of the application. So a login of its
own reads it in, which is a member of that role and may do nothing else (it cannot go back to a superuser by RESET ROLE,
as a session could that began as one). The superuser makes only what needs one, entry by entry of the dump's own list.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
import time

from ..system import Failure
from . import waits
from .postgres import ITERATIONS, Cluster, conninfo, first_error, identifier, literal, scram
from .postgres_properties import PROPERTIES, creation, outfit
from .restoring import answered, beside, is_former, is_rehearsal, new_former
from .waits import watched
from .workplace import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

    from ..system import System
    from .postgres_properties import Properties
    from .restoring import Journal

# Who reads in a part of a dump, where it is no role: the superuser, and one that may fill tables and nothing else.
SUPERUSER, LOADER = "", "\0"
SCHEMAS = "nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
# Of what the owner of a database cannot save: what belongs to others, or hides rows from it.
UNREADABLE = """
SELECT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'S', 'p') AND {schemas} AND (
        NOT has_schema_privilege({role}, n.oid, 'USAGE') OR NOT has_table_privilege({role}, c.oid, 'SELECT')
        OR c.relforcerowsecurity OR (c.relrowsecurity AND NOT pg_has_role({role}, c.relowner, 'USAGE')))
) OR EXISTS (
    SELECT FROM pg_largeobject_metadata WHERE NOT pg_has_role({role}, lomowner, 'USAGE')
) OR EXISTS (
    SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
);
"""
# What stays with the old database when the new one takes its name.
BOUND = """
SELECT 'the subscription ' || quote_ident(subname) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = {name}
UNION ALL SELECT 'the replication slot ' || quote_ident(slot_name) FROM pg_replication_slots WHERE database = {name}
UNION ALL SELECT 'the prepared transaction ' || quote_literal(gid) FROM pg_prepared_xacts WHERE database = {name};
"""
# Who waits for a lock, and who holds it.
WAITING = """
SELECT json_build_array(l.pid) :: jsonb || to_jsonb(ARRAY(
    SELECT coalesce(format('process %s of %s (%s, %s since %s)', h.pid, h.usename, h.application_name, h.state,
        date_trunc('second', coalesce(h.state_change, h.xact_start))), 'a prepared transaction')
    FROM unnest(pg_blocking_pids(l.pid)) AS b LEFT JOIN pg_stat_activity AS h ON h.pid = b
)) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE NOT l.granted AND l.waitstart < clock_timestamp() - interval '{seconds} s' AND {ours};
"""
# Where a login holds rights, or owns something.
HOLDING = """
SELECT DISTINCT to_json(datname)::text FROM pg_shdepend JOIN pg_database AS d ON d.oid = dbid
    WHERE datallowconn AND refclassid = 'pg_authid'::regclass
        AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = {login});
"""
# A role that every server has, for whoever owns a database.
DATABASE_OWNER = "pg_database_owner"
# The entries of a schema that every new database has, where it is the superuser's to change.
PUBLIC = ("SCHEMA - public", "COMMENT - SCHEMA public", "SECURITY LABEL - SCHEMA public")
ENTRY = re.compile(r"([0-9]+); [0-9]+ [0-9]+ (.*)$", re.ASCII | re.DOTALL)


class Dump:
    """The dumps of one database.

    :param name: the database, and
    :param owner: the role that its contents belong to.
    :param longest: seconds for one of the server's programs.
    """

    def __init__(self, system: System, name: str, owner: str, longest: float) -> None:
        self.system, self.name, self.owner, self.longest = system, name, owner, longest
        self.cluster = Cluster(system)
        self.programs = os.path.dirname(self.cluster.program)
        # What is at work on this database names itself so; a login's name has an end of its own, for everybody sees it.
        self.mark = "hawser_login_" + hashlib.sha256(name.encode()).hexdigest()[:12]

    # Looking.

    def rows(self, sql: str, database: str = "postgres") -> List[str]:
        return self.cluster.rows(sql, conninfo(database))

    def there(self, name: str) -> bool:
        return self.cluster.has(name)

    def size(self) -> int:
        found = self.rows("SELECT pg_database_size(oid) FROM pg_database WHERE datname = %s" % literal(self.name))
        return int(found[0]) if found else 0

    def properties(self) -> Properties:
        """Return the properties of the database itself.

        :raises Failure: there is no such database.
        """
        found = self.rows(PROPERTIES.format(name=literal(self.name)))
        if not found:
            raise Failure("there is no database %s on this host; next: bootstrap" % self.name)
        values: Properties = json.loads("".join(found))
        return values

    def formers(self) -> List[str]:
        return [each for each in self.cluster.names() if is_former(each, self.name)]

    # Logging in.

    @contextlib.contextmanager
    def logged_in(self, database: str, role: str = LOADER) -> Iterator[Tuple[List[str], Dict[str, str]]]:
        """Yield arguments and variables with which a client acts in a database with the rights of a role.

        In another database than ours, which is one that is just being filled, the role may make things in all schemas:
        it could when they were made.

        :param role: `LOADER`: the client may fill tables, and nothing else.
        """
        password, login = os.urandom(24).hex(), "%s_%s" % (self.mark, os.urandom(6).hex())
        who, secret = identifier(login), literal(scram(password, os.urandom(16), ITERATIONS))
        until = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(time.time() + 4 * self.longest))
        sql, lent = ["CREATE ROLE %s LOGIN INHERIT PASSWORD %s VALID UNTIL %s;" % (who, secret, literal(until))], []
        if role == LOADER:
            # Without a grant, which would leave its trace on every table.
            sql.append("GRANT pg_write_all_data TO %s;" % who)
        else:
            sql.append("GRANT %s TO %s;" % (identifier(role), who))
        if database != self.name:
            sql.append("GRANT CONNECT, TEMPORARY ON DATABASE %s TO %s;" % (identifier(database), who))
            lent = self.lacking(database, role) if role != LOADER else []
            sql += ["GRANT %s TO %s;" % (right, identifier(role)) for right in lent]
        self.rows("\n".join(["BEGIN;", *sql, "COMMIT;"]), database)
        try:
            argv = ["-h", "127.0.0.1", "-p", self.cluster.port, "-U", login, "-w"]
            variables = {**self.cluster.options(superuser=False), "PGPASSWORD": password}
            yield argv if role == LOADER else [*argv, "--role", role], variables
        finally:
            if lent:
                back = ["REVOKE %s FROM %s;" % (right, identifier(role)) for right in lent]
                self.rows("\n".join(["BEGIN;", *back, "COMMIT;"]), database)
            self.dismiss(login, self.owner if role == LOADER else role)

    def lacking(self, database: str, role: str) -> List[str]:
        """Return the rights that a role needs to make things in a database, and does not have there."""
        found = self.cluster.values(
            "SELECT to_json(format('%%s ON SCHEMA %%I', r, nspname)) FROM pg_namespace,"
            " unnest(ARRAY['CREATE', 'USAGE']) AS r WHERE %s AND NOT has_schema_privilege(%s, oid, r)"
            % (SCHEMAS, literal(role)),
            conninfo(database),
        )
        return ["CREATE ON DATABASE " + identifier(database), *found]

    def dismiss(self, login: str, role: str, attempts: int = 3) -> None:
        """Remove a login; its possessions go to a role.

        Whoever may grant something may grant it to the login too, in any database, and as long as the login is there:
        then it stays, without a way in, until a later run.
        """
        who = identifier(login)
        end = "ALTER ROLE %s NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s;"
        self.rows(end % (who, literal(login)))
        farewell = "SET lock_timeout = '5s'; REASSIGN OWNED BY %s TO %s; DROP OWNED BY %s;"
        farewell %= (who, identifier(role), who)
        for _attempt in range(attempts):
            for each in self.cluster.values(HOLDING.format(login=literal(login))):
                self.cluster.psql(farewell, conninfo(each), check=False)
            result = self.cluster.psql(farewell + "DROP ROLE %s;" % who, check=False)
            if not result.code:
                return
        self.system.warnings.append(
            "the login %s, which can log in no more, stays on the server: %s; the next backup or restore of %s tries"
            " again" % (login, first_error(result.errors), self.name)
        )

    def withdraw(self) -> None:
        """Remove the logins that killed runs have left."""
        if not self.cluster.has_role(self.owner):
            return
        names = self.cluster.values("SELECT to_json(rolname) FROM pg_roles WHERE rolvaliduntil IS NOT NULL")
        for login in names:
            # An older version gave them no end of their own.
            if re.fullmatch(re.escape(self.mark) + "(_[0-9a-f]{12})?", login):
                self.dismiss(login, self.owner, attempts=1)

    # Saving.

    def save(self, target: BinaryIO) -> str:
        """Dump the database while programs use it; return the name and version of the server."""
        program = os.path.join(self.programs, "pg_dump")
        # In the encoding of the database, whatever its owner has set for clients.
        tail = ["-Fc", "-E", self.properties()["charset"], "-d", conninfo(self.name)]
        self.withdraw()
        with contextlib.ExitStack() as stack:
            found = None if self.needs_superuser() else stack.enter_context(self.logged_in(self.name, self.owner))
            if not found or self.refused(found):
                found = ["-w", "-p", self.cluster.port], self.cluster.options()
            argv, variables = found
            variables["PGAPPNAME"] = self.mark
            with watched(self.waiting):
                receive(self.system, target, [program, *argv, *tail], "postgres", variables)
        return "PostgreSQL " + self.cluster.version

    def ours(self) -> str:
        """Return the SQL that tells a connection of ours from others: everybody may take a name as a program."""
        mark = literal(self.mark)
        return "(usename = current_user AND application_name = {0} OR starts_with(usename, {0}))".format(mark)

    def waiting(self) -> str:
        """End a dump that has waited too long for a lock; return who holds it."""
        for pid, *holders in self.cluster.lists(WAITING.format(seconds=waits.LONGEST, ours=self.ours())):
            self.rows("SELECT pg_terminate_backend(%d)" % int(str(pid)))
            return (
                "the backup of %s has waited for %d s for what is locked by %s; next: the same command again when that"
                " has ended" % (self.name, waits.LONGEST, ", ".join(map(str, holders)) or "nobody any more")
            )
        return ""

    def needs_superuser(self) -> bool:
        """Tell whether the owner may not read all of the database, so that only the superuser saves it whole."""
        if not self.cluster.has_role(self.owner):
            return True
        return self.rows(UNREADABLE.format(role=literal(self.owner), schemas=SCHEMAS), self.name) == ["t"]

    def refused(self, found: Tuple[List[str], Dict[str, str]]) -> bool:
        """Tell whether the login gets no connection: all are taken, or the server's rules let nobody in that way."""
        argv = [self.cluster.program, "-X", "-q", "-At", *found[0][:-2], "-d", conninfo(self.name)]
        return self.system.run(argv, "postgres", env=found[1], stdin="SELECT 1", timeout=60, check=False).code != 0

    def prove(self, source: BinaryIO) -> None:
        """Read a dump to its last byte: a list of contents alone would not notice a damaged end."""
        self.read(source, ["-f", "/dev/null"])

    def read(
        self,
        source: BinaryIO,
        arguments: Sequence[str],
        variables: Optional[Mapping[str, str]] = None,
        whole: bool = False,
    ) -> str:
        """Have pg_restore read a dump; return its output, see `System.run`."""
        source.seek(0)
        argv = [os.path.join(self.programs, "pg_restore"), *arguments]
        env = variables or self.cluster.options()
        ended = self.system.run(
            argv, "postgres", env=env, timeout=self.longest, source=source.fileno(), apart=whole, whole=whole
        )
        return ended.output

    # Bringing back.

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        """Bring a dump back beside the database, and have it take its place in one moment.

        :param journal: is told the names of the databases before they are made.
        :param place: a folder for lists.
        """
        before = self.properties()
        bound = self.rows(BOUND.format(name=literal(self.name)))
        if bound:
            told = ", ".join(bound)
            raise Failure(
                "%s cannot be kept over a restore of %s; next: drop what is named, and make it again afterwards"
                % (told, self.name)
            )
        fresh = beside(self.name, "restore", os.urandom(3).hex())
        former = new_former(self.name, self.formers())
        journal.note(phase="loading", fresh=fresh, former=former)
        self.fill(source, fresh, before, place)
        self.rows(outfit(self.name, fresh, before))
        journal.note(phase="swapping")
        self.swap(fresh, former)
        journal.note(phase="finishing")
        self.recover(journal.found)
        return "the database that was there is %s now" % former

    def fill(self, source: BinaryIO, fresh: str, like: Properties, place: str) -> None:
        """Make a database, which nobody gets into, of a dump.

        :param place: a folder for lists.
        """
        self.rows(creation(fresh, like))
        self.rows("REVOKE ALL ON DATABASE %s FROM PUBLIC;" % identifier(fresh))
        for number, (who, lines) in enumerate(self.runs(source)):
            path = os.path.join(place, "list-%d" % number)
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write("\n".join(lines) + "\n")
            self.load(source, fresh, who, path)

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        """Bring a dump back into a database that goes again; return what the owner is answered there, read-only.

        :param place: a folder for lists.
        """
        self.withdraw()
        for left in [each for each in self.cluster.names() if is_rehearsal(each, self.name)]:
            self.rows("DROP DATABASE %s WITH (FORCE);" % identifier(left))
        fresh = beside(self.name, "drill", os.urandom(3).hex())
        try:
            self.fill(source, fresh, self.properties(), place)
            with self.logged_in(fresh, self.owner) as (login, variables):
                # As the application itself would look, but for writing.
                variables["PGOPTIONS"] += ' -c default_transaction_read_only=on -c search_path="$user",public'
                # Without the role, which pg_restore alone takes as an option: the login has its rights.
                argv = [self.cluster.program, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *login[:-2]]
                argv += ["-d", conninfo(fresh), "-c"]
                return [answered(self.system, argv, query, "postgres", variables) for query in queries]
        finally:
            self.rows("DROP DATABASE IF EXISTS %s;" % identifier(fresh))

    def load(self, source: BinaryIO, fresh: str, who: str, path: str) -> None:
        """Read in some entries of a dump."""
        argv = ["--exit-on-error", "-d", conninfo(fresh), "-L", path]
        if who == SUPERUSER:
            self.read(source, ["-w", "-p", self.cluster.port, *argv])
        else:
            with self.logged_in(fresh, who) as (login, variables):
                self.read(source, [*login, "--no-owner", *argv], variables)

    def runs(self, source: BinaryIO) -> List[Tuple[str, List[str]]]:
        """Return the entries of a dump in the order in which they are read in, in runs by who does it."""
        rows = self.cluster.lists("SELECT json_build_array(rolname, rolsuper) FROM pg_roles")
        roles = {str(name): bool(superuser) for name, superuser in rows}
        if self.owner not in roles or roles[self.owner]:
            what = "is a superuser" if self.owner in roles else "does not exist"
            raise Failure("the role %s, to which %s belongs, %s; next: bootstrap" % (self.owner, self.name, what))
        mine = "SELECT to_json(extname) FROM pg_extension WHERE pg_get_userbyid(extowner) = %s" % literal(self.owner)
        own = set(self.cluster.values(mine, conninfo(self.name)))
        sections = ("pre-data", "data", "post-data")
        parts = [self.read(source, ["-l", "--section", each], whole=True) for each in sections]
        # A name may hold what else str.splitlines takes for the end of a line, and look like an owner then.
        return sorted_runs([part.split("\n") for part in parts], self.owner, roles, own)

    def swap(self, fresh: str, former: str) -> None:
        """Have one database take the name of another one, in one transaction: nobody ever finds none.

        From the renaming on nobody gets a new connection to it (ALTER DATABASE locks it), and it waits for those that
        are there, which are ended meanwhile. A kill at any moment leaves all as it was, or done.
        """
        old, new, aside = identifier(self.name), identifier(fresh), identifier(former)
        sql = (
            "SET application_name = %s; BEGIN; ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s RENAME TO %s;"
            " ALTER DATABASE %s ALLOW_CONNECTIONS false; COMMIT;" % (literal(self.mark), old, aside, new, old, aside)
        )
        end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s" % literal(self.name)
        failures: List[Failure] = []

        def rename() -> None:
            try:
                self.rows(sql)
            except Failure as failure:
                failures.append(failure)

        for _attempt in range(3):
            failures.clear()
            worker = threading.Thread(target=rename)
            worker.start()
            while worker.is_alive():
                self.rows(end)
                worker.join(0.1)
            if not failures:
                return
        raise failures[0]

    def recover(self, journal: Mapping[str, object]) -> bool:
        """Finish a restore whose database has taken its place, and undo any other; return whether it was finished."""
        fresh, former = str(journal.get("fresh", "")), str(journal.get("former", ""))
        self.quieten(fresh)
        done = journal.get("phase") in ("swapping", "finishing") and bool(former) and self.there(former)
        if fresh and self.there(fresh):
            self.cluster.drop(fresh)
        self.withdraw()
        if self.cluster.refuses(self.name):
            self.rows("ALTER DATABASE %s ALLOW_CONNECTIONS true" % identifier(self.name))
        if done:
            for each in self.formers():
                if each != former:
                    self.cluster.drop(each)
        return done

    def quieten(self, fresh: str) -> None:
        """End the connections of a killed run that are still at work: they would overturn all that is found here."""
        ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE %s OR datname = %s"
        # The owner may connect to it again and again.
        deadline = time.monotonic() + 60
        while self.rows(ours % (self.ours(), literal(fresh))) and time.monotonic() < deadline:
            time.sleep(0.1)


def sorted_runs(
    parts: Sequence[Sequence[str]], owner: str, roles: Mapping[str, bool], own: Set[str]
) -> List[Tuple[str, List[str]]]:
    """Sort the entries of a dump into runs, by who reads them in.

    Rights come between the tables and what fills them, event triggers last: they would act on all that follows.

    :param parts: the lines of pg_restore's list before the data, of the data, and after it.
    :param roles: all roles of the server, and whether each is a superuser.
    :param own: the extensions that belong to the owner.
    """
    rights: List[str] = []
    last: List[str] = []
    ordered: List[Tuple[str, str]] = []
    for section, part in enumerate(parts):
        for line in part:
            if not line or line.startswith(";"):
                continue
            found = ENTRY.match(line)
            if not found:
                raise Failure("the dump's list of contents has a line of no known form", line[:300])
            number, what = found.groups()
            line = number + ";"
            if what.startswith(("DATABASE ", "ACL - DATABASE ", "COMMENT - DATABASE ")):
                continue
            if what.startswith(("DEFAULT ACL ", "EVENT TRIGGER ")):
                last.append(line)
            elif what.startswith("ACL "):
                rights.append(line)
            else:
                ordered.append((reader(what, owner, roles, own), line))
        if section == 0:
            ordered += [(SUPERUSER, line) for line in rights]
            rights = []
    ordered += [(SUPERUSER, line) for line in [*rights, *last]]
    runs: List[Tuple[str, List[str]]] = []
    for who, line in ordered:
        if not runs or runs[-1][0] != who:
            runs.append((who, []))
        runs[-1][1].append(line)
    return runs


def reader(what: str, owner: str, roles: Mapping[str, bool], own: Set[str]) -> str:
    """Return who reads in an entry: the role that it belongs to; for a superuser's entry, the superuser.

    :param what: the entry's line, without its numbers: kind, schema, name, and the role that owns it.
    """
    extension = re.match(r"(?:EXTENSION - |COMMENT - EXTENSION )(.*?) ?$", what)
    if extension:
        return owner if extension.group(1) in own else SUPERUSER
    # The shortest that fits: where a blank in a name makes it look like two, the one with fewer rights. The list shows
    # the end of a line in a name as a blank.
    fits = sorted(
        (name for name in roles if what.endswith(" " + re.sub(r"[\r\n]", " ", name))),
        key=lambda name: (roles[name], len(name)),
    )
    if not fits:
        return owner
    if what[: -len(fits[0]) - 1] in PUBLIC:
        return SUPERUSER
    if not roles[fits[0]]:
        # Nobody can be granted that role, and every owner of a database may give it a function.
        return owner if fits[0] == DATABASE_OWNER else fits[0]
    return LOADER if what.startswith("TABLE DATA ") else SUPERUSER
