"""The environment file as a whole, with every default filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, model_validator

from .base import Model
from .tables.app import App, EnvSettings, PythonSettings, ReleaseSettings
from .tables.backup import Backup
from .tables.builds import Build
from .tables.certificates import Certificate
from .tables.checkouts import CheckoutEntry
from .tables.files import FileEntry, Persistent, Site
from .tables.firewall import Firewall
from .tables.hooks import Hook
from .tables.hosts import EtcHosts, HostSettings, SshSettings
from .tables.local import LocalEntry
from .tables.notify import Notify
from .tables.once import OnceEntry
from .tables.processes import CronEntry, Process
from .tables.rules import Rule
from .tables.samples import PatchEntry, SettingsEntry
from .tables.secrets import SecretsSettings
from .tables.services import Services
from .tables.shares import Share
from .tables.sshd import Sshd
from .tables.team import Member
from .tables.updates import Updates
from .tables.volumes import Volume
from .values.types import (
    GroupName,
    HostName,
    InstanceName,
    PackageName,
    ProcessName,
    UnixName,
    Variable,
    VariableName,
)

M = TypeVar("M", bound=Model)
F = TypeVar("F", FileEntry, SettingsEntry)

_INHERITED = ("user", "port", "key", "jump")


class Environment(Model):
    """An environment: an application, and the hosts that it is deployed to."""

    name: GroupName = Field(description="The file's name without `.toml`.")
    path: Path = Field(default=Path(), exclude=True, description="The file.")
    written: Mapping[str, str] = Field(
        default={}, exclude=True, description="Under which keys of the file entries of instances stand."
    )
    contents: Mapping[str, str] = Field(
        default={}, description="In a release: the digests of files of this machine that it is made of, by their keys."
    )
    app: App = Field(description="The application: its name, where its code comes from, and where it lives on a host.")
    python: PythonSettings = Field(default=PythonSettings(), description="The Python environment.")
    env: EnvSettings = Field(default=EnvSettings(), description="Variables and secrets.")
    secrets: SecretsSettings = Field(default=SecretsSettings(), description="Where the secrets are kept.")
    release: ReleaseSettings = Field(default=ReleaseSettings(), description="Building, checking, migrating, switching.")
    instances: dict[InstanceName, dict[VariableName, Variable]] = Field(
        default_factory=dict,
        description="Instances of the application that run beside each other, by name, each with values of its own. "
        "`{{ instance.KEY }}` is a value of an instance, `{{ instance.name }}` its name. An entry of a table whose "
        "name says so stands there once for each instance, and so does an item of a list; a variable in "
        "`env.variables` that says so is one of the instance's own processes, cron lines and commands.",
    )
    builds: dict[ProcessName, Build] = Field(
        default_factory=dict,
        description="What is built from source, by name: once for each state of its source. `{{ builds.NAME.prefix }}` "
        "is where it was installed.",
    )
    processes: dict[ProcessName, Process] = Field(
        default_factory=dict, description="Programs that keep running, by name."
    )
    once: dict[ProcessName, OnceEntry] = Field(
        default_factory=dict, description="Commands that run once per environment, by name."
    )
    cron: dict[ProcessName, CronEntry] = Field(default_factory=dict, description="Commands that cron starts, by name.")
    files: tuple[FileEntry, ...] = Field(default=(), description="Files that Hawser writes.")
    settings: tuple[SettingsEntry, ...] = Field(
        default=(), description="Settings files made from samples that the code brings along."
    )
    patches: tuple[PatchEntry, ...] = Field(default=(), description="Changes to files of the code.")
    local: tuple[LocalEntry, ...] = Field(default=(), description="Files made on the controlling machine, for clients.")
    checkouts: dict[ProcessName, CheckoutEntry] = Field(
        default_factory=dict, description="Repositories beside the application's own, by name."
    )
    hooks: tuple[Hook, ...] = Field(default=(), description="Commands before and after the phases of a rollout.")
    notify: Notify | None = Field(
        default=None, description="Who is told of rollouts, and of what ages on hosts. Default: nobody."
    )
    persistent: Persistent = Field(default=Persistent(), description="What survives a release.")
    site: Site | None = Field(default=None, description="The web site.")
    certificates: dict[ProcessName, Certificate] = Field(
        default_factory=dict, description="Certificates of the application's own programs, by name."
    )
    services: Services = Field(default=Services(), description="Databases and brokers.")
    shares: dict[ProcessName, Share] = Field(
        default_factory=dict, description="Folders that several hosts share, by name: over NFS, or as you mount them."
    )
    volumes: dict[ProcessName, Volume] = Field(
        default_factory=dict, description="Encrypted devices, by name: opened with a passphrase."
    )
    backup: Backup = Field(default=Backup(), description="Backups of databases.")
    updates: Updates | None = Field(
        default=None, description="Security updates that hosts install by themselves. Default: as they were set up."
    )
    team: dict[UnixName, Member] = Field(
        default_factory=dict, description="Who logs in to the hosts, by the name of their user there."
    )
    sshd: Sshd | None = Field(default=None, description="How hosts let people log in. Default: as they were set up.")
    firewall: Firewall | None = Field(default=None, description="Who may reach which port.")
    packages: dict[GroupName, tuple[PackageName, ...]] = Field(
        default_factory=dict, description="Packages of the system, by group; `all` for every host."
    )
    vars: dict[VariableName, Variable] = Field(
        default_factory=dict, description="Values of your own, for templates and other settings: `{{ vars.NAME }}`."
    )
    rules: tuple[Rule, ...] = Field(default=(), description="What must be true before any host is asked.")
    hosts: dict[HostName, HostSettings] = Field(default_factory=dict, description="The machines, by name.")
    etc_hosts: EtcHosts | None = Field(
        default=None, description="Names in `/etc/hosts`: every host of this file by the name that it has here."
    )
    ssh: SshSettings = Field(default=SshSettings(), description="How the hosts are reached.")

    def __eq__(self, other: object) -> bool:
        # Where the file lies is no part of what it says: a release keeps its settings without it.
        return isinstance(other, Environment) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]  # tables are dicts

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The names of the hosts of every group, in the order of the file."""
        members: dict[str, list[str]] = {}
        for name, host in self.hosts.items():
            for group in host.groups:
                members.setdefault(group, []).append(name)
        return {group: tuple(names) for group, names in members.items()}

    def target(self, *hosts: str) -> str:
        """Return what is typed after ``-H`` for some hosts, none: for all; a bare name may be another environment's."""
        return ",".join(f"{self.name}/{host}" for host in hosts) or self.name

    def sandbox_name(self, host: str) -> str:
        """Return the name of a host in the sandbox, which all environments share."""
        return f"{self.name}-{host}".lower().replace("_", "-")

    def names_of(self, host: str) -> tuple[str, ...]:
        """Return the names by which a host may call itself."""
        return (self.sandbox_name(host), host) if self.hosts[host].sandbox else (host,)

    @cached_property
    def _hosts_of(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """The answers of `hosts_of`, which is asked for every host: nothing here changes once it is made."""
        return {(): tuple(self.hosts)}

    def hosts_of(self, groups: Sequence[str]) -> tuple[str, ...]:
        """Return the hosts that belong to any of `groups`, in the order of the file; all hosts for no group."""
        wanted = tuple(groups)
        if wanted not in self._hosts_of:
            found = (name for name, host in self.hosts.items() if not set(wanted).isdisjoint(host.groups))
            self._hosts_of[wanted] = tuple(found)
        return self._hosts_of[wanted]

    def belongs(self, host: str, groups: Sequence[str]) -> bool:
        """Whether a host is one of those of `hosts_of`; one that this file does not name is none."""
        known = self.hosts.get(host)
        return known is not None and (not groups or not set(groups).isdisjoint(known.groups))

    def runs_on(self, entry: Process | CronEntry, host: str) -> bool:
        """Whether a host is one of those of `hosts_running`."""
        return host in self.hosts_running(entry) if entry.single else self.belongs(host, entry.groups)

    def hosts_running(self, entry: Process | CronEntry) -> tuple[str, ...]:
        """Return the hosts that run a process or cron entry: those of its groups, or the first for a single one."""
        hosts = self.hosts_of(entry.groups)
        return hosts[:1] if entry.single else hosts

    def running(self, host: str) -> Iterator[Process]:
        """Yield the processes that run on a host."""
        return (each for each in self.processes.values() if self.runs_on(each, host))

    def keeps_serving(self, host: str) -> bool:
        """Whether nothing is away while a host switches: all its processes start beside the old ones.

        What listens on a port counts as away, for the web servers of other hosts pass nothing to it meanwhile.
        """
        return not any(
            each.single or not (each.socket or (each.overlap and not each.listens)) for each in self.running(host)
        )

    def keeps_answering(self, host: str) -> bool:
        """Whether all that restarts in place while a host switches are processes to which nobody connects."""
        return not any(each.listens and (each.single or not each.socket) for each in self.running(host))

    def all_before(self, name: str) -> set[str]:
        """Return the processes that a process waits for, directly or not."""
        found: set[str] = set()
        new = {name}
        while new:
            new = {each for one in new if one in self.processes for each in self.processes[one].after} - found
            found |= new
        return found

    def rank(self, name: str) -> int:
        """Return the place of a process in the order of starts: 0 for one that waits for none."""
        after = [each for each in self.processes[name].after if name not in self.all_before(each)]
        return 1 + max(map(self.rank, after)) if after else 0

    def host_rank(self, host: str) -> tuple[int, int]:
        """Return at which place of the order a host switches: the latest and the earliest of its processes."""
        ranks = [self.rank(name) for name, entry in self.processes.items() if self.runs_on(entry, host)]
        return (max(ranks), min(ranks)) if ranks else (0, 0)

    def user_key(self, key: str) -> str:
        """Return how the file itself names a key, where entries of instances have come from another one."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.written and key[length : length + 1] in ("", ".", "["):
                return self.written[key[:length]] + key[length:]
        return key

    @property
    def brings_certificates(self) -> bool:
        """Whether certificates lie beside the file, which may be renewed at any time."""
        return bool(self.certificates) or (self.site is not None and self.site.tls == "files")

    @property
    def leader(self) -> str:
        """The host that runs migrations and other commands that run once; an empty text when there is no host."""
        if self.release.leader in self.hosts:
            return str(self.release.leader)
        if self.release.leader:
            candidates = self.hosts_of([self.release.leader])
        else:
            processes = sorted(self.processes.values(), key=lambda process: (not process.socket, not process.listens))
            candidates = self.hosts_running(processes[0]) if processes else tuple(self.hosts)
        return next(iter(candidates), "")

    @property
    def canaries(self) -> tuple[str, ...]:
        """The hosts that switch first."""
        canary = self.release.canary
        if canary is None:
            return ()
        return (canary,) if canary in self.hosts else self.hosts_of([canary])

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        """Give every default that depends on another table its value, so that nobody needs to look twice."""
        user = self.app.user
        changes: dict[str, object] = {
            "env": self._with_implicit_secrets(),
            "processes": {
                name: entry if entry.user else _with(entry, user=user) for name, entry in self.processes.items()
            },
            "cron": {name: entry if entry.user else _with(entry, user=user) for name, entry in self.cron.items()},
            "files": tuple(self._owned(entry) for entry in self.files),
            "settings": tuple(self._owned(entry) for entry in self.settings),
            "checkouts": {name: self._placed(name, entry) for name, entry in self.checkouts.items()},
            "hosts": {name: self._reachable(name, host) for name, host in self.hosts.items()},
        }
        changes["certificates"] = {name: self._named(name, entry) for name, entry in self.certificates.items()}
        if self.site:
            changes["site"] = self._connected(self.site)
        return _with(self, **changes)

    def _with_implicit_secrets(self) -> EnvSettings:
        named = [self.app.deploy_key, self.app.token, self.ssh.sudo_password]
        named += [name for each in self.checkouts.values() for name in (each.deploy_key, each.token)]
        implicit = dict.fromkeys(name for name in named if name and name not in self.env.secrets)
        return _with(self.env, required=(*self.env.required, *implicit))

    def _placed(self, name: str, entry: CheckoutEntry) -> CheckoutEntry:
        path = entry.path or f"{self.app.root}/checkouts/{name}/current"
        return _with(entry, path=path, owner=entry.owner or self.app.user, group=entry.group or self.app.group)

    def _owned(self, entry: F) -> F:
        owner = "root" if entry.path.startswith("/") else self.app.user
        return _with(entry, owner=entry.owner or owner, group=entry.group or self.app.group)

    def _named(self, name: str, entry: Certificate) -> Certificate:
        default = {"certificate": f"{name}.crt", "key": f"{name}.key", "chain": f"{name}-chain.crt"}
        files = _with(entry.files, **{key: getattr(entry.files, key) or text for key, text in default.items()})
        return _with(entry, files=files, owner=entry.owner or self.app.user)

    def _reachable(self, name: str, host: HostSettings) -> HostSettings:
        inherited = {key: getattr(self.ssh, key) for key in _INHERITED if key not in host.model_fields_set}
        return _with(host, address=host.address or name, **inherited)

    def _connected(self, site: Site) -> Site:
        proxy = site.proxy
        if not proxy:
            listening = [name for name, process in self.processes.items() if process.socket]
            listening = listening or [name for name, process in self.processes.items() if process.port]
            proxy = {"/": listening[0]} if len(listening) == 1 else {}
        groups = site.groups
        if not groups:
            behind = [self.processes[name] for name in proxy.values() if name in self.processes]
            if all(process.groups for process in behind):
                named = dict.fromkeys(group for process in behind for group in process.groups)
                groups = tuple(group for group in named if group in self.groups)
        return _with(site, proxy=proxy, groups=groups)


def _with(model: M, **changes: object) -> M:
    return model.model_copy(update=changes)
