"""From a bare host to one that is ready for a release: packages, user, folders, tools, services."""

from __future__ import annotations

import contextlib

from hawser.fleet import access, kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import public_key
from hawser.fleet.references import bootstrapped_with, record_path
from hawser.fleet.releases import look_ahead, note_bootstrapped, refuse_taken_names
from hawser.formats import json_text
from hawser.host import Host
from hawser.host.addresses import ip_of
from hawser.host.places import UV, UV_FOLDER, log_folders, served_path, site_logs
from hawser.host.processes import live_processes_of, managers_of
from hawser.host.release import Release
from hawser.resources import (
    Absent,
    Block,
    Directory,
    File,
    FoldersGone,
    Packages,
    Resources,
    Service,
    Settled,
    Tool,
    User,
    UserGone,
    changed,
)
from hawser.session.generated import make_secrets
from hawser.signatures import BOOTSTRAP
from hawser.steps import StepLike, fleet_task, removal, step
from hawser.templates.rendering import TemplateError

from . import acme, backup, certs, checkouts, db, firewall, helper, notify, shares, sshd, team, updates, venv, volumes
from .services import SERVICES
from .webservers import web_server


@step()
def packages(host: Host) -> Resources:
    """Install the packages of the system that this host needs."""
    names = ["ca-certificates", "cron", "git", "logrotate", "python3-venv"]
    if host.web_server is not None:
        names += [host.web_server.package, "openssl"]
    names += acme.packages(host)
    names += [each.package for each in managers_of(host) if each.package]
    if host.environment.python.conda and host.runs_code:
        names += ["python3-yaml"]
    names += [
        name
        for group, more in host.environment.packages.items()
        if group == "all" or host.is_in([group])
        for name in more
    ]
    if server := web_server(host):
        yield from server.prepared(host)
    yield Packages(tuple(dict.fromkeys(names)))


@step()
def secrets(host: Host) -> Resources:
    """Have the host record the generated secrets, for whoever lacks them."""
    if host.rollout is not None and host.rollout.what != "deploy":
        # An older release may know fewer of them.
        return
    generated = {name: host.secrets.values[name] for name in host.environment.env.generated}
    yield File(f"{host.state}/secrets.json", json_text(generated) + "\n", mode=0o600, opaque=True)


@step()
def account(host: Host) -> Resources:
    """Make the user that the application runs as, and keep the generated secrets for whoever lacks them."""
    yield Directory("/var/lib/hawser", mode=0o700)
    yield Directory(host.state, mode=0o700)
    yield from secrets.resources(host)
    yield from public_key(host)
    yield User(host.app.user, f"{host.root}/home", host.app.group)
    for name in sorted(host.users - {host.app.user}):
        # Of the application's group, or it could not read the environment that it is started with.
        yield User(name, f"{host.root}/home", groups=(host.app.group,))


@step()
def folders(host: Host) -> Resources:
    """Make the application's folders: the service user owns only those that it must write to."""
    app = host.app
    yield Directory(host.root)
    yield Directory(f"{host.root}/releases")
    server = host.web_server
    # A web server that opens its logs without being root gets in, and sees nothing else.
    yield Directory(f"{host.root}/log", mode=0o751 if server and server.writer else 0o750, group=app.group)
    yield Directory(f"{host.root}/ssl", mode=0o750, group=server.user if server else "root")
    python = host.environment.python
    if python.conda and python.conda_packages == "conda":
        # Conda makes the folder of an environment itself; whose is whose is kept apart.
        yield Directory(f"{host.root}/envs", mode=0o1775, group=app.group)
    else:
        yield Directory(f"{host.root}/envs")
    yield Directory(f"{host.root}/home", mode=0o750, owner=app.user, group=app.group)
    yield Directory(f"{host.root}/run", mode=0o750, owner=app.user, group="www-data")
    for folder in host.environment.persistent.folders:
        path = f"{host.root}/{folder}"
        mode, group = (0o750, app.group) if not reads(host, path) else access_of_server(host, path)
        yield Directory(path, mode=mode, owner=app.user, group=group)
    for folder in log_folders(host):
        yield Directory(folder, mode=0o750, group=app.group)
    logs = dict.fromkeys(site_logs(host).values(), server.writer) if server and server.writer else {}
    if host.release is not None:
        mine = (process.log for process in live_processes_of(host))
        logs |= {path: "root" for path in mine if path.startswith(f"{host.root}/log/")}
    for path, owner in logs.items():
        yield File(path, "", mode=0o640, owner=owner, group=app.group, keep=True)
    yield File(
        f"/etc/logrotate.d/{app.name}", host.render("logrotate.j2", folders=[f"{host.root}/log", *log_folders(host)])
    )


def served(host: Host) -> list[str]:
    """Return the folders whose files the host's web server sends itself."""
    site = host.environment.site
    if site is None or not host.serves_site:
        return []
    found = []
    for prefix, folder in site.static.items():
        # One in a release cannot be named before there is one, and is no folder of these.
        with contextlib.suppress(TemplateError):
            found.append(served_path(host, host.text(folder, f"site.static.{prefix}")).rstrip("/"))
    # Further lines of the site may name those themselves of which a release has copies.
    return found + [f"{host.root}/{folder}" for folder in host.environment.persistent.collected]


def reads(host: Host, path: str) -> bool:
    """Whether the host's web server must get into a folder: it sends its files, or those of one above or below it."""
    site = host.environment.site
    if site is not None and host.serves_site and path in site.extra.replace("{{ root }}", host.root):
        return True
    return any(f"{one}/".startswith(f"{path}/") or f"{path}/".startswith(f"{one}/") for one in served(host))


