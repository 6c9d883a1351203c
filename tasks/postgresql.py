"""PostgreSQL: the server, roles, databases, and who may connect."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Block, Command, File, Packages, PostgresDatabase, PostgresRole, Resources, Service, changed
from hawser.steps import step

CLUSTER = "/etc/postgresql/*/main"


@step()
def install(host: Host) -> Resources:
    """Install PostgreSQL with its roles and databases, open to the groups that need it and to nobody else."""
    setting = host.environment.services.postgresql
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(("postgresql",))
    yield Service("postgresql")
    rules = [
        f"host {name} {database.owner} {address}/{bits} scram-sha-256"
        for name, database in setting.databases.items()
        for address, bits in host.clients(database.clients)
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
    yield Command(("systemctl", "restart", "postgresql"), when=changed(settings))
    yield Command(("systemctl", "reload", "postgresql"), when=changed(access))
    for name, database in setting.databases.items():
        password = host.text(database.password, f"services.postgresql.databases.{name}.password")
        yield PostgresRole(database.owner, password)
        yield PostgresDatabase(name, database.owner, database.extensions)
