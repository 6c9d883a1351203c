"""Dumps of MariaDB databases: written, proven whole, and brought back, with rights on that database and no other."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import time

from ..files.records import number, rows_in, texts_in
from ..system import Failure
from . import waits
from .mariadb import CLIENT, LOCAL, NATIVE, Server, account, identifier, literal, pattern, verifier
from .restoring import answered, beside, is_former, is_rehearsal, new_former
from .waits import watched
from .workplace import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

    from ..system import System
    from .restoring import Journal

# The last line that mariadb-dump writes; a dump that broke off has none.
LAST = b"-- Dump completed"
# Has clients that know it refuse what touches files and programs of the host; for others it is a comment.
SANDBOX = "/*M!999999\\- enable the sandbox mode */"
# Who runs the clients: what they are made to do on the host, they do as somebody who may do nothing there.
NOBODY = "nobody"
READS = "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES"
# Of what RENAME TABLE cannot take from one database to another: views, and tables with triggers.
IMMOVABLE = """
SELECT count(*) FROM (
    SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names}) AND TABLE_TYPE <> 'BASE TABLE'
    UNION ALL SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({names})
    UNION ALL SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN ({names})
    UNION ALL SELECT 1 FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN ({names})
) AS immovable;
"""
# Rights on single routines, which go with the routines.
RIGHTS = """
SELECT hex(convert(JSON_ARRAY(Host, User, Routine_name, Routine_type, Proc_priv) USING utf8mb4))
    FROM mysql.procs_priv WHERE Db = {name};
"""
# A dump that waits for a lock, and who has long been connected to the database: the server does not tell the holder.
WAITING = """
SELECT ID FROM information_schema.PROCESSLIST
    WHERE USER = {login} AND TIME >= {seconds} AND STATE LIKE 'Waiting for %lock';
"""
HOLDERS = """
SELECT hex(concat('connection ', p.ID, ' of ', p.USER)) FROM information_schema.PROCESSLIST AS p
    LEFT JOIN information_schema.INNODB_TRX AS t ON t.trx_mysql_thread_id = p.ID
    WHERE p.USER <> {login} AND (
        p.DB = {name} AND p.TIME >= {seconds} OR t.trx_started <= now() - INTERVAL {seconds} SECOND);