def access_of_server(host: Host, path: str) -> tuple[int, str]:
    """Return mode and group of a folder of the application that the web server must get into.

    Nobody else may, but where processes of other users share it, the group is theirs.
    """
    if host.users <= {host.app.user, "root"}:
        return 0o750, "www-data"
    return (0o755 if path in served(host) else 0o751), host.app.group


@step()
def tools(host: Host) -> Resources:
    """Install uv, which builds the Python environments."""
    if host.runs_code:
        yield Directory("/opt/hawser")
        yield Tool(UV, UV_FOLDER)


@step()
def etc_hosts(host: Host) -> Resources:
    """Have the host know the others by name, where the settings want it."""
    setting = host.environment.etc_hosts
    known = setting is not None and host.is_in(setting.groups)
    lines = [
        f"{ip_of(host, each)} {' '.join(host.environment.names_of(each))}"
        for each in host.environment.hosts
        if known and each != host.name
    ]
    yield Block("/etc/hosts", host.app.name, "\n".join(lines))


@step()
def services(host: Host) -> Resources:
    """Have the services of the host run, now and after a boot."""
    yield Service("cron")
    yield Service("systemd-journald-dev-log.socket")
    for each in managers_of(host):
        if each.unit:
            service = Service(each.unit)
            yield service
            # systemd calls it started before it has read any definition.
            yield Settled(each.unit, "systemd", when=changed(service))
    if server := web_server(host):
        yield from server.ready()


STEPS = [
    # First: where it would lock out whoever is at work, nothing else is touched either.
    team.accounts,
    packages,
    updates.install,
    account,
    volumes.install,
    folders,
    etc_hosts,
    tools,
    services,
    *(each.install for each in SERVICES.values()),
    firewall.install,
    shares.export,
    backup.install,
    notify.install,
    helper.install,
    sshd.as_before,
    sshd.bans,
    checkouts.tidy,
    db.forget,
]


@step(bookkeeping=True)
def note(host: Host, made: Release | None = None) -> Resources:
    """Write down with which settings the host was set up, for whoever looks later for what has changed."""
    if made is not None:
        yield File(record_path(host), made.signed(host.secrets.signer, BOOTSTRAP), mode=0o600, opaque=True)
        yield File(f"{host.state}/host", f"{made.hosts.get(host.name, '')}\n", mode=0o600)


def serves_with_others(fleet: Fleet) -> bool:
    """Whether a release serves in this environment that was made with other secrets or settings than today's."""
    session, installed = fleet.session, fleet.environment.services.installed
    if not any(each.passwords and name in installed for name, each in SERVICES.items()):
        return False
    for name in fleet.everyone().with_code().reachable().names:
        facts = fleet.facts(name)
        if not facts.current:
            continue
        today = session.compared(facts.commit, session.environment, session.templates)
        if today.id != facts.current and not today.differs_by_hawser(facts.current, facts.hawser):
            return True
    return False


@fleet_task(admin=True)
def bootstrap(fleet: Fleet) -> None:
    """Make bare hosts ready for a deploy: packages, user, folders, Python tools, services.

    A second run changes nothing.
    """
    make_secrets(fleet.session)
    fleet.refuse_freeze()
    refuse_taken_names(fleet)
    db.refuse_broken_off(fleet)
    kept.ready(fleet)
    look_ahead(fleet)
    # Where a release serves, its Python is there; a deploy looks for another one.
    venv.require_interpreter(fleet.subset([name for name in fleet.names if not fleet.facts(name).current]))
    found = access.require_way_back(fleet)
    environment, steps = fleet.environment, list[StepLike](STEPS)
    if serves_with_others(fleet):
        # Not before the processes that use them: a deploy changes both together.
        waiting = [each.install for each in SERVICES.values() if each.passwords]
        steps = [each.given(serving=True) if each in waiting else each for each in STEPS]
    places = {name: each.address for name, each in found.items()}
    steps = [sshd.bans.given(places=places) if each is sshd.bans else each for each in steps]
    # What one host mounts, another one exports first; and what restarts for a certificate does so in its turn.
    steps += [] if environment.shares else [shares.mount]
    steps += [] if environment.certificates else [certs.place]
    fleet.apply(steps, phase="bootstrap")
    if environment.shares:
        fleet.apply([shares.mount], phase="shares")
    if environment.checkouts:
        commits = checkouts.pin_commits(fleet, ())
        fleet.apply([checkouts.install.given(commits=commits)], phase="checkouts")
    if environment.certificates:
        certs.bring(fleet)
    sshd.bring(fleet)
    made = bootstrapped_with(fleet)
    stale = [name for name in fleet.names if fleet.facts(name).set_up != made.id]
    if stale:
        fleet.subset(stale).apply([note.given(made=made)], phase="note")
    note_bootstrapped(fleet)


@removal()
def remove(host: Host) -> Resources:
    """Remove the application's folder, its users and its records; packages, tools and backups stay."""
    yield Absent(f"/etc/logrotate.d/{host.app.name}")
    yield Block("/etc/hosts", host.app.name, "")
    for name in [host.app.user, *sorted(host.users - {host.app.user})]:
        yield UserGone(name, f"{host.root}/home")
    yield Absent(host.root, recursive=True)
    yield FoldersGone(host.root)
    # Last: it says that the host was set up.
    yield Absent(host.state, recursive=True)
