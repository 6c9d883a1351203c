"""PostgreSQL: the server, roles, databases, and who may connect."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.addresses import clients
from hawser.host.databases import Database, databases_gone
from hawser.host.logins import login_name
from hawser.inventory.tables.services.postgresql import Postgresql
from hawser.resources import (
    Absent,
    Block,
    Command,
    File,
    Packages,
    PostgresDatabase,
    PostgresLogin,
    PostgresRole,
    Resources,
    Service,
    changed,
)
from hawser.runner.databases import postgres
from hawser.steps import removal, step

from .moments import AT_ONCE, BACK, BEGIN_ANEW, WAIT

CLUSTER = "/etc/postgresql/*/main"
# Succeeds where the running server listens as its files say (postgresql.org/docs/current/view-pg-file-settings.html).
LISTENS = (
    "! runuser -u postgres -- psql -AtXc \"SELECT 1 FROM pg_file_settings WHERE name = 'listen_addresses' "
    'AND error IS NOT NULL" | grep -q 1'
)

SHELL = """
case $(psql -V) in *" 1"[0-6].*) newer= ;; *) newer='{newer}' ;; esac
admin() {{ PGOPTIONS="{options} $newer" runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 -d "$1"; }}
away() {{
    echo "REASSIGN OWNED BY $who TO \\"{owner}\\"; DROP OWNED BY $who; DROP ROLE $who;" | admin {database}
}}
echo "CREATE ROLE $who LOGIN PASSWORD '$secret' VALID UNTIL 'tomorrow'; GRANT \\"{owner}\\" TO $who;" |
    admin postgres || exit 1
PGOPTIONS='-c role={owner}' PGPASSWORD=$secret runuser -u postgres -- psql -h 127.0.0.1 -U "$who" -d {database}
"""


@step()
def install(host: Host, serving: bool = False) -> Resources:
    """Install PostgreSQL with its roles and databases, open to the groups that need it and to nobody else.

    On a host that has none, or has it no more, nobody is let in for this application; server and databases stay.
    """
    setting = host.environment.services.postgresql
    if setting is None or not host.is_in(setting.groups):
        yield from closed(host)
        return
    yield Packages(setting.PACKAGES)
    yield Service(setting.UNIT)
    rules = [
        # With a plus: the owner, and every role that acts as it.
        f"host {name} {'+' if database.logins else ''}{database.owner} {address}/{bits} scram-sha-256"
        for name, database in setting.databases.items()
        for address, bits in clients(host, database.clients)
    ]
    # A file in conf.d is read after postgresql.conf, which the package's upgrades keep. An application that needs no
    # remote access says nothing, so it never closes what another one on this host needs open.
    settings = File(
        f"{CLUSTER}/conf.d/hawser-{host.app.name}.conf",
        ("listen_addresses = '*'\n" if rules else "") + "password_encryption = 'scram-sha-256'\n",
        owner="postgres",
        group="postgres",
    )
    yield settings
    access = Block(f"{CLUSTER}/pg_hba.conf", host.app.name, "\n".join(rules))
    yield access
    # Only where it listens elsewhere than it should: a second application must not cut off the first one's requests.
    restart, title = ("systemctl", "restart", setting.UNIT), f"systemctl restart {setting.UNIT}"
    yield Command(restart, when=changed(settings), unless=("sh", "-c", LISTENS), title=title)
    yield Command(("systemctl", "reload", setting.UNIT), when=changed(settings, access))
    yield from passwords.given(moment=WAIT if serving else AT_ONCE).resources(host)
    for name, database in setting.databases.items():
        yield PostgresDatabase(name, database.owner, database.extensions)


@step()
def passwords(host: Host, moment: str = AT_ONCE) -> Resources:
    """Give the roles their passwords: one alone, and the former one fails from here on, or each a login of its own."""
    setting = host.environment.services.postgresql
    if setting is None or not host.is_in(setting.groups):
        return
    kept_aside = Absent(f"{host.state}/{postgres.FORMER}", recursive=True)
    if moment == BEGIN_ANEW:
        yield kept_aside
    for name, database in setting.databases.items():
        password = host.text(database.password, f"services.postgresql.databases.{name}.password")
        login = login_name(database.owner, password) if database.logins else ""
        if not login:
            yield PostgresRole(database.owner, password, {WAIT: "keep", BACK: "back"}.get(moment, ""))
        if (login and moment != BACK) or moment == AT_ONCE:
            yield PostgresLogin(login, database.owner, password if login else "", alone=moment == AT_ONCE)
    if moment == AT_ONCE:
        yield kept_aside


@removal()
def remove(host: Host) -> Resources:
    """Remove the databases, each after a last backup, their roles, and who may connect."""
    setting = host.environment.services.postgresql
    if setting is None or not host.is_in(setting.groups):
        return
    yield from databases_gone(host, "postgresql")
    yield from closed(host)


def closed(host: Host) -> Resources:
    """Yield that nobody may connect for this application.

    The server is not restarted, for others may use it: where it listened for this application alone, it still does, for
    nobody, until its next start.
    """
    settings = Absent(f"{CLUSTER}/conf.d/hawser-{host.app.name}.conf")
    access = Block(f"{CLUSTER}/pg_hba.conf", host.app.name, "")
    yield settings
    yield access
    yield Command(("systemctl", "reload", Postgresql.UNIT), when=changed(settings, access))


def shell(database: Database) -> str:
    """Return the script that opens a database's own shell, for a login of this shell alone: `$who`, with `$secret`."""
    options = {"options": postgres.options(postgres.SETTINGS), "newer": postgres.options(postgres.NEWER)}
    return SHELL.format(**options, database=database.name, owner=database.owner)
