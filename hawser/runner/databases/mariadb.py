"""MariaDB databases and roles, through the host's own client as root.

Root needs no password on the socket, unless somebody gave it one: then its own option file or the package's has it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re

from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Set

    from ..specs.databases import MariadbDatabaseSpec, MariadbRoleSpec
    from ..system import Finished, System

NATIVE = "mysql_native_password"
LOCAL = "localhost"
# How many passwords an account has at most at the same time, while one takes the place of another.
PASSWORDS = 3
HASH = re.compile(r"\*[0-9A-F]{40}\Z")
# All names and texts go in as UTF-8, whatever the server's own default is.
CLIENT = ("--default-character-set=utf8mb4",)
# Whose options an administrator's client takes as root, and the maintenance of Debian's package.
OPTION_FILES = ("/root/.my.cnf", "/etc/mysql/debian.cnf")
# ER_ACCESS_DENIED_ERROR, and that of a plugin which takes no password.
NOT_LET_IN = re.compile(r"^ERROR (?:1045|1698) ", re.MULTILINE)


def identifier(name: str) -> str:
    """Quote a name for SQL (MariaDB, Identifier Names)."""
    if "\0" in name or not 0 < len(name) <= 64:
        raise Failure("%r is no name for MariaDB (1 to 64 characters)" % name)
    return "`%s`" % name.replace("`", "``")


def literal(text: str) -> str:
    """Quote a string for SQL, independent of sql_mode's rule for backslashes: as hexadecimal digits, in UTF-8."""
    return "_utf8mb4 X'%s'" % text.encode().hex()


def account(name: str, host: str) -> str:
    """Write an account; unlike other places, its two parts take quoted names only."""
    for part in (name, host):
        if "\0" in part or "\\" in part or "'" in part:
            raise Failure("%r is no name of a MariaDB account" % part)
    return "'%s'@'%s'" % (name, host)


