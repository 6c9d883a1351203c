"""PostgreSQL roles and databases, through the host's own psql as the user ``postgres``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import unicodedata

from ..files.disk import read, write_atomically
from ..system import Change, Failure, Kind
from .logins import is_login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Tuple

    from ..specs.databases import PostgresDatabaseSpec, PostgresLoginSpec, PostgresRoleSpec
    from ..system import Finished, System

ITERATIONS = 4096
# The exit status of psql that found no way into the server (psql(1)).
NOT_CONNECTED = 2
# The owner of a database may set what holds for everybody who connects to it, the superuser too: with a path of schemas
# of its own, our queries would call its functions; as another role, they may nothing; after a millisecond, they end.
SETTINGS = {
    "search_path": "pg_catalog",
    "role": "none",
    "local_preload_libraries": "",
    "client_encoding": "UTF8",
    "client_min_messages": "warning",
    # The server speaks the language that the host had when it was made.
    "lc_messages": "C",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read\\ committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
# From version 17 on.
NEWER = {"transaction_timeout": "0", "event_triggers": "off"}
# Those of both that only the superuser may set.
OF_SUPERUSER = ("lc_messages", "event_triggers")
VERIFIER = re.compile(r"^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$")

# In the state folder: what servers stored of passwords that a rollout has replaced.
FORMER = "former-passwords"
WAITS = "the password of %s is another one now; it keeps the one that serves until a deploy of all hosts changes both"


def options(settings: Mapping[str, str]) -> str:
    """Write settings as PGOPTIONS takes them."""
    return " ".join("-c %s=%s" % each for each in settings.items())


def identifier(name: str) -> str:
    """Quote a name for SQL (PostgreSQL manual 4.1.1)."""
    if "\0" in name or not 0 < len(name.encode()) < 64:
        # PostgreSQL cuts a longer name without an error.
        raise Failure("%r is no name for PostgreSQL (1 to 63 bytes)" % name)
    return '"%s"' % name.replace('"', '""')


def literal(text: str) -> str:
    """Quote a string for SQL, independent of standard_conforming_strings (as libpq's PQescapeLiteral does)."""
    if "\0" in text:
        raise Failure("PostgreSQL takes no text with a zero character")
    quoted = "'%s'" % text.replace("'", "''").replace("\\", "\\\\")
    return " E" + quoted if "\\" in text else quoted


def scram(password: str, salt: bytes, iterations: int) -> str:
    """Return PostgreSQL's verifier of a password (RFC 5802; `pg_authid.rolpassword`)."""
    prepared = unicodedata.normalize("NFKC", password)
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode(), salt, iterations)
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    server = hmac.new(salted, b"Server Key", "sha256").digest()
    stored = hashlib.sha256(client).digest()
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return "SCRAM-SHA-256$%d:" % iterations + "%s$%s:%s" % tuple(text)


def fits(password: str, verifier: str) -> bool:
    """Tell whether a stored verifier was made from a password."""
    parts = VERIFIER.match(verifier)
    if not parts:
        return False
    return hmac.compare_digest(scram(password, base64.b64decode(parts.group(2)), int(parts.group(1))), verifier)


# The databases in which a role owns something or has rights.
OWNING = """
SELECT DISTINCT to_json(datname)::text FROM pg_shdepend JOIN pg_database AS d ON d.oid = dbid
    WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s);
"""


