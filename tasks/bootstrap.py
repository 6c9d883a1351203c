"""From a bare host to one that is ready for a release: packages, user, folders, tools, services."""

from __future__ import annotations

from hawser.fleet import Fleet
from hawser.formats import json_text
from hawser.host import UV, Host
from hawser.locks import refuse_hold
from hawser.resources import Absent, Block, Directory, File, Packages, Resources, Service, Tool, User, UserGone
from hawser.steps import removal, rollout, step

from . import (
    acme,
    apache,
    certs,
    checkouts,
    chrony,
    firewall,
    mariadb,
    memcached,
    postgresql,
    rabbitmq,
    redis,
    shares,
    volumes,
)


@step()
def packages(host: Host) -> Resources:
    """Install the packages of the system that this host needs."""
    names = ["ca-certificates", "cron", "git", "logrotate", "python3-venv"]
    if host.serves_site:
        names += ["apache2" if apache.serves(host) else "nginx", "openssl"]
    if acme.wanted(host):
        names.append("certbot")
    if host.process_settings("supervisor"):
        names += ["supervisor"]
    if host.environment.python.conda and host.runs_code:
        names += ["python3-yaml"]
    names += [
        name
        for group, more in host.environment.packages.items()
        if group == "all" or host.is_in([group])
        for name in more
    ]
    yield Packages(tuple(dict.fromkeys(names)))


@step()
def account(host: Host) -> Resources:
    """Make the user that the application runs as, and keep the generated secrets for whoever lacks them."""
    yield Directory("/var/lib/hawser", mode=0o700)
    yield Directory(host.state, mode=0o700)
    generated = {name: host.secrets.values[name] for name in host.environment.env.generated}
    yield File(f"{host.state}/secrets.json", json_text(generated) + "\n", mode=0o600, opaque=True)
    yield User(host.app.user, f"{host.root}/home", host.app.group)
    users = {process.user for process in host.process_settings().values()}
    users |= {entry.user for entry in host.cron_entries().values()}
    for name in sorted(users - {host.app.user}):
        # Of the application's group, or it could not read the environment that it is started with.
        yield User(name, f"{host.root}/home", groups=(host.app.group,))


@step()
def folders(host: Host) -> Resources:
    """Make the application's folders: the service user owns only those that it must write to."""
    app = host.app
    yield Directory(host.root)
    yield Directory(f"{host.root}/releases")
    private = host.environment.persistent.private
    log = {"mode": 0o750, "group": app.group} if "log" in private else {}
    yield Directory(f"{host.root}/log", **log)
    yield Directory(f"{host.root}/ssl", mode=0o750)
    yield Directory(f"{host.root}/envs", owner=app.user, group=app.group)
    yield Directory(f"{host.root}/home", mode=0o750, owner=app.user, group=app.group)
    yield Directory(f"{host.root}/run", mode=0o750, owner=app.user, group="www-data")
    for folder in host.environment.persistent.folders:
        mode = 0o750 if folder in private else 0o755
        yield Directory(f"{host.root}/{folder}", mode=mode, owner=app.user, group=app.group)
    for folder in host.log_folders:
        yield Directory(folder)
    yield File(
        f"/etc/logrotate.d/{app.name}", host.render("logrotate.j2", folders=[f"{host.root}/log", *host.log_folders])
    )


@step()
def tools(host: Host) -> Resources:
    """Install uv, which builds the Python environments."""
    if host.runs_code:
        yield Directory("/opt/hawser")
        yield Tool(UV, host.uv)


@step()
def etc_hosts(host: Host) -> Resources:
    """Have the host know the others by name, where the settings want it."""
    setting = host.environment.etc_hosts
    known = setting is not None and host.is_in(setting.groups)
    lines = [
        f"{host.ip(each)} {' '.join(host.environment.names_of(each))}"
        for each in host.environment.hosts
        if known and each != host.name
    ]
    yield Block("/etc/hosts", host.app.name, "\n".join(lines))


@step()
def services(host: Host) -> Resources:
    """Have the services of the host run, now and after a boot."""
    yield Service("cron")
    yield Service("systemd-journald-dev-log.socket")
    if host.process_settings("supervisor"):
        yield Service("supervisor")
    if apache.serves(host):
        yield from apache.ready()
    elif host.serves_site:
        # Its server would answer for every name that no site claims.
        yield Absent("/etc/nginx/sites-enabled/default")
        yield Service("nginx")


STEPS = [
    packages,
    account,
    volumes.install,
    folders,
    etc_hosts,
    tools,
    services,
    postgresql.install,
    mariadb.install,
    rabbitmq.install,
    redis.install,
    chrony.install,
    memcached.install,
    firewall.install,
    shares.export,
    checkouts.tidy,
]


@rollout()
def bootstrap(fleet: Fleet) -> None:
    """Make bare hosts ready for a deploy: packages, user, folders, Python tools, services."""
    fleet.session.make_secrets()
    refuse_hold(fleet)
    environment, steps = fleet.environment, list(STEPS)
    # What one host mounts, another one exports first; and what restarts for a certificate does so in its turn.
    steps += [] if environment.shares else [shares.mount]
    steps += [] if environment.certificates else [certs.place]
    fleet.apply(steps, phase="bootstrap")
    if environment.shares:
        fleet.apply([shares.mount], phase="shares")
    if environment.checkouts:
        checkouts.settle(fleet, [])
        fleet.apply([checkouts.install], phase="checkouts")
    if environment.certificates:
        certs.bring(fleet)
    fleet.note_bootstrapped()


@removal("host")
def remove(host: Host) -> Resources:
    """Remove the application's folder, its users and its records; packages, tools and backups stay."""
    yield Absent(f"/etc/logrotate.d/{host.app.name}")
    yield Block("/etc/hosts", host.app.name, "")
    users = {process.user for process in host.process_settings().values()}
    users |= {entry.user for entry in host.cron_entries().values()}
    for name in [host.app.user, *sorted(users - {host.app.user})]:
        yield UserGone(name, f"{host.root}/home")
    yield Absent(host.root, recursive=True)
    # Last: it says that the host was set up.
    yield Absent(host.state, recursive=True)
