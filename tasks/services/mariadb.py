"""MariaDB: the server, databases, roles, and who may connect."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from hawser.host import Host
from hawser.host.addresses import clients
from hawser.host.databases import Database, databases_gone
from hawser.inventory.tables.services.mariadb import Mariadb
from hawser.resources import Absent, Command, File, MariadbDatabase, MariadbRole, Packages, Resources, Service, changed
from hawser.steps import removal, step

from .moments import AT_ONCE, BACK, WAIT

# Succeeds where the running server listens as its files say.
LISTENS = (
    "if ls /etc/mysql/mariadb.conf.d/90-hawser-*.cnf >/dev/null 2>&1; then wanted=yes; else wanted=no; fi; "
    "if [ \"$(mariadb -NBe 'SELECT @@bind_address')\" = '*' ]; then is=yes; else is=no; fi; [ $wanted = $is ]"
)

SHELL = """
away() {{ echo "DROP USER IF EXISTS '$who'@localhost;" | mariadb; }}
printf '%s\\n' "CREATE USER '$who'@localhost IDENTIFIED BY '$secret';" \\
    "GRANT ALL PRIVILEGES ON \\`{pattern}\\`.* TO '$who'@localhost;" | mariadb || exit 1
MYSQL_PWD=$secret mariadb --default-character-set=utf8mb4 -u "$who" -D {database}
"""


@step()
def install(host: Host, serving: bool = False) -> Resources:
    """Install MariaDB with its databases and roles, open to the groups that need it and to nobody else.

    Where the settings speak of none any more, its data stays, and nobody reaches it from elsewhere.
    """
    setting = host.environment.services.mariadb
    path = f"/etc/mysql/mariadb.conf.d/90-hawser-{host.app.name}.cnf"
    if setting is None or not host.is_in(setting.groups):
        gone = Absent(path)
        yield gone
        yield listening(gone)
        return
    yield Packages(setting.PACKAGES)
    yield Service(setting.UNIT)
    remote = reached_from(host, setting)
    # An application that needs no remote access says nothing, so it never closes what another one here needs open.
    listen: File | Absent = File(path, "[mariadbd]\nbind-address = *\n") if any(remote.values()) else Absent(path)
    yield listen
    yield listening(listen)
    for name, database in setting.databases.items():
        yield MariadbDatabase(name, database.charset)
    yield from passwords.given(moment=WAIT if serving else AT_ONCE).resources(host)


@step()
def passwords(host: Host, moment: str = AT_ONCE) -> Resources:
    """Give the roles their passwords, beside those that they have until all processes have the new ones."""
    setting = host.environment.services.mariadb
    if setting is None or not host.is_in(setting.groups) or moment == BACK:
        return
    for owner, reached in reached_from(host, setting).items():
        theirs = [name for name, database in setting.databases.items() if database.owner == owner]
        key = f"services.mariadb.databases.{theirs[0]}.password"
        password = host.text(setting.databases[theirs[0]].password, key)
        yield MariadbRole(owner, password, tuple(theirs), reached, beside=moment != AT_ONCE)


def reached_from(host: Host, setting: Mariadb) -> dict[str, tuple[str, ...]]:
    """Return, by role, the addresses from which it may connect."""
    owners = dict.fromkeys(each.owner for each in setting.databases.values())
    return {owner: addresses(host, setting.clients_of(owner)) for owner in owners}


def listening(file: File | Absent) -> Command:
    """Restart the server after a change of where it listens, but only where that is elsewhere than it should.

    A second application must not cut off the first one's requests.
    """
    restart = ("systemctl", "restart", Mariadb.UNIT)
    return Command(restart, when=changed(file), unless=("sh", "-c", LISTENS), title=f"systemctl restart {Mariadb.UNIT}")


def addresses(host: Host, groups: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses of the hosts in some groups as MariaDB compares them: as short as they can be."""
    return tuple(str(ipaddress.ip_address(address)) for address, _bits in clients(host, groups))


@removal()
def remove(host: Host) -> Resources:
    """Remove the databases, each after a last backup, their roles, and what opens the server; it is not restarted."""
    setting = host.environment.services.mariadb
    if setting is None or not host.is_in(setting.groups):
        return
    yield from databases_gone(host, "mariadb")
    yield Absent(f"/etc/mysql/mariadb.conf.d/90-hawser-{host.app.name}.cnf")


def shell(database: Database) -> str:
    """Return the script that opens a database's own shell, for a login of this shell alone: `$who`, with `$secret`."""
    # To GRANT, `_` would stand for any character.
    return SHELL.format(database=database.name, pattern=database.name.replace("_", "\\\\_"))
