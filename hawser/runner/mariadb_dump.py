"""Dumps of MariaDB databases: written, proven whole, and brought back."""

from __future__ import annotations

import os
import time

from .mariadb import CLIENT, Server, identifier, literal
from .system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

# The last line that mariadb-dump writes; a dump that broke off has none.
LAST = b"-- Dump completed"
# Of what RENAME TABLE cannot take from one database to another: views, and tables with triggers.
IMMOVABLE = """
SELECT count(*) FROM (
    SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({names}) AND TABLE_TYPE <> 'BASE TABLE'
    UNION ALL SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({names})
    UNION ALL SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA IN ({names})
    UNION ALL SELECT 1 FROM information_schema.EVENTS WHERE EVENT_SCHEMA IN ({names})
) AS immovable;
"""


def size(server: Server, database: str) -> int:
    """Return about how many bytes a database holds."""
    where = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s;" % literal(database)
    found = server.sql("SELECT coalesce(round(sum(data_length + index_length)), 0) " + where).output.strip()
    return int(float(found or 0))


def save(server: Server, database: str, path: str, timeout: float) -> None:
    """Dump a database while programs use it, compressed, and prove that the dump is whole.

    :raises Failure: there is no such database, or the dump broke off.
    """
    plain = path + ".plain"
    options = ["--single-transaction", "--quick", "--routines", "--triggers", "--events", "--hex-blob"]
    argv = ["mariadb-dump", "--no-defaults", *CLIENT, "-u", "root", *options, "--result-file", plain, "--", database]
    server.system.run(argv, timeout=timeout)
    with open(plain, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 200))
        if LAST not in stream.read():
            raise Failure("the dump of %s broke off" % database)
    server.system.run(["gzip", "-1", plain], timeout=timeout)
    os.rename(plain + ".gz", path)
    # To the last byte, with its sum.
    server.system.run(["gzip", "--test", path], timeout=timeout)


def load(server: Server, database: str, path: str, timeout: float) -> None:
    """Fill an empty database from a dump."""
    line = 'gzip -dc "$1" | { shift; exec "$@"; }'
    argv = [server.program, "--no-defaults", *CLIENT, "-u", "root", "-D", database]
    result = server.system.run(["sh", "-c", line, "sh", path, *argv], timeout=timeout, check=False, apart=True)
    if result.code:
        raise Failure("MariaDB does not take the dump", result.errors)


def restore(server: Server, database: str, path: str, timeout: float) -> str:
    """Bring a dump back; return what became of the database that was there.

    It is loaded beside the database first: a dump that the server does not take replaces nothing.
    """
    fresh = "%s_restore_%s" % (database[:40], os.urandom(3).hex())
    former = "%s_before_%s" % (database[:40], time.strftime("%Y%m%dt%H%M%S", time.gmtime()))
    copy_charset(server, database, fresh)
    try:
        load(server, fresh, path, timeout)
        names = ", ".join(map(literal, (database, fresh)))
        if server.sql(IMMOVABLE.format(names=names)).output.strip() != "0":
            # Not in one step, for such databases have no other way; what was there is in the backup made just before.
            server.sql("DROP DATABASE %s;" % identifier(database))
            copy_charset(server, fresh, database)
            load(server, database, path, timeout)
            return ""
        for old in databases_like(server, database[:40] + "_before_"):
            server.sql("DROP DATABASE %s;" % identifier(old))
        copy_charset(server, database, former)
        moves = [move(each, database, former) for each in tables(server, database)]
        moves += [move(each, fresh, database) for each in tables(server, fresh)]
        if moves:
            # All at once: nobody ever finds half of it.
            server.sql("SET foreign_key_checks = 0; RENAME TABLE %s;" % ", ".join(moves))
    finally:
        server.sql("DROP DATABASE IF EXISTS %s;" % identifier(fresh))
    return "the database that was there is %s now" % former


def copy_charset(server: Server, source: str, target: str) -> None:
    """Make an empty database with the character set of another one."""
    where = "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s;" % literal(source)
    charset = server.sql("SELECT DEFAULT_CHARACTER_SET_NAME " + where).output.strip()
    if not charset:
        raise Failure("there is no database %s on this host; next: bootstrap" % source)
    server.sql("CREATE DATABASE %s CHARACTER SET %s;" % (identifier(target), identifier(charset)))


def tables(server: Server, database: str) -> List[str]:
    where = "FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s;" % literal(database)
    return server.sql("SELECT TABLE_NAME " + where).output.splitlines()


def databases_like(server: Server, start: str) -> List[str]:
    names = server.sql("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA;").output.splitlines()
    return [name for name in names if name.startswith(start)]


def move(table: str, source: str, target: str) -> str:
    name = identifier(table)
    return "%s.%s TO %s.%s" % (identifier(source), name, identifier(target), name)