class Cluster:
    """The one PostgreSQL server that runs on this host.

    :raises Failure: there is none, or more than one.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        rows = [row.split() for row in system.run(["pg_lsclusters", "-h"]).output.splitlines()]
        online = [row for row in rows if len(row) > 3 and row[3].startswith("online")]
        if len(online) != 1:
            raise Failure(
                "%d PostgreSQL clusters are online on this host, not one%s"
                % (len(online), "".join("; %s/%s is %s" % (row[0], row[1], row[3]) for row in rows if len(row) > 3))
            )
        self.version, self.port = online[0][0], online[0][2]
        # Debian's own psql is a Perl script that looks for the cluster once more.
        program = "/usr/lib/postgresql/%s/bin/psql" % self.version
        self.program = program if os.access(program, os.X_OK) else "psql"

    def options(self, superuser: bool = True) -> Dict[str, str]:
        """Return the variable with which a client of the server is spared the settings of a database's owner.

        :param superuser: for one who may also leave out what is run at each login.
        """
        settings = dict(SETTINGS)
        if int(self.version.partition(".")[0]) >= 17:
            settings.update(NEWER)
        if not superuser:
            settings = {name: value for name, value in settings.items() if name not in OF_SUPERUSER}
        return {"PGOPTIONS": options(settings)}

    def psql(self, sql: str, database: str = "postgres", check: bool = True) -> Finished:
        """Run SQL as the superuser; rows come as lines of fields parted by ``|``."""
        argv = [self.program, "-X", "-q", "-At", "-w", "-v", "ON_ERROR_STOP=1", "-p", self.port, "-d", database]
        result = self.system.run(
            argv, user="postgres", env=self.options(), stdin=sql, timeout=600, check=False, apart=True, whole=True
        )
        if result.code and check:
            raise self.failure(result)
        return result

    def failure(self, result: Finished) -> Failure:
        """Return why the superuser's SQL was not run."""
        if result.code == NOT_CONNECTED and re.search(r"\bfe_sendauth\b|\bpostgres\b", result.errors):
            return Failure(
                "PostgreSQL does not let its own superuser in on the socket: %s; next: let the first line of"
                " /etc/postgresql/%s/*/pg_hba.conf be `local all postgres peer`, then: systemctl reload postgresql (or"
                " give the password in ~postgres/.pgpass)" % (first_error(result.errors), self.version),
                result.errors,
            )
        return Failure("PostgreSQL: %s" % first_error(result.errors), result.errors)

    def rows(self, sql: str, database: str = "postgres") -> List[str]:
        """Return the rows that SQL gives; names that others have chosen are asked for by `values`."""
        # Names hold whatever else str.splitlines takes for the end of a line.
        return self.psql(sql, database).output.split("\n")[:-1]

    def values(self, sql: str, database: str = "postgres") -> List[str]:
        """Return the texts that SQL gives as JSON, one a row."""
        return [str(json.loads(row)) for row in self.rows(sql, database)]

    def lists(self, sql: str, database: str = "postgres") -> List[List[object]]:
        """Return the rows of SQL that gives a list of JSON in each."""
        return [list(json.loads(row)) for row in self.rows(sql, database)]

    def names(self) -> List[str]:
        """Return the names of all databases."""
        return self.values("SELECT to_json(datname) FROM pg_database")

    def has(self, database: str) -> bool:
        return bool(self.rows("SELECT 1 FROM pg_database WHERE datname = %s" % literal(database)))

    def has_role(self, name: str) -> bool:
        return bool(self.rows("SELECT 1 FROM pg_roles WHERE rolname = %s" % literal(name)))

    def logins(self, owner: str) -> List[str]:
        """Return the roles that log in for the owner of databases, each with a password of its own."""
        members = (
            "SELECT to_json(member.rolname) FROM pg_auth_members JOIN pg_roles AS member ON member.oid = member"
            " JOIN pg_roles AS owner ON owner.oid = roleid WHERE owner.rolname = %s" % literal(owner)
        )
        return sorted({name for name in self.values(members) if is_login(name, owner)})

    def drop_login(self, name: str, owner: str) -> None:
        """Have a role not log in any more, and drop it; what it made is the owner's."""
        both = (identifier(name), identifier(owner))
        self.psql("ALTER ROLE %s NOLOGIN PASSWORD NULL;" % both[0])
        for database in self.values(OWNING % literal(name)):
            self.psql("REASSIGN OWNED BY %s TO %s; DROP OWNED BY %s;" % (*both, both[0]), conninfo(database))
        self.psql("DROP ROLE %s;" % both[0])

    def refuses(self, database: str) -> bool:
        """Tell whether nobody may connect to a database."""
        return self.rows("SELECT datallowconn FROM pg_database WHERE datname = %s" % literal(database)) == ["f"]

    def drop(self, database: str) -> None:
        """Drop a database, even in use, and even a template."""
        both = (identifier(database),) * 2
        self.rows("ALTER DATABASE %s IS_TEMPLATE false; DROP DATABASE %s WITH (FORCE);" % both)

    def log_in(self, role: str, password: str) -> str:
        """Return why a role cannot log in over TCP; empty when it can."""
        argv = [self.program, "-X", "-q", "-At", "-h", "127.0.0.1", "-p", self.port, "-d", "postgres", "-U", role, "-w"]
        result = self.system.run(
            argv, user="postgres", env={"PGPASSWORD": password}, stdin="SELECT 1", timeout=30, check=False, apart=True
        )
        return first_error(result.errors) if result.code else ""


def first_error(text: str) -> str:
    """Return the first error message in psql's output."""
    lines = [line for line in text.splitlines() if re.search(r"ERROR|FATAL|error:", line)] or text.splitlines() or [""]
    return re.sub(r"^.*?(ERROR|FATAL):\s*", "", lines[0]).strip()