"""


class Dump:
    """The dumps of one database.

    :param longest: seconds for one program.
    """

    def __init__(self, system: System, name: str, longest: float) -> None:
        self.system, self.name, self.longest = system, name, longest
        self.server = Server(system)
        self.login = "hawser_" + hashlib.sha256(name.encode()).hexdigest()[:16]

    # Looking.

    def rows(self, sql: str) -> List[str]:
        return self.server.rows(sql, self.longest)

    def there(self, name: str) -> bool:
        return self.server.has(name)

    def size(self) -> int:
        """Return about how many bytes the database holds."""
        where = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s;" % literal(self.name)
        found = self.rows("SELECT coalesce(round(sum(data_length + index_length)), 0) " + where)
        return int(float(found[0])) if found else 0

    def properties(self) -> Dict[str, str]:
        """Return the properties of the database itself: character set, collation, comment.

        :raises Failure: there is no such database.
        """
        what = "DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, hex(SCHEMA_COMMENT)"
        where = "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s;" % literal(self.name)
        found = self.rows("SELECT %s %s" % (what, where))
        if not found:
            raise Failure("there is no database %s on this host; next: bootstrap" % self.name)
        charset, collation, comment = found[0].split("\t")
        return {"charset": charset, "collation": collation, "comment": comment}

    def tables(self, database: str) -> List[str]:
        where = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s;" % literal(database)
        return self.server.values("SELECT hex(TABLE_NAME) " + where, self.longest)

    def formers(self) -> List[str]:
        return [each for each in self.server.names() if is_former(each, self.name)]

    # Logging in.

    @contextlib.contextmanager
    def logged_in(self, rights: Sequence[str]) -> Iterator[Dict[str, str]]:
        """Yield the variables with which a client has these rights and no others.

        :param rights: what stands between GRANT and TO.
        """
        who, password = account(self.login, LOCAL), os.urandom(24).hex()
        sql = ["CREATE OR REPLACE USER %s IDENTIFIED VIA %s USING '%s';" % (who, NATIVE, verifier(password))]
        self.rows("\n".join(sql + ["GRANT %s TO %s;" % (right, who) for right in rights]))
        try:
            yield {"MYSQL_PWD": password}
        finally:
            self.withdraw()

    def client(self, database: str) -> List[str]:
        """Return the client of whoever is logged in, in a database."""
        return [self.server.program, "--no-defaults", *CLIENT, "--protocol=socket", "-u", self.login, "-D", database]

    def withdraw(self) -> None:
        self.rows("DROP USER IF EXISTS %s;" % account(self.login, LOCAL))

    # Saving.

    def save(self, target: BinaryIO) -> str:
        """Dump the database while programs use it, compressed, and prove that the dump is whole.

        :raises Failure: there is no such database, or the dump broke off.
        """
        if not self.there(self.name):
            raise Failure("there is no database %s on this host; next: bootstrap" % self.name)
        options = ["--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob"]
        argv = ["mariadb-dump", "--no-defaults", *CLIENT, "--protocol=socket", "-u", self.login, *options]
        rights = ["%s ON %s.*" % (READS, pattern(self.name)), "SELECT ON mysql.proc"]
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, filename="", mtime=0) as packed:
            tail = Tail(packed)
            with self.logged_in(rights) as variables, watched(self.waiting):
                receive(self.system, tail, [*argv, "--no-tablespaces", "--", self.name], NOBODY, variables)
        if LAST not in tail.end:
            raise Failure("the dump of %s broke off" % self.name)
        return self.server.version()

    def waiting(self) -> str:
        """End a dump that has waited too long for a lock; return who may hold it."""
        ours, name = literal(self.login), literal(self.name)
        waiting = self.rows(WAITING.format(login=ours, seconds=waits.LONGEST))
        if not waiting:
            return ""
        holders = self.server.values(HOLDERS.format(login=ours, name=name, seconds=waits.LONGEST))
        self.server.sql("KILL %d;" % int(waiting[0]), check=False)
        who = ", ".join(holders) or "one that SHOW FULL PROCESSLIST lists"
        return (
            "the backup of %s has waited for %d s for what somebody has locked, maybe %s; next: the same command again"
            " when that has ended" % (self.name, waits.LONGEST, who)
        )

    def prove(self, source: BinaryIO) -> None:
        """Read a dump to its last byte, with its sum."""
        source.seek(0)
        try:
            with gzip.GzipFile(fileobj=source, mode="rb") as packed:
                while packed.read(1 << 20):
                    pass
        except (OSError, EOFError) as error:
            raise Failure("the dump of %s cannot be read again: %s" % (self.name, error)) from None

    # Bringing back.

    def load(self, source: BinaryIO, database: str) -> None:
        """Fill an empty database from a dump."""
        source.seek(0)
        line = '{ echo "$1"; gzip -dc; } | { shift; exec "$@"; }'
        argv = self.client(database)
        rights = ["ALL PRIVILEGES ON %s.*" % pattern(database), "SET USER ON *.*"]
        if self.rows("SELECT @@log_bin;") == ["1"]:
            # Without it, functions are refused on a server that writes a binary log.
            rights.append("BINLOG ADMIN ON *.*")
        with self.logged_in(rights) as variables:
            result = self.system.run(
                ["sh", "-c", line, "sh", SANDBOX, *argv],
                NOBODY,
                env=variables,
                timeout=self.longest,
                check=False,
                apart=True,
                source=source.fileno(),
            )
        if result.code:
            raise Failure("MariaDB does not take the dump", result.errors)

    def restore(self, source: BinaryIO, journal: Journal) -> str:
        """Bring a dump back; return a note on the fate of the former database.

        It is loaded beside the database first: a dump that the server does not take replaces nothing.
        """
        like = self.properties()
        fresh, former = beside(self.name, "restore", os.urandom(3).hex()), new_former(self.name, self.formers())
        rights = [json.loads(each) for each in self.server.values(RIGHTS.format(name=literal(self.name)))]
        # Before anything is replaced: what cannot be granted again ends it here.
        self.grants(rights)
        journal.note(phase="loading", fresh=fresh, former=former, properties=like, rights=rights)
        self.create(fresh, like)
        self.load(source, fresh)
        names = ", ".join(map(literal, (self.name, fresh)))
        if self.rows(IMMOVABLE.format(names=names)) != ["0"]:
            # Not in one step, for such databases have no other way. What a kill leaves, the next run makes anew from
            # the backup, which was just seen to be taken; and what was there is in a backup of its own.
            journal.note(phase="replacing")
            self.replace(source, journal.found)
            self.recover(journal.found)
            return ""
        journal.note(phase="swapping", tables=len(self.tables(fresh)), old=len(self.tables(self.name)))
        self.swap(fresh, former, like)
        journal.note(phase="finishing")
        self.recover(journal.found)
        return "the database that was there is %s now" % former

    def rehearse(self, source: BinaryIO, queries: Sequence[str]) -> List[str]:
        """Bring a dump back into a database that goes again; return what one is answered there who may only read."""
        for left in [each for each in self.server.names() if is_rehearsal(each, self.name)]:
            self.rows("DROP DATABASE %s;" % identifier(left))
        fresh = beside(self.name, "drill", os.urandom(3).hex())
        self.create(fresh, self.properties())
        try:
            self.load(source, fresh)
            argv = [*self.client(fresh), "--skip-column-names", "--batch", "-e"]
            with self.logged_in(["SELECT, SHOW VIEW ON %s.*" % pattern(fresh)]) as variables:
                found = [answered(self.system, argv, query, NOBODY, variables) for query in queries]
            return [each.replace("\t", "|") for each in found]
        finally:
            self.rows("DROP DATABASE IF EXISTS %s;" % identifier(fresh))

    def create(self, name: str, like: Mapping[str, str]) -> None:
        sql = "CREATE DATABASE %s CHARACTER SET %s COLLATE %s" % (
            identifier(name),
            identifier(like["charset"]),
            identifier(like["collation"]),
        )
        comment = bytes.fromhex(like["comment"]).decode("utf-8", "replace")
        if comment:
            sql += " COMMENT '%s'" % comment.replace("\\", "\\\\").replace("'", "''")
        self.rows(sql + ";")

    def swap(self, fresh: str, former: str, like: Mapping[str, str]) -> None:
        """Exchange the tables of two databases, all at once: nobody ever finds half of it."""
        self.create(former, like)
        moves = [move(each, self.name, former) for each in self.tables(self.name)]
        moves += [move(each, fresh, self.name) for each in self.tables(fresh)]
        if moves:
            self.rows("SET foreign_key_checks = 0; RENAME TABLE %s;" % ", ".join(moves))

    def replace(self, source: BinaryIO, journal: Mapping[str, object]) -> None:
        """Make the database anew from a dump; the remains of a run that was killed here go."""
        grants = self.grants(noted_rights(journal))
        self.rows("DROP DATABASE IF EXISTS %s;" % identifier(self.name))
        self.create(self.name, texts_in(journal, "properties"))
        self.load(source, self.name)
        for routine, grant in grants:
            where = "ROUTINE_SCHEMA = %s AND ROUTINE_NAME = %s" % (literal(self.name), literal(routine))
            if self.rows("SELECT 1 FROM information_schema.ROUTINES WHERE %s;" % where):
                self.rows(grant)

    def grants(self, rights: Sequence[Sequence[str]]) -> List[Tuple[str, str]]:
        """Return the routines on which somebody has rights, each with the SQL that grants them again."""
        found = []
        for each in rights:
            host, user, routine, kind, granted = each
            if granted:
                # As mysql.procs_priv spells it.
                words = ["GRANT OPTION" if word == "Grant" else word.upper() for word in granted.split(",")]
                place = "%s %s.%s" % (kind, identifier(self.name), identifier(routine))
                found.append((routine, "GRANT %s ON %s TO %s;" % (", ".join(words), place, account(user, host))))
        return found

    def recover(self, journal: Mapping[str, object], source: Optional[BinaryIO] = None) -> bool:
        """Finish a restore that has begun to replace the database, and undo any other; return whether it was finished.

        :param source: the backup, for one that has to be made anew.
        """
        fresh, former = str(journal.get("fresh", "")), str(journal.get("former", ""))
        phase = journal.get("phase")
        self.quieten(fresh)
        if phase == "replacing" and source is not None:
            self.replace(source, journal)
        done = phase in ("replacing", "finishing") or self.exchanged(journal)
        self.withdraw()
        if not done and former and self.there(former) and not self.tables(former):
            # First: without it, nothing was begun, also for who is killed here.
            self.rows("DROP DATABASE %s;" % identifier(former))
        if fresh:
            self.rows("DROP DATABASE IF EXISTS %s;" % identifier(fresh))
        if done and phase != "replacing":
            for each in self.formers():
                if each != former:
                    self.rows("DROP DATABASE %s;" % identifier(each))
        return done

    def exchanged(self, journal: Mapping[str, object]) -> bool:
        """Tell whether the tables of two databases were exchanged, all of them."""
        fresh, former = str(journal.get("fresh", "")), str(journal.get("former", ""))
        if journal.get("phase") != "swapping" or not self.there(former):
            return False
        return not self.tables(fresh) and len(self.tables(former)) >= number(journal, "old")

    def find_out(self, journal: Journal) -> None:
        """Note that half of the tables were exchanged, as a server leaves it that went down in the middle of it.

        Each single table lies on one side or the other.
        """
        found = journal.found
        if found.get("phase") != "swapping":
            return
        fresh, former = str(found.get("fresh", "")), str(found.get("former", ""))
        self.quieten(fresh)
        begun = self.there(former) and (self.tables(former) or len(self.tables(fresh)) < number(found, "tables"))
        if begun and not self.exchanged(found):
            journal.note(phase="replacing")

    def quieten(self, fresh: str) -> None:
        """End the connections of a killed run that are still at work: they would overturn all that is found here."""
        ours = "USER = %s" % literal(self.login)
        if fresh:
            ours += " OR (INFO LIKE %s AND ID <> CONNECTION_ID())" % literal("%%%s%%" % fresh)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE %s;" % ours)
            if not found:
                return
            for each in found:
                self.server.sql("KILL %d;" % int(each), check=False)
            time.sleep(0.1)


def noted_rights(journal: Mapping[str, object]) -> List[List[str]]:
    """Return the rights that a journal holds; an older version noted each as a text."""
    rows = [json.loads(each) if isinstance(each, str) else each for each in rows_in(journal, "rights")]
    return [list(map(str, each)) for each in rows if isinstance(each, list)]


class Tail:
    """A stream that remembers its last bytes."""

    def __init__(self, target: gzip.GzipFile) -> None:
        self.target = target
        self.end = b""

    def write(self, data: bytes) -> int:
        self.end = (self.end + data)[-200:]
        return self.target.write(data)


def move(table: str, source: str, target: str) -> str:
    name = identifier(table)
    return "%s.%s TO %s.%s" % (identifier(source), name, identifier(target), name)
