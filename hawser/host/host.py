"""A host as the steps see it: settings of the inventory, facts of the machine, and the release that is at stake."""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from ..errors import Problem
from ..formats import shell_environment
from ..inventory.documents import read_file
from ..inventory.schema import Environment
from ..inventory.tables.app import instance_of
from ..inventory.tables.certificates import Certificate, CertificateFiles
from ..inventory.tables.processes import CronEntry, Process
from ..resources import Command
from ..runner.webservers import TRAITS, Traits
from ..secrets import Secrets
from ..signatures import Kept
from ..templates.bounded import for_templates
from ..templates.rendering import TemplateError, Templates
from .facts import Facts
from .journal import Record
from .release import Release

UV = "uv==0.13.9"
# Seconds for one command of a release.
LONGEST_COMMAND = 1800


def instance_environment(name: str) -> str:
    """Return the name, after ``@``, of the variables of an instance."""
    return f"instance.{name}"


class ForbiddenSecrets(dict[str, str]):
    """The secrets where none may stand, such as a command, whose arguments ``ps`` shows to everyone.

    :param why: what is said of one, with ``{}`` for its name.
    """

    def __init__(
        self, why: str = "a secret ({}) may not stand in a command, for `ps` shows it; put it into env.variables"
    ) -> None:
        super().__init__()
        self.why = why

    def get(self, name: str, default: object = None) -> Any:
        return self[name]

    def __missing__(self, name: str) -> str:
        raise ValueError(self.why.format(name))