class Role(Kind):
    """See `hawser.resources.PostgresRole`.

    The check compares the stored verifier: under ``trust`` a login would succeed with any password. What was changed is
    proved by a login.
    """

    spec: PostgresRoleSpec

    def check(self) -> Optional[Change]:
        name, password = self.spec["name"], self.spec["password"]
        cluster = Cluster(self.system)
        rows = cluster.rows(
            "SELECT rolcanlogin, coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s" % literal(name)
        )
        if not rows:
            return Change("new")
        can_log_in, _, verifier = rows[0].partition("|")
        if can_log_in != "t":
            return Change("may log in")
        if self.spec["former"] == "back":
            return Change("its former password") if os.path.exists(self.aside()) else None
        if fits(password, verifier):
            return None
        # The server prepares exotic characters in its own way: there, a login decides.
        exotic = not password.isascii() and VERIFIER.match(verifier)
        if exotic and not cluster.log_in(name, password):
            return None
        if self.spec["former"] == "keep" and verifier:
            self.system.warnings.append(WAITS % name)
            return None
        return Change("another password")

    def aside(self) -> str:
        """Return the file that keeps what the server stored of the former password, for a rollout that fails."""
        return os.path.join(self.system.state, FORMER, "postgresql-" + self.spec["name"])

    def keep_former(self, cluster: Cluster) -> None:
        """Keep what the server has stored of the password that is to be replaced; of two, the first."""
        name = literal(self.spec["name"])
        rows = cluster.rows("SELECT rolpassword FROM pg_authid WHERE rolname = %s AND rolpassword <> ''" % name)
        if rows and not os.path.exists(self.aside()):
            os.makedirs(os.path.dirname(self.aside()), mode=0o700, exist_ok=True)
            write_atomically(self.aside(), rows[0].encode(), 0o600)

    def take_back(self, cluster: Cluster) -> None:
        """Have the server store again what it did of the former password."""
        stored = (read(self.aside()) or b"").decode()
        cluster.psql("ALTER ROLE %s PASSWORD %s;\n" % (identifier(self.spec["name"]), literal(stored)))
        os.unlink(self.aside())

    def apply(self, change: Change) -> None:
        name, password = self.spec["name"], self.spec["password"]
        cluster = Cluster(self.system)
        if self.spec["former"] == "back":
            self.take_back(cluster)
            return
        self.keep_former(cluster)
        # Made here, so that the password never stands in the server's log. Other than ASCII is left to the server.
        secret = scram(password, os.urandom(16), ITERATIONS) if password.isascii() else password
        cluster.psql(
            "SET password_encryption = 'scram-sha-256';\n%s ROLE %s LOGIN PASSWORD %s;\n"
            % ("ALTER" if cluster.has_role(name) else "CREATE", identifier(name), literal(secret))
        )
        refusal = cluster.log_in(name, password)
        if refusal:
            raise Failure("the role %s has its password, yet cannot log in over 127.0.0.1: %s" % (name, refusal))


# Whether a role acts as another one from its login on.
ACTING = "SELECT 1 FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = %s::regrole AND %s = ANY(setconfig)"


class Login(Kind):
    """See `hawser.resources.PostgresLogin`."""

    spec: PostgresLoginSpec

    def others(self, cluster: Cluster) -> List[str]:
        """Return who else logs in for the owner: roles like this one, and the owner itself."""
        owner, name = self.spec["owner"], self.spec["name"]
        others = [each for each in cluster.logins(owner) if each != name]
        sql = "SELECT 1 FROM pg_authid WHERE rolname = %s AND (rolcanlogin OR rolpassword IS NOT NULL)"
        return [*others, owner] if name and cluster.rows(sql % literal(owner)) else others

    def lacks(self, cluster: Cluster) -> str:
        """Return what the role lacks; empty where it logs in and acts as the owner."""
        name, owner = self.spec["name"], self.spec["owner"]
        rows = cluster.rows(
            "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolcanlogin AND rolname = %s" % literal(name)
        )
        if not rows:
            return "new"
        acts = ACTING % (literal(identifier(name)), literal("role=" + owner))
        if name not in cluster.logins(owner) or not cluster.rows(acts):
            return "acts as %s" % owner
        exotic = not self.spec["password"].isascii() and VERIFIER.match(rows[0])
        if fits(self.spec["password"], rows[0]) or (exotic and not cluster.log_in(name, self.spec["password"])):
            return ""
        return "another password"

    def check(self) -> Optional[Change]:
        cluster = Cluster(self.system)
        notes = [self.lacks(cluster)] if self.spec["name"] else []
        if self.spec["alone"] and (others := self.others(cluster)):
            notes.append("not %s any more" % ", ".join(others))
        told = ", ".join(note for note in notes if note)
        return Change(told) if told else None

    def apply(self, change: Change) -> None:
        name, owner, password = self.spec["name"], self.spec["owner"], self.spec["password"]
        cluster = Cluster(self.system)
        if name and self.lacks(cluster):
            secret = scram(password, os.urandom(16), ITERATIONS) if password.isascii() else password
            login, acting = identifier(name), identifier(owner)
            lines = [] if cluster.has_role(owner) else ["CREATE ROLE %s;" % acting]
            verb = "ALTER" if cluster.has_role(name) else "CREATE"
            lines += [
                "SET password_encryption = 'scram-sha-256';",
                "%s ROLE %s LOGIN PASSWORD %s;" % (verb, login, literal(secret)),
                "GRANT %s TO %s;" % (acting, login),
                "ALTER ROLE %s SET role = %s;" % (login, literal(owner)),
            ]
            cluster.psql("\n".join(lines))
            if refusal := cluster.log_in(name, password):
                raise Failure("the role %s cannot log in over 127.0.0.1: %s" % (name, refusal))
        for other in self.others(cluster) if self.spec["alone"] else ():
            if other == owner:
                cluster.psql("ALTER ROLE %s NOLOGIN PASSWORD NULL;" % identifier(owner))
            else:
                cluster.drop_login(other, owner)