def pattern(database: str) -> str:
    """Return a database's name as GRANT takes it, where ``_`` and ``%`` would stand for other characters."""
    return identifier(database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def verifier(password: str) -> str:
    """Return MariaDB's hash of a password with mysql_native_password."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


class Login:
    """A user of the server, and the password, empty where the socket says who it is."""

    def __init__(self, user: str, password: str = "") -> None:
        self.user = user
        self.password = password

    def variables(self) -> Dict[str, str]:
        """Return how a client learns the password: not among its arguments."""
        return {"MYSQL_PWD": self.password} if self.password else {}


class Server:
    """The MariaDB server of this host."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.program = "mariadb" if os.access("/usr/bin/mariadb", os.X_OK) else "mysql"
        self.login = Login("root")

    def sql(self, text: str, check: bool = True, timeout: float = 120) -> Finished:
        """Run SQL as root; rows come as lines of fields parted by tabs."""
        result = self.put(text, timeout)
        if result.code and NOT_LET_IN.search(result.errors) and self.find_login():
            result = self.put(text, timeout)
        if result.code and check:
            raise self.failure(result)
        return result

    def put(self, text: str, timeout: float) -> Finished:
        argv = [self.program, "--no-defaults", *CLIENT, "--protocol=socket", "--batch", "--skip-column-names", "--raw"]
        argv += ["-u", self.login.user]
        env = self.login.variables()
        return self.system.run(argv, env=env, stdin=text, timeout=timeout, check=False, apart=True, whole=True)

    def find_login(self) -> bool:
        """Take the first user and password of option files that the server lets in; tell whether there is one."""
        before = self.login
        for path in OPTION_FILES:
            self.login = self.login_of(path)
            if self.login.password and not self.put("SELECT 1;", 30).code:
                self.system.masks += (self.login.password,)
                return True
        self.login = before
        return False

    def login_of(self, path: str) -> Login:
        """Return what an option file says to a client, as the client itself reads it."""
        groups = ("client", "client-server", "client-mariadb", "mysql", "mariadb-client")
        result = self.system.run(["my_print_defaults", "--defaults-file=" + path, *groups], check=False, apart=True)
        rows = [row.partition("=") for row in result.output.split("\n") if not result.code]
        given = {name: value for name, _, value in rows}
        return Login(given.get("--user", "root"), given.get("--password", ""))

    def failure(self, result: Finished) -> Failure:
        """Return why root's SQL was not run."""
        said = first_error(result.errors)
        if NOT_LET_IN.search(result.errors):
            return Failure(
                "MariaDB lets root in neither without a password nor with that of %s: %s; next: write user and password"
                " of an administrator under [client] of /root/.my.cnf (mode 0600)" % (" or ".join(OPTION_FILES), said),
                result.errors,
            )
        return Failure("MariaDB: %s" % said, result.errors)

    def rows(self, text: str, timeout: float = 120) -> List[str]:
        """Return the rows that SQL gives; names that others have chosen are asked for by `values`."""
        # Names hold whatever else str.splitlines takes for the end of a line.
        return self.sql(text, timeout=timeout).output.split("\n")[:-1]

    def values(self, text: str, timeout: float = 120) -> List[str]:
        """Return the texts that SQL gives as hexadecimal digits, one a row."""
        return [bytes.fromhex(row).decode("utf-8", "replace") for row in self.rows(text, timeout)]

    def names(self) -> List[str]:
        """Return the names of all databases."""
        return self.values("SELECT hex(SCHEMA_NAME) FROM information_schema.SCHEMATA;")

    def has(self, database: str) -> bool:
        return bool(self.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s;" % literal(database)))

    def log_in(self, role: str, password: str) -> str:
        """Return why a role cannot log in on the socket; empty when it can."""
        argv = [self.program, "--no-defaults", *CLIENT, "--protocol=socket", "--batch", "-u", role]
        result = self.system.run(
            argv, env={"MYSQL_PWD": password}, stdin="SELECT 1;", timeout=30, check=False, apart=True
        )
        return first_error(result.errors) if result.code else ""

    def version(self) -> str:
        return "MariaDB " + self.sql("SELECT version();").output.strip().partition("-")[0]


def first_error(text: str) -> str:
    """Return the client's error message, without its numbers."""
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines() or [""]
    return re.sub(r"^ERROR \d+ \(\w+\)( at line \d+)?: ", "", lines[0]).strip()


class Database(Kind):
    """See `hawser.resources.MariadbDatabase`."""

    spec: MariadbDatabaseSpec

    def check(self) -> Optional[Change]:
        name, wanted = self.spec["name"], self.spec["charset"]
        where = "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s;" % literal(name)
        found = Server(self.system).sql("SELECT DEFAULT_CHARACTER_SET_NAME " + where).output.strip()
        if not found:
            return Change("new")
        return None if found == wanted else Change("character set of new tables %s -> %s" % (found, wanted))

    def apply(self, change: Change) -> None:
        name, charset = identifier(self.spec["name"]), identifier(self.spec["charset"])
        Server(self.system).sql(
            "CREATE DATABASE IF NOT EXISTS %s CHARACTER SET %s; ALTER DATABASE %s CHARACTER SET %s;"
            % (name, charset, name, charset)
        )


class Role(Kind):
    """See `hawser.resources.MariadbRole`.

    The server is given the hash that it stores, so that no log of it ever holds the password. What was changed is
    proved by a login.
    """

    spec: MariadbRoleSpec

    def hosts(self) -> List[str]:
        return [LOCAL, *(host for host in self.spec["hosts"] if host != LOCAL)]

    def stored(self, server: Server) -> Dict[str, str]:
        """Return host -> hash of the accounts that the role has; another kind of login counts as no hash."""
        rows = server.rows(
            "SELECT Host, IF(plugin IN ('', %s), authentication_string, '') FROM mysql.user WHERE User = %s;"
            % (literal(NATIVE), literal(self.spec["name"]))
        )
        return {host: value for host, _, value in (row.partition("\t") for row in rows)}

    def beside(self, server: Server) -> Dict[str, List[str]]:
        """Return host -> further hashes of the accounts that take several passwords (MariaDB 10.4 and later)."""
        found: Dict[str, List[str]] = {}
        where = "WHERE User = %s AND JSON_EXISTS(Priv, '$.auth_or');" % literal(self.spec["name"])
        result = server.sql("SELECT hex(Host), hex(Priv) FROM mysql.global_priv " + where, check=False)
        for row in result.output.split("\n")[:-1] if not result.code else ():
            host, _, priv = row.partition("\t")
            more = json.loads(bytes.fromhex(priv).decode("utf-8", "replace")).get("auth_or", [])
            hashes = [str(each.get("authentication_string", "")) for each in more if each.get("plugin") == NATIVE]
            found[bytes.fromhex(host).decode("utf-8", "replace")] = hashes
        return found

    def wanted(self, former: Sequence[str]) -> List[str]:
        """Return the hashes that an account shall have, with those that it has."""
        mine = verifier(self.spec["password"])
        if not self.spec["beside"]:
            return [mine]
        if mine in former:
            return list(former)
        # One that was to be replaced already, and is not in use, makes room.
        return [mine, *(each for each in former if HASH.match(each))][:PASSWORDS]

    def granted(self, server: Server, host: str) -> Set[str]:
        """Return the databases on which an account has all rights, as GRANT writes them."""
        rows = server.rows("SHOW GRANTS FOR %s;" % account(self.spec["name"], host))
        parts = (re.match(r"GRANT ALL PRIVILEGES ON (`.*`)\.\* TO ", row) for row in rows)
        return {each.group(1) for each in parts if each}

    def strangers(self, found: Dict[str, str]) -> List[str]:
        """Return the addresses of hosts that are no clients any more; accounts for names of hosts are not ours."""
        return [host for host in found if host not in self.hosts() and is_address(host)]

    def check(self) -> Optional[Change]:
        server = Server(self.system)
        found, more = self.stored(server), self.beside(server)
        if LOCAL not in found:
            return Change("new")
        notes = []
        wanted = {pattern(name) for name in self.spec["databases"]}
        for host in self.hosts():
            former = [found.get(host, ""), *more.get(host, [])]
            if former != self.wanted(former):
                notes.append("another password" if host in found else "from %s" % host)
            elif wanted - self.granted(server, host):
                notes.append("rights on %s" % ", ".join(self.spec["databases"]))
        notes += ["not from %s" % host for host in self.strangers(found)]
        return Change(", ".join(dict.fromkeys(notes))) if notes else None

    def apply(self, change: Change) -> None:
        name, password = self.spec["name"], self.spec["password"]
        server = Server(self.system)
        found, more = self.stored(server), self.beside(server)
        lines = ["DROP USER %s;" % account(name, host) for host in self.strangers(found)]
        for host in self.hosts():
            who = account(name, host)
            lines.append("CREATE USER IF NOT EXISTS %s;" % who)
            hashes = self.wanted([found.get(host, ""), *more.get(host, [])])
            ways = " OR ".join("%s USING '%s'" % (NATIVE, each) for each in hashes)
            lines.append("ALTER USER %s IDENTIFIED VIA %s;" % (who, ways))
            lines += ["GRANT ALL PRIVILEGES ON %s.* TO %s;" % (pattern(each), who) for each in self.spec["databases"]]
        server.sql("\n".join(lines))
        refusal = server.log_in(name, password)
        if refusal:
            raise Failure("the role %s has its password, yet cannot log in: %s" % (name, refusal))


def is_address(text: str) -> bool:
    """Tell whether an account's host is an address, as in the accounts that `Role` makes."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