@dataclass(frozen=True)
class Host:
    """One host of an environment.

    :param addresses: where each host of the environment is reached by the others, by name.
    :param entry: who does what from where, for the history.
    :param drained: hosts that web servers in front of them pass nothing to now.
    :param rollout: the rollout that is under way, if one is.
    :param accepted: what it keeps that is about to be signed for it.
    :param today: it as today's settings have it, where these here are those that a release kept.
    """

    name: str
    environment: Environment
    secrets: Secrets
    templates: Templates
    addresses: Mapping[str, str]
    facts: Facts = field(default_factory=Facts)
    release: Release | None = None
    entry: Mapping[str, str] = field(default_factory=dict)
    drained: Sequence[str] = ()
    rollout: Record | None = None
    accepted: Sequence[Kept] = ()
    today: Host | None = None

    # What the settings say of it.

    @property
    def app(self) -> Any:
        return self.environment.app

    @property
    def address(self) -> str:
        return self.addresses[self.name]

    @property
    def groups(self) -> tuple[str, ...]:
        return self.environment.hosts[self.name].groups

    @property
    def vars(self) -> Mapping[str, Any]:
        return self.environment.hosts[self.name].vars

    def is_in(self, groups: Sequence[str]) -> bool:
        """Whether it belongs to one of these groups; no group stands for every host."""
        return self.name in self.environment.hosts_of(groups)

    @property
    def is_leader(self) -> bool:
        return self.name == self.environment.leader

    @property
    def serves_site(self) -> bool:
        return self.environment.site is not None and self.is_in(self.environment.site.groups)

    @property
    def web_server(self) -> Traits | None:
        """The web server of the site; None where the site is not served."""
        site = self.environment.site
        return TRAITS[site.server] if site is not None and self.serves_site else None

    @property
    def runs_code(self) -> bool:
        """Whether the application's code is needed here."""
        environment = self.environment
        groups = [entry.groups for entry in environment.files]
        groups += [entry.groups for entry in environment.settings]
        groups += [entry.groups for entry in environment.patches]
        groups += [entry.groups for entry in environment.builds.values()]
        named = any(each and self.is_in(each) for each in groups)
        runs = bool(self.process_settings()) or bool(self.cron_entries())
        return self.is_leader or self.serves_site or runs or named

    def process_settings(self, manager: str = "") -> dict[str, Process]:
        """The processes that run here, by name; of one manager when it is named."""
        return {
            name: process
            for name, process in self.environment.processes.items()
            if self.name in self.environment.hosts_running(process) and manager in ("", process.manager)
        }

    def cron_entries(self) -> dict[str, CronEntry]:
        """The cron entries of this host, by name."""
        return {
            name: entry
            for name, entry in self.environment.cron.items()
            if self.name in self.environment.hosts_running(entry)
        }

    def certificate_settings(self) -> dict[str, Certificate]:
        """The application's own certificates that this host needs, by name."""
        return {name: entry for name, entry in self.environment.certificates.items() if self.is_in(entry.groups)}

    def clients(self, groups: Sequence[str]) -> list[tuple[str, int]]:
        """Return the addresses (with their length in bits) of the hosts in some groups; none for no group.

        This host's own is among them: what runs beside a service may well use the address that all others use.
        """
        names = self.environment.hosts_of(groups) if groups else ()
        return [(address.exploded, address.max_prefixlen) for address in (self.ip(name) for name in names)]

    def ip(self, name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """Return a host's address as a number, which access rules need."""
        try:
            return ipaddress.ip_address(self.addresses[name])
        except ValueError:
            problem = Problem(
                self.environment.path.name,
                f"hosts.{name}.address",
                f"{self.addresses[name]} is a name, and access rules for a service need an IP address",
                "write the address itself",
            )
            raise TemplateError(problem) from None

    def repository_access(self) -> dict[str, Any]:
        """Return how the code is fetched: the mirror's place, and for hosts that fetch themselves address and keys."""
        app = self.environment.app
        found: dict[str, Any] = {"mirror": f"{self.root}/repository.git"}
        if not app.push:
            found["repo"] = app.repo
            found["key"] = self.secrets.values[app.deploy_key] if app.deploy_key else ""
            found["token"] = self.secrets.values[app.token] if app.token else ""
            # Only git reads them, and only for this repository: its server's name need not be worked out.
            found["host_keys"] = tuple(f"* {key}" for key in app.repo_host_keys)
        return found

    def index_question(self, version: str) -> dict[str, str]:
        """Return what the package index is asked about a version of the application."""
        environment = self.environment
        interpreter = environment.python.interpreter or ""
        target = "" if interpreter.startswith("/") else interpreter
        python = f"{self.uv}/bin/python"
        return {"python": python, "package": environment.app.package or "", "version": version, "target": target}

    # Where things lie.

    @property
    def uv(self) -> str:
        """The folder of the tool that builds environments."""
        return "/opt/hawser/" + UV.replace("==", "-")

    @property
    def root(self) -> str:
        return str(self.environment.app.root)

    @property
    def run(self) -> str:
        """The folder of sockets and of the links that say which colour serves."""
        return f"{self.root}/run"

    @property
    def certs(self) -> str:
        """The folder of the application's own certificates."""
        return f"{self.root}/certs"

    @property
    def certificates(self) -> dict[str, CertificateFiles]:
        """Where the application's own certificates lie on a host, by name."""
        return {
            name: entry.files.model_copy(
                update={part: f"{self.certs}/{file}" for part, file in entry.files.model_dump().items()}
            )
            for name, entry in self.environment.certificates.items()
        }

    @property
    def site_certificate(self) -> tuple[str, str]:
        """The certificate that the web server presents, with its chain, and its key."""
        site = self.environment.site
        if site is not None and site.tls == "acme":
            if own := TRAITS[site.server].acme_folder:
                path = f"{own(site.acme.server, site.domains[0])}/{site.domains[0]}"
                return f"{path}.crt", f"{path}.key"
            return f"{self.root}/ssl/acme/fullchain.pem", f"{self.root}/ssl/acme/privkey.pem"
        return f"{self.root}/ssl/site.crt", f"{self.root}/ssl/site.key"

    def shown_certificates(self) -> dict[str, str]:
        """Return where the certificates lie that visitors of this host see, by name; ``site`` is that of the site."""
        site, places = self.environment.site, self.certificates
        found = {"site": self.site_certificate[0]} if site and site.tls != "none" and self.serves_site else {}
        return {**found, **{name: places[name].certificate for name in self.certificate_settings()}}

    def certificate_names(self) -> dict[str, tuple[str, ...]]:
        """Return what each of these certificates must be for, by name."""
        found = {
            name: tuple(
                self.text(each, f"certificates.{name}.names[{number}]") for number, each in enumerate(entry.names)
            )
            for name, entry in self.certificate_settings().items()
        }
        site = self.environment.site
        return {**({"site": site.domains} if site else {}), **found}

    @property
    def own_certificates(self) -> frozenset[str]:
        """The names of those that you bring yourself."""
        site = self.environment.site
        return frozenset([*self.environment.certificates, *(["site"] if site and site.tls == "files" else [])])

    @property
    def maintenance_page(self) -> str:
        """The page that closes the site while it is there."""
        return f"{self.root}/maintenance.html"

    @property
    def site_logs(self) -> dict[str, str]:
        """Where the web server writes about the site, by the kind of log."""
        site, server = self.environment.site, self.web_server
        if site is None or server is None:
            return {}
        return {kind: f"{self.root}/log/{site.server}-{kind}.log" for kind in server.logs}

    @property
    def log_folders(self) -> list[str]:
        """The folders within `log` that take the output of this host's processes."""
        outputs = [setting.output for setting in self.process_settings().values() if setting.output]
        folders = {output.rpartition("/")[0] for output in outputs} - {"log"}
        return [f"{self.root}/{folder}" for folder in sorted(folders)]

    @property
    def state(self) -> str:
        """The folder of the runner's own records on this host."""
        return f"/var/lib/hawser/{self.environment.app.name}"

    @property
    def hold(self) -> str:
        """The file that says who has frozen this host."""
        return f"{self.state}/hold.json"

    @property
    def rollout_inputs(self) -> str:
        """The file that keeps what the release of an open rollout is made of."""
        return f"{self.state}/rollout.json"

    @property
    def release_path(self) -> str:
        assert self.release is not None, "this step needs a release"
        return f"{self.root}/releases/{self.release.id}"

    @property
    def source(self) -> str:
        return f"{self.release_path}/source"

    def build_link(self, name: str) -> str:
        """Return the link by which the release at stake refers to what a build installed."""
        return f"{self.release_path}/builds/{name}"

    def path(self, path: str) -> str:
        """Return an absolute path for one that may be relative to the code."""
        return path if path.startswith("/") else f"{self.source}/{path}".rstrip("/")

    def served_path(self, path: str) -> str:
        """Return where the web server finds a folder: a persistent one, or one of the release that serves."""
        if self.release is not None and path.startswith(f"{self.release_path}/"):
            return f"{self.root}/current{path.removeprefix(self.release_path)}"
        if path.startswith("/"):
            return path
        if any(f"{path}/".startswith(f"{folder}/") for folder in self.environment.persistent.folders):
            return f"{self.root}/{path}"
        return f"{self.root}/current/source/{path}"

    # Rendering.

    @cached_property
    def context(self) -> dict[str, Any]:
        """What templates and values may use."""
        release = self.release
        return {
            "app": self.environment.app,
            "environment": self.environment,
            "site": self.environment.site,
            "host": HostView(self),
            "facts": self.facts,
            "hosts": {name: HostView(dataclasses.replace(self, name=name)) for name in self.environment.hosts},
            "group": self.group,
            "secrets": self.secrets.values,
            "certificates": self.certificates,
            "release": {"id": release.id, "commit": release.commit, "path": self.release_path} if release else {},
            "root": self.root,
            "instances": self.instances,
            "vars": SimpleNamespace(**self.environment.vars),
            "builds": {name: BuildView(self.build_link(name)) for name in self.environment.builds} if release else {},
        }

    @cached_property
    def instances(self) -> dict[str, SimpleNamespace]:
        """The instances of the application with their values, for templates."""
        return {name: SimpleNamespace(**values, name=name) for name, values in self.environment.instances.items()}

    @for_templates
    def group(self, name: str) -> list[HostView]:
        """The hosts of a group, in the order of the file, for templates.

        :raises ValueError: there is no such group.
        """
        if name not in self.environment.groups:
            raise ValueError(f"there is no group {name}; groups: {', '.join(sorted(self.environment.groups))}")
        return [HostView(dataclasses.replace(self, name=each)) for each in self.environment.groups[name]]

    def render(self, template: str, **more: Any) -> str:
        """Render a template file with the host's context."""
        return self.templates.file(template, {**self.context, **more})

    def text(self, value: str, key: str, **more: Any) -> str:
        """Render a value of the environment file; `key` is named when it cannot be rendered."""
        key = self.environment.user_key(key)
        return self.templates.value(value, {**self.context, **more}, self.environment.path.name, key)

    def command_text(self, value: str, key: str, **more: Any) -> str:
        """Render a command, in which no secret may stand."""
        return self.text(value, key, secrets=ForbiddenSecrets(), **more)

    @cached_property
    def variables(self) -> dict[str, str]:
        """The application's variables, rendered."""
        env = self.environment.env
        found = {name: self.text(value, f"env.variables.{name}") for name, value in env.shared.items()}
        if env.dotenv and env.dotenv_variable:
            found[env.dotenv_variable] = self.path(env.dotenv)
        return found

    @property
    def full_environment(self) -> str:
        """The file that every process, command and cron line of a release is started with."""
        assert self.release is not None
        environment = f"{self.release_path}/env"
        path = f"{environment}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ours = {
            "PATH": path,
            "VIRTUAL_ENV": environment,
            "PYTHONUNBUFFERED": "1",
            "HAWSER_RELEASE": self.release.id,
            "HAWSER_COMMIT": self.release.commit,
        }
        return shell_environment({**ours, **self.variables})

    def instance_variables(self, name: str | None) -> dict[str, str]:
        """Return the variables that an instance has for itself; none for no instance."""
        if not name:
            return {}
        variables, instance = self.environment.env.of_instances, self.instances[name]
        return {each: self.text(value, f"env.variables.{each}", instance=instance) for each, value in variables.items()}

    def own_environments(self) -> dict[str, dict[str, str]]:
        """Return the variables of the instances, and of the processes and cron entries that have some of their own.

        :returns: them by the name that follows ``@`` in a command line of the release's `run`.
        """
        found = {instance_environment(name): self.instance_variables(name) for name in self.instances}
        for kind, prefix, settings in (
            ("processes", "", self.process_settings()),
            ("cron", "cron.", self.cron_entries()),
        ):
            for name, setting in settings.items():
                if setting.environment:
                    keys = setting.environment.items()
                    own = {each: self.text(value, f"{kind}.{name}.environment.{each}") for each, value in keys}
                    found[prefix + name] = {**self.instance_variables(setting.instance), **own}
        return found

    def dotenv_variables(self) -> dict[str, str]:
        """Return what the dotenv file holds: the variables and secrets that `dotenv_keys` names, else all variables."""
        keys = self.environment.env.dotenv_keys
        if keys is None:
            return self.variables
        known = {**self.secrets.values, **self.variables}
        return {key: known[key] for key in keys}

    def local_file(self, key: str, hint: str = "") -> str:
        """Read a file that lies beside the environment file.

        :param key: what names it, in today's settings: those of a release may be the words of a host.
        :param hint: what to do when there is none.
        :raises TemplateError: it cannot be read, or none is named.
        """
        host = self.today or self
        path = host.text(host.setting(key) or "", key)
        try:
            if not path:
                raise FileNotFoundError(errno.ENOENT, "the settings name no file here")
            return read_file(host.environment.path.parent / path)
        except OSError as error:
            problem = Problem(host.environment.path.name, key, f"{path}: {error.strerror}".removeprefix(": "), hint)
        except UnicodeDecodeError:
            problem = Problem(host.environment.path.name, key, f"{path} is no text", "PEM begins with -----BEGIN")
        raise TemplateError(problem)

    def setting(self, key: str) -> Any:
        """Return what stands under a key of the settings; None where there is none."""
        found: Any = self.environment
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part, None)
        return found

    def in_release(self, line: str, marker: str = "", words: Sequence[str] = ()) -> Command:
        """Return a command line that runs in the code of the release, as the application's user, in its environment.

        :param line: may begin with ``@NAME``, for the variables of an instance.
        :param words: a program that runs it in the shell's place.
        """
        instance, command = instance_of(line)
        own = [f"@{instance_environment(instance)}"] if instance else []
        argv = (f"{self.release_path}/run", *own, *(words or ("sh", "-c", command)))
        return Command(argv, user=self.app.user, cwd=self.source, marker=marker, timeout=LONGEST_COMMAND, title=line)


@dataclass(frozen=True)
class BuildView:
    """What templates may know of a build: `{{ builds.NAME.prefix }}`."""

    prefix: str


class HostView:
    """What templates may know of a host: `{{ host.address }}`, `{{ group('data')[0].vars.slots }}`."""

    def __init__(self, host: Host) -> None:
        self.name = host.name
        self.address = host.address
        self.groups = host.groups
        self.vars = host.vars