DATABASE_FACTS = """
SELECT json_build_array(
    pg_get_userbyid(datdba), pg_encoding_to_char(encoding), ARRAY(SELECT extname::text FROM pg_extension)
) FROM pg_database WHERE datname = current_database();
"""


class Database(Kind):
    """See `hawser.resources.PostgresDatabase`."""

    spec: PostgresDatabaseSpec

    def look(self, cluster: Cluster) -> Optional[Tuple[str, str, List[str]]]:
        """Return owner, encoding and extensions; None when there is no such database."""
        result = cluster.psql(DATABASE_FACTS, conninfo(self.spec["name"]), check=False)
        if result.code:
            # Who is not let in hears why in the server's own language.
            if not cluster.has(self.spec["name"]):
                return None
            if cluster.refuses(self.spec["name"]):
                raise Failure("nobody may connect to the database %s; next: resume" % self.spec["name"])
            raise cluster.failure(result)
        owner, encoding, extensions = json.loads(result.output)
        return owner, encoding, extensions

    def check(self) -> Optional[Change]:
        found = self.look(Cluster(self.system))
        if found is None:
            return Change("new")
        owner, encoding, extensions = found
        if encoding != "UTF8":
            raise Failure(
                "the database %s has the encoding %s, which cannot be changed; next: dump it, drop it, deploy, restore"
                " it" % (self.spec["name"], encoding)
            )
        notes = ["owner %s -> %s" % (owner, self.spec["owner"])] if owner != self.spec["owner"] else []
        notes += ["extension " + name for name in self.spec["extensions"] if name not in extensions]
        return Change(", ".join(notes)) if notes else None

    def apply(self, change: Change) -> None:
        name, owner = self.spec["name"], self.spec["owner"]
        cluster = Cluster(self.system)
        found = self.look(cluster)
        if found is None:
            self.create(cluster)
        elif found[0] != owner:
            cluster.psql("ALTER DATABASE %s OWNER TO %s;" % (identifier(name), identifier(owner)))
        for extension in self.spec["extensions"]:
            sql = "SET search_path = public; CREATE EXTENSION IF NOT EXISTS %s;"
            sql %= identifier(extension)
            result = cluster.psql(sql, conninfo(name), check=False)
            if "is not available" in result.errors or "could not open extension control file" in result.errors:
                raise Failure(
                    "the extension %s is not installed on this host; next: name its Debian package under [packages]"
                    " (as postgresql-contrib or postgresql-%s-%s)" % (extension, cluster.version, extension),
                    result.errors,
                )
            if result.code:
                raise Failure("the extension %s: %s" % (extension, first_error(result.errors)), result.errors)

    def create(self, cluster: Cluster) -> None:
        sql = "CREATE DATABASE %s OWNER %s ENCODING 'UTF8' TEMPLATE template0" % (
            identifier(self.spec["name"]),
            identifier(self.spec["owner"]),
        )
        result = cluster.psql(sql + ";", check=False)
        if result.code and "does not match locale" in result.errors:
            # The server was set up in a locale of another encoding.
            result = cluster.psql(sql + " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';", check=False)
        if result.code:
            raise Failure("the database %s: %s" % (self.spec["name"], first_error(result.errors)), result.errors)


def conninfo(database: str) -> str:
    """Name a database for psql's -d, which takes a name with ``=`` or a URL for more than a name (libpq 34.1.1)."""
    return "dbname='%s'" % database.replace("\\", "\\\\").replace("'", "\\'")
