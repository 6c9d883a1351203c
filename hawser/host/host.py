"""A host as the steps see it: settings of the inventory, facts of the machine, and the release that is at stake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import NoReturn

from ..inventory.schema import Environment
from ..inventory.tables.app import App
from ..inventory.tables.processes import CronEntry, Process
from ..runner.webservers import TRAITS, Traits
from ..secrets import Secrets
from ..templates.rendering import Templates
from . import views
from .facts import Facts
from .journal import Record
from .logins import login_of
from .release import Release


class ForbiddenSecrets(dict[str, str]):
    """The secrets where none may stand, such as a command, whose arguments ``ps`` shows to everyone.

    :param why: what is said of one, with ``{}`` for its name.
    """

    def __init__(
        self, why: str = "a secret ({}) may not stand in a command, for `ps` shows it; put it into env.variables"
    ) -> None:
        super().__init__()
        self.why = why

    def get(self, name: str, default: object = None) -> NoReturn:
        self.__missing__(name)

    def __missing__(self, name: str) -> NoReturn:
        raise ValueError(self.why.format(name))


@dataclass(frozen=True)
class Host:
    """One host of an environment.

    :param addresses: where each host of the environment is reached by the others, by name.
    :param entry: who does what from where, for the history.
    :param drained: hosts that web servers in front of them pass nothing to now.
    :param rollout: the rollout that is under way, if one is.
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
    today: Host | None = None

    # What the settings say of it.

    @property
    def target(self) -> str:
        """What is typed for it after ``-H``."""
        return self.environment.target(self.name)

    @property
    def app(self) -> App:
        return self.environment.app

    @property
    def address(self) -> str:
        return self.addresses[self.name]

    @property
    def groups(self) -> tuple[str, ...]:
        return self.environment.hosts[self.name].groups

    @property
    def vars(self) -> Mapping[str, object]:
        return self.environment.hosts[self.name].vars

    def is_in(self, groups: Sequence[str]) -> bool:
        """Whether it belongs to one of these groups; no group stands for every host."""
        return self.environment.belongs(self.name, groups)

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
            if manager in ("", process.manager) and self.environment.runs_on(process, self.name)
        }

    def cron_entries(self) -> dict[str, CronEntry]:
        """The cron entries of this host, by name."""
        return {
            name: entry for name, entry in self.environment.cron.items() if self.environment.runs_on(entry, self.name)
        }

    @property
    def users(self) -> set[str]:
        """The Unix users as whom processes and cron entries run here."""
        found = {str(each.user) for each in self.process_settings().values()}
        return found | {str(each.user) for each in self.cron_entries().values()}

    # Where things lie.

    @property
    def root(self) -> str:
        return str(self.environment.app.root)

    @property
    def run(self) -> str:
        """The folder of sockets and of the links that say which colour serves."""
        return f"{self.root}/run"

    @property
    def state(self) -> str:
        """The folder of the runner's own records on this host."""
        return f"/var/lib/hawser/{self.environment.app.name}"

    @property
    def release_path(self) -> str:
        assert self.release is not None, "this step needs a release"
        return f"{self.root}/releases/{self.release.id}"

    @property
    def source(self) -> str:
        return f"{self.release_path}/source"

    @property
    def code(self) -> str:
        """The application's folder in the checkout of the release."""
        return f"{self.release_path}/{self._code}"

    @property
    def serving_code(self) -> str:
        """The same of the release that serves, whichever that is."""
        return f"{self.root}/current/{self._code}"

    @property
    def _code(self) -> str:
        return f"source/{self.environment.app.within('')}".rstrip("/")

    def path(self, path: str) -> str:
        """Return an absolute path for a path that may be relative to the code."""
        return path if path.startswith("/") else f"{self.code}/{path}".rstrip("/")

    # Rendering.

    @cached_property
    def context(self) -> dict[str, object]:
        """The variables of templates and values."""
        release, environment = self.release, self.environment
        hosts = views.host_views(environment, self.addresses)
        builds = views.build_views(environment, self.release_path) if release else {}
        return {
            "app": environment.app,
            "environment": environment,
            "site": environment.site,
            "host": hosts[self.name],
            "facts": self.facts,
            "hosts": hosts,
            "group": views.group_of(environment, hosts),
            "login": login_of(environment, lambda text, key: self.text(text, key, login=None)),
            "secrets": self.secrets.values,
            "certificates": views.certificate_files(environment),
            "release": views.release_view(release, self.release_path, self.code) if release else {},
            "root": self.root,
            "instances": views.instance_values(environment),
            "vars": SimpleNamespace(**environment.vars),
            "builds": builds,
        }

    def render(self, template: str, **more: object) -> str:
        """Render a template file with the host's context."""
        return self.templates.file(template, {**self.context, **more})

    def text(self, value: str, key: str, **more: object) -> str:
        """Render a value of the environment file; `key` is named when it cannot be rendered."""
        key = self.environment.user_key(key)
        return self.templates.value(value, {**self.context, **more}, self.environment.path.name, key)

    def command_text(self, value: str, key: str, **more: object) -> str:
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
