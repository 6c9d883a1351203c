"""Contradictions between tables: names that stand for nothing elsewhere, and keys that do not go together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..base import Loc, SettingError, did_you_mean, listed
from ..schema import Environment
from ..tables.files import FileEntry, Site
from ..tables.samples import SettingsEntry
from .backup import check_backup
from .certificates import check_certificates
from .checkouts import check_checkouts
from .instances import check_instances, check_named_instances
from .logins import check_logins
from .package import check_origin
from .processes import check_named_processes, check_ports, check_processes, check_spare_ports
from .site import check_site_extras
from .team import check_sshd, check_team
from .values import check_secrets, check_sources, check_templates

_TAKEN_UNDER_ROOT = (
    *("releases", "envs", "builds", "run", "current", "previous", "repository.git", "home"),
    *("checkouts", "acme"),
)
_GO_WITH_RELEASES = ("releases", "envs", "builds", "run", "current", "previous", "repository.git")
_SHARED_UNDER_ROOT = ("log", "ssl")
_OF_THE_SYSTEM = tuple(
    f"/{name}"
    for name in ["bin", "boot", "dev", "etc", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"]
)
_ALL = "'all' stands for every host and cannot be the name of a host or group"
_APP = frozenset({"app"})
_HOSTS = frozenset({"hosts"})
_PROCESSES = frozenset({"processes"})
_FILES = frozenset({"files"})
_SITE = frozenset({"site"})


def contradictions(environment: Environment, folder: Path) -> list[SettingError]:
    """Return everything that is wrong between the keys of an environment.

    :param folder: where the file lies, for certificates that it names.
    """
    checks: tuple[Iterable[SettingError], ...] = (
        check_hosts(environment),
        check_logins_of_hosts(environment),
        check_groups(environment),
        check_origin(environment),
        check_app(environment),
        check_python(environment),
        check_leader(environment),
        check_inputs(environment),
        unknown_names(environment),
        check_instances(environment),
        check_processes(environment),
        check_ports(environment),
        check_spare_ports(environment),
        check_files(environment),
        check_checkouts(environment),
        check_services(environment),
        check_team(environment),
        check_sshd(environment),
        check_logins(environment),
        check_mounts(environment),
        check_shares(environment),
        check_volumes(environment),
        check_backup(environment),
        check_hooks(environment),
        check_secrets(environment),
        check_sources(environment),
        check_templates(environment),
        check_certificates(environment),
        check_site(environment.site, environment, folder) if environment.site else (),
        check_site_extras(environment, folder),
    )
    return [finding for check in checks for finding in check]


def unknown_names(environment: Environment) -> Iterator[SettingError]:
    """Processes and instances that are named exist: without them, nothing can be rendered for any host."""
    yield from check_named_processes(environment)
    yield from check_named_instances(environment)


def check_hosts(environment: Environment) -> Iterator[SettingError]:
    """Hosts exist, are told apart by address, and share no name with a group."""
    if not environment.hosts:
        yield SettingError(("hosts",), "names no host", 'add [hosts.web1] with address = "…"', needs=_HOSTS)
    seen: dict[tuple[str, int], str] = {}
    for name, host in environment.hosts.items():
        at: Loc = ("hosts", name)
        if name == "all":
            yield SettingError(at, _ALL)
        for position, group in enumerate(host.groups):
            if group == "all":
                yield SettingError((*at, "groups", position), _ALL)
            elif group in environment.hosts:
                message = f"{group!r} is the name of a host and of a group"
                yield SettingError((*at, "groups", position), message, "rename one of the two")
        place = (host.address.lower(), host.port or 22)
        # Behind different jump hosts the same private address is another machine.
        twin = seen.setdefault(place, name)
        if twin != name and environment.hosts[twin].jump == host.jump:
            yield SettingError((*at, "address"), f"{twin} has the same address and port")
        if host.sandbox and host.address != name:
            yield SettingError(
                (*at, "address"), "a sandbox host gets its address from the sandbox", "remove one of the two"
            )


def check_logins_of_hosts(environment: Environment) -> Iterator[SettingError]:
    """Who deploys and who may do anything are two logins, where there is one for each."""
    admin = environment.ssh.admin
    if admin is None:
        return
    for name, host in environment.hosts.items():
        if not host.user:
            message = f"on {name} nobody is named who deploys, beside who may do anything"
            yield SettingError(("ssh", "admin"), message, 'add user = "deploy" to [ssh]')
        elif host.user in (admin, "root"):
            message = f"{host.user} is who deploys on {name}, and may do anything there"
            yield SettingError(("ssh", "admin"), message, "two accounts, or no admin")


def check_groups(environment: Environment) -> Iterator[SettingError]:
    """Every group that is named anywhere has hosts."""
    for loc, group in _named_groups(environment):
        if group in environment.groups:
            continue
        hint = did_you_mean(group, environment.groups, f'add it to a host: groups = ["{group}"]')
        if group in environment.hosts:
            hint = f"{group} is a host; give it a group"
        yield SettingError(loc, f"no host is in the group {group!r}", hint, needs=_HOSTS)


def _named_groups(environment: Environment) -> Iterator[tuple[Loc, str]]:
    places: list[tuple[Loc, Sequence[str]]] = []
    places += [(("processes", name, "groups"), entry.groups) for name, entry in environment.processes.items()]
    places += [(("cron", name, "groups"), entry.groups) for name, entry in environment.cron.items()]
    places += [(("builds", name, "groups"), entry.groups) for name, entry in environment.builds.items()]
    for table in ("files", "settings", "patches", "hooks"):
        places += [((table, index, "groups"), entry.groups) for index, entry in enumerate(getattr(environment, table))]
    places += [(("certificates", name, "groups"), entry.groups) for name, entry in environment.certificates.items()]
    places += [(("rules", index, "groups"), rule.groups) for index, rule in enumerate(environment.rules)]
    places += [(("volumes", name, "groups"), volume.groups) for name, volume in environment.volumes.items()]
    places += [(("shares", name, "clients"), share.clients) for name, share in environment.shares.items()]
    if environment.etc_hosts:
        places.append((("etc_hosts", "groups"), environment.etc_hosts.groups))
    if environment.site:
        places.append((("site", "groups"), environment.site.groups))
    for index, rule in enumerate(environment.firewall.rules if environment.firewall else ()):
        places.append((("firewall", "rules", index, "groups"), rule.groups))
        places.append((("firewall", "rules", index, "from_groups"), rule.from_groups))
    places += [(("checkouts", name, "groups"), entry.groups) for name, entry in environment.checkouts.items()]
    for name, service in environment.services.installed.items():
        places.append((("services", name, "groups"), service.groups))
        places += [(("services", name, *access.at, "clients"), access.clients) for access in service.access()]
    for loc, groups in places:
        yield from (((*loc, position), group) for position, group in enumerate(groups))
    yield from ((("packages", group), group) for group in environment.packages if group != "all")


def check_app(environment: Environment) -> Iterator[SettingError]:
    """The ways to fetch the code fit the repository, and nothing under the root has two meanings."""
    app = environment.app
    only = frozenset({"app"})
    if app.token and app.repo and not app.repo.startswith("https://"):
        yield SettingError(("app", "token"), "is for a repository at https://", "deploy_key is for SSH", needs=only)
    for key, given in (("deploy_key", app.deploy_key), ("agent", app.agent), ("repo_host_keys", app.repo_host_keys)):
        if given and app.repo and (app.local or app.repo.startswith(("https://", "http://"))):
            yield SettingError(("app", key), "is for a repository reached over SSH", "token is for HTTPS", needs=only)
    if app.local and not app.push:
        yield SettingError(("app", "push"), "must be true: hosts cannot reach a path on this machine", needs=only)
    if app.push and app.repo and not app.local:
        yield SettingError(("app", "push"), "is for a repository at a path on this machine", "remove it", needs=only)
    for key, user in (("user", app.user), ("group", app.group)):
        if user == "root" and (key == "user" or app.user != "root"):
            yield SettingError(("app", key), "the application must not run as root", needs=only)
    if app.root.count("/") < 2 or app.root.startswith(("/root/", "/proc/", "/sys/", "/dev/", "/tmp/", "/run/")):
        message = f"{app.root} cannot be the application's own folder"
        yield SettingError(("app", "root"), message, f"as in /srv/{app.name}", needs=only)
    if not re.fullmatch(r"[A-Za-z0-9._/-]+", app.root, re.ASCII):
        message = f"{app.root} has characters that nginx, cron and systemd read in different ways"
        yield SettingError(("app", "root"), message, "letters, digits and . _ - / only", needs=only)
    for key, link in (("source", app.source), ("environment", app.environment)):
        if link in (*_TAKEN_UNDER_ROOT, *_SHARED_UNDER_ROOT):
            yield SettingError(("app", key), f"{link!r} is a folder that Hawser needs under {app.root}", needs=only)
    if app.source == app.environment:
        yield SettingError(("app", "environment"), "has the same name as app.source", needs=only)
    for index, folder in enumerate(environment.persistent.folders):
        first = folder.split("/")[0]
        if folder in _SHARED_UNDER_ROOT:
            yield SettingError(
                ("persistent", "folders", index), f"{folder} belongs to root", f"as in {folder}/app", needs=only
            )
        if first in (*_TAKEN_UNDER_ROOT, app.source, app.environment, ".", ""):
            message = f"{folder!r} does not survive a release: Hawser manages {first} itself"
            yield SettingError(("persistent", "folders", index), message, "name a folder beside it", needs=only)


def check_python(environment: Environment) -> Iterator[SettingError]:
    """There is one source of requirements."""
    python = environment.python
    if python.lock:
        name = python.lock.rpartition("/")[2]
        if name != "uv.lock" and not (name.startswith("pylock.") and name.endswith(".toml")):
            yield SettingError(
                ("python", "lock"), f"{name!r} is no lock file that Hawser knows", "uv.lock, pylock.toml"
            )
        if python.requirements:
            yield SettingError(("python", "requirements"), "cannot be used beside python.lock", "remove one of the two")
    if python.conda:
        for key, given in (("lock", python.lock), ("extras", python.extras), ("groups", python.groups)):
            if given:
                yield SettingError(("python", key), "cannot be used beside python.conda", "remove one of the two")
        if python.interpreter and python.conda_packages == "conda":
            yield SettingError(
                ("python", "interpreter"), "comes from conda", "write python=3.x into its file, or remove it"
            )
    else:
        for key, differs in (
            ("conda_packages", python.conda_packages != "conda"),
            ("conda_program", python.conda_program is not None),
        ):
            if differs:
                yield SettingError(("python", key), "needs python.conda", 'as in conda = "environment.yml"')
    if python.upload:
        for key, given in (("conda", python.conda), ("mirror", python.mirror)):
            if given:
                yield SettingError(("python", "upload"), f"cannot be used beside python.{key}", "remove one of the two")
        if python.interpreter and python.interpreter.startswith("/"):
            hint = "remove one of the two, or write a version"
            yield SettingError(("python", "interpreter"), "is a path, and python.upload brings another one", hint)
    if python.resolver != "uv":
        for key, given in (("lock", python.lock), ("conda", python.conda), ("groups", python.groups)):
            if given:
                yield SettingError(("python", "resolver"), f"has no say beside python.{key}", "remove one of the two")
    if python.build_constraints and python.lock and python.lock.endswith("uv.lock"):
        hint = "pyproject.toml names them under [tool.uv] build-constraint-dependencies"
        yield SettingError(("python", "build_constraints"), "do not count beside a uv.lock", hint)
    if python.conda_program and python.conda_packages != "conda":
        yield SettingError(("python", "conda_program"), "is not used: conda installs nothing", "remove it")
    for key, given in (("extras", python.extras), ("groups", python.groups)):
        if given and (python.requirements or (python.lock and not python.lock.endswith("uv.lock"))):
            yield SettingError(("python", key), "is for a uv.lock", 'add lock = "uv.lock", or remove it')


def check_leader(environment: Environment) -> Iterator[SettingError]:
    """The leader and the canary are groups or hosts."""
    names = [*environment.groups, *environment.hosts]
    for key, given in (("leader", environment.release.leader), ("canary", environment.release.canary)):
        if given and given not in names:
            message = f"{given!r} is neither a group nor a host"
            yield SettingError(("release", key), message, did_you_mean(given, names), needs=_HOSTS)
    if environment.release.pending and not environment.release.migrate:
        yield SettingError(("release", "pending"), "says what migrate would do, and there is no migrate", "remove it")
    if environment.release.after_migrate and not environment.release.migrate:
        message, hint = "comes after migrate, and there is no migrate", "put it into build, or a hook"
        yield SettingError(("release", "after_migrate"), message, hint)


def check_inputs(environment: Environment) -> Iterator[SettingError]:
    """Only what says what it reads can be left out, and only code that lies in git can be compared."""
    for kind in ("build", "migrate"):
        for position, each in enumerate(getattr(environment.release, kind)):
            loc = ("release", kind, position)
            if kind == "build" and each.outputs and not each.inputs:
                message, hint = "says what it leaves, and not what of", "add inputs, or remove outputs"
                yield SettingError((*loc, "outputs"), message, hint)
            if each.inputs and environment.app.package:
                message = "are files of a checkout, and app.package is installed without one"
                yield SettingError((*loc, "inputs"), message, "remove it", needs=frozenset({"app"}))


def check_files(environment: Environment) -> Iterator[SettingError]:
    """Each file has one text, one place, and restarts processes that exist."""
    claimed: dict[tuple[str, str], str] = {}
    for index, file in enumerate(environment.files):
        if (file.template is None) == (file.content is None):
            hint = "remove one of the two" if file.template else ""
            yield SettingError(("files", index), "needs either template or content", hint, _FILES)
    tables: dict[str, Sequence[FileEntry | SettingsEntry]] = {
        "files": environment.files,
        "settings": environment.settings,
    }
    for table, entries in tables.items():
        for index, entry in enumerate(entries):
            at: Loc = (table, index)
            if entry.early and not entry.path.startswith("/"):
                message = "is for a file outside of the code"
                yield SettingError((*at, "early"), message, "what lies in the code is always written before the build")
            for position, name in enumerate(entry.restart):
                if name not in environment.processes:
                    hint = did_you_mean(name, environment.processes, listed("processes", environment.processes))
                    yield SettingError(
                        (*at, "restart", position), f"there is no process {name!r}", hint, needs=_PROCESSES
                    )
            for host in environment.hosts_of(entry.groups):
                first = claimed.setdefault((entry.path, host), f"{table}[{index}]")
                if first != f"{table}[{index}]":
                    yield SettingError((*at, "path"), f"{first} writes {entry.path} on {host} as well", needs=_HOSTS)
                    break
    for index, patch in enumerate(environment.patches):
        for host in environment.hosts_of(patch.groups):
            writer = claimed.get((patch.path, host))
            if writer:
                message = f"{writer} writes {patch.path} on {host} as a whole"
                yield SettingError(("patches", index, "path"), message, "change it there", needs=_HOSTS)
                break


def check_services(environment: Environment) -> Iterator[SettingError]:
    """A server stands where somebody decided, and a role has one password."""
    services = environment.services
    for name, service in services.installed.items():
        if not service.groups and not service.EVERYWHERE and len(environment.hosts) > 1:
            message = "must say which of the hosts run it"
            yield SettingError(("services", name, "groups"), message, 'as in groups = ["data"]', needs=_HOSTS)
    holders: dict[str, str] = {}
    for server, holder in services.databases.items():
        owners: dict[str, tuple[str, str]] = {}
        for name, database in holder.databases.items():
            at: Loc = ("services", server, "databases", name)
            first, password = owners.setdefault(database.owner, (name, database.password))
            if password != database.password:
                message = f"the role {database.owner} has another password in databases.{first}"
                yield SettingError((*at, "password"), message)
            if holders.setdefault(name, server) != server:
                yield SettingError(at, f"services.{holders[name]} has a database {name} as well", "choose another name")


def check_mounts(environment: Environment) -> Iterator[SettingError]:
    """Nothing is mounted in a folder of a release: the release could never be removed, nor its link be made."""
    app = environment.app
    places: list[tuple[Loc, str]] = [(("shares", name, "path"), each.path) for name, each in environment.shares.items()]
    places += [(("volumes", name, "mount"), each.mount) for name, each in environment.volumes.items()]
    for at, path in places:
        first = path.removeprefix(f"{app.root}/").split("/")[0] if path.startswith(f"{app.root}/") else ""
        if first and first in (*_GO_WITH_RELEASES, app.source, app.environment):
            beside = f"{app.root}/{path.rpartition('/')[2]}"
            hint = f"a folder beside it, as in {beside}, which `persistent.linked` brings there"
            yield SettingError(at, f"{path} lies in {app.root}/{first}, which goes with a release", hint, needs=_APP)


def check_shares(environment: Environment) -> Iterator[SettingError]:
    """A share has one server, and a place of its own with a plain name."""
    seen: dict[tuple[str, str], str] = {}
    for name, share in environment.shares.items():
        at: Loc = ("shares", name)
        for key, path in (("path", share.path), ("folder", share.folder or "/srv")):
            if not re.fullmatch(r"/[A-Za-z0-9._/-]+", path, re.ASCII):
                message = f"{path} has characters that exports and units read in different ways"
                yield SettingError((*at, key), message, "letters, digits and . _ - / only")
        if share.folder == share.path:
            yield SettingError(
                (*at, "folder"), "is where it is mounted as well", "two folders: path, and the server's own"
            )
        if share.server and share.server not in environment.hosts:
            servers = environment.hosts_of([share.server]) if share.server in environment.groups else ()
            if len(servers) != 1:
                message = f"{share.server!r} stands for {len(servers)} hosts, not one"
                hint = did_you_mean(share.server, [*environment.groups, *environment.hosts])
                yield SettingError((*at, "server"), message, hint, needs=_HOSTS)
        for host in environment.hosts_of(share.clients):
            first = seen.setdefault((share.path, host), name)
            if first != name:
                yield SettingError((*at, "path"), f"shares.{first} is mounted there on {host} as well", needs=_HOSTS)
                break


def check_volumes(environment: Environment) -> Iterator[SettingError]:
    """A volume has a device and a folder of its own, which is none of the system's."""
    seen: dict[tuple[str, str], str] = {}
    for share_name, share in environment.shares.items():
        seen.update({(share.path, host): f"shares.{share_name}" for host in environment.hosts_of(share.clients)})
    for name, volume in environment.volumes.items():
        at: Loc = ("volumes", name)
        if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", volume.mount, re.ASCII) or volume.mount in _OF_THE_SYSTEM:
            message = f"{volume.mount} cannot be where a volume is mounted"
            yield SettingError(
                (*at, "mount"), message, "a folder of its own, as in /mnt/logs; letters, digits and . _ -"
            )
        for key, path in (("mount", volume.mount), ("device", volume.device)):
            for host in environment.hosts_of(volume.groups):
                first = seen.setdefault((path, host), f"volumes.{name}")
                if first != f"volumes.{name}":
                    yield SettingError((*at, key), f"{first} has {path} on {host} as well", needs=_HOSTS)
                    break


def check_hooks(environment: Environment) -> Iterator[SettingError]:
    """A hook has one moment and one place."""
    for index, hook in enumerate(environment.hooks):
        if (hook.before is None) == (hook.after is None):
            yield SettingError(
                ("hooks", index), "needs either before or after", "remove one of the two" if hook.before else ""
            )
        if hook.groups and hook.on != "hosts":
            yield SettingError(("hooks", index, "groups"), f'is for on = "hosts", not "{hook.on}"', "remove it")
        if hook.user and hook.on == "here":
            yield SettingError(("hooks", index, "user"), "on this machine it runs as you", "remove it")


def check_site(site: Site, environment: Environment, folder: Path) -> Iterator[SettingError]:
    """The site passes requests to processes that listen, and has the certificate it speaks of."""
    for prefix, name in site.proxy.items():
        at: Loc = ("site", "proxy", prefix)
        process = environment.processes.get(name)
        if process is None:
            continue
        if not process.listens:
            yield SettingError(at, f"the process {name} has neither socket nor port", needs=_PROCESSES)
        elif process.socket:
            missing = set(environment.hosts_of(site.groups)) - set(environment.hosts_running(process))
            if missing:
                hosts = ", ".join(sorted(missing))
                message = f"{name} listens on a Unix socket and does not run on {hosts}, where the site is"
                hint = "site.groups and its groups must agree"
                yield SettingError(at, message, hint, needs=_PROCESSES | _HOSTS | _SITE)
    if not site.proxy and not site.static and not site.extra:
        listening = [name for name, process in environment.processes.items() if process.listens]
        why = f"{' and '.join(listening)} could all answer" if listening else "no process has a socket or port"
        hint = 'as in proxy = { "/" = "web" }' if listening else "let one listen on unix:{{ socket }}"
        yield SettingError(("site", "proxy"), f"is missing: {why}", hint, needs=_PROCESSES | _SITE)
    for prefix in site.static:
        if prefix in site.proxy:
            yield SettingError(("site", "static", prefix), "site.proxy has the same URL path")
    ports = (site.listen, *((site.tls_port,) if site.tls != "none" else ()), *site.extra_ports)
    if len(set(ports)) < len(ports):
        yield SettingError(("site",), "two of its ports are the same", ", ".join(map(str, ports)), needs=_SITE)
    yield from _check_certificate(site, folder)


def _check_certificate(site: Site, folder: Path) -> Iterator[SettingError]:
    for key, name in (("certificate", site.certificate), ("key", site.key)):
        if site.tls == "files" and name is None:
            yield SettingError(("site", key), 'is missing, and tls = "files" needs it', needs=_SITE)
        elif site.tls != "files" and name is not None:
            message = f'is not used with tls = "{site.tls}"'
            yield SettingError(("site", key), message, 'write tls = "files"', needs=_SITE)
        elif name is not None and not site.fallback and not (folder / name).is_file():
            yield SettingError(
                ("site", key), f"there is no file {name}", "the path is relative to the environment file"
            )

    if site.fallback and site.tls != "files":
        yield SettingError(("site", "fallback"), f'is not used with tls = "{site.tls}"', "remove it", needs=_SITE)
