"""The common things of one run of ``fab``: the selected hosts, their wires, the secrets, the report."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from fabric import Connection
from fabric.config import Config
from invoke.exceptions import Exit

from .. import sandbox
from ..answers.messages import Message
from ..errors import HawserError, InputErrors, Problem
from ..host import Host
from ..host.facts import Facts
from ..host.places import helper_path
from ..host.release import Release
from ..installed import this_version
from ..inventory import Environment, Inventory, Selection, load_inventory
from ..project import hosts_folder, own_settings
from ..report import Report, make_report
from ..report.rollout.recorded import RecordedReport
from ..report.silent import Silent
from ..report.stream import Sink
from ..resources import Catalog
from ..secrets import Secrets, Sources, load_secrets, sources_of
from ..ssh.connect import Address, Connector
from ..ssh.hostkeys import KnownHosts
from ..templates.rendering import Templates, folders
from . import choice, locks, preflight
from .connections import Connections
from .engine import Engine
from .messages import Messages
from .notices import Notices
from .planning import Guard, Recorder
from .progress import Progress
from .signing import SigningState
from .texts import STAND_IN, texts

if TYPE_CHECKING:
    from ..report.screen import Screen

# Runs tasks, by their names and with their options, in a session.
Perform: TypeAlias = "Callable[[Session, Sequence[tuple[str, Mapping[str, object]]]], None]"


class Session:
    """One run of ``fab``.

    :param config: Fabric's configuration of the project.
    :param names: what stands after ``-H``.
    :param command: the tasks of this run, for the lock and the history.
    :param verbose: whoever gives it wants to see book-keeping as well.
    :param perform: runs tasks by their names, with their options, in a session.
    :param silent: it is a dry run of which nothing is told.
    :param as_admin: who logs in may do anything as root, where `ssh.admin` says who that is.
    """

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        command: str,
        verbose: bool = False,
        perform: Perform | None = None,
        silent: bool = False,
        as_admin: bool = False,
    ) -> None:
        self.as_admin = as_admin
        self.config = config
        self.names = tuple(names)
        self.command = command
        self.perform = perform
        self.dry = silent or bool(config.run.dry)
        self.recorded = RecordedReport(Silent() if silent else make_report(dry=self.dry, verbose=verbose), self.dry)
        self.report: Report = self.recorded
        # What this run finds is taken down; what it does is held to a plan.
        self.recorder: Recorder | None = None
        self.guard: Guard | None = None
        # The tasks behind the one that is at work, where that shows what they would change; and what is done when all
        # have gone well.
        self.following: Sequence[tuple[str, Mapping[str, object]]] = ()
        self.at_end: Callable[[], None] | None = None
        self.folder = hosts_folder(config)
        self.known_hosts = KnownHosts(self.folder / "known_hosts")
        self.connector = Connector(config, self.known_hosts)
        self.engine: Engine = choice.engine(os.environ, self.connector, self.labels)
        self.connections = Connections(self)
        self.messages = Messages(self.report)
        self.progress = Progress()
        self.notices = Notices(self)
        self.signing = SigningState()
        # The host that a plain task has a connection to.
        self.spoken_to = ""
        self.dry_failures: list[str] = []
        self._began = time.time()
        self._result = "ok"
        self._secrets: Secrets | None = None
        self._rendered: Secrets | None = None

    @property
    def entry(self) -> dict[str, str]:
        """Who does what from where, since when and how long by now, for the lock and the history."""
        return {
            "what": self.command,
            "who": locks.operator(),
            "from": platform.node(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began)),
            "seconds": str(round(self.age)),
            "result": self._result,
            "hawser": this_version(),
        }

    def account(self, selection: Selection) -> dict[str, object]:
        """Return what this run is about, as a log of it begins."""
        environment = selection.environment
        path = os.path.relpath(environment.path)
        return {
            "command": self.command,
            "environment": environment.name,
            "application": environment.app.name,
            # No path of this machine: a log may be sent on.
            "file": environment.path.name if path.startswith("..") else path,
            "hosts": list(selection.hosts),
            "who": locks.operator(),
            "from": platform.node(),
            "hawser": this_version(),
        }

    @property
    def age(self) -> float:
        """Seconds since this run began."""
        return time.time() - self._began

    # What the user wrote.

    @cached_property
    def inventory(self) -> Inventory:
        """The environment files; those of a project without any are asked for when something needs them."""
        return load_inventory(self.folder, own_settings(self.config).get("environment"))

    @cached_property
    def selection(self) -> Selection:
        """The environment and the hosts that ``-H`` names."""
        if not self.names:
            raise HawserError(
                f"{self.command}: name hosts with -H, e.g. fab -H {self.example_target()} {self.command}", code=2
            )
        selection = self.inventory.select(self.names)
        self.report.begin(lambda: self.account(selection))
        if selection.environment.secrets.sources != ("file",):
            # Variables that hold secrets are taken away before any program is started that would inherit them.
            self.__dict__["selection"] = selection
            self.sources  # noqa: B018
        return selection

    def example_target(self) -> str:
        return next(iter(self.inventory.names), "web1")

    @property
    def environment(self) -> Environment:
        return self.selection.environment

    @cached_property
    def sources(self) -> Sources:
        """Where the secrets of the environment are looked up: each place is asked once in a run."""
        if self.environment.secrets.sources != ("file",):
            # Somebody may be asked for a passphrase or a PIN.
            self.report.pause()
        return sources_of(self.environment, self.folder)

    @property
    def secrets(self) -> Secrets:
        if self._secrets is None:
            self.use_secrets(load_secrets(self.environment, self.sources))
            self.require_secrets()
        assert self._secrets is not None
        return self._secrets

    @property
    def masks(self) -> tuple[str, ...]:
        """The secrets to mask, as far as they are known already."""
        return tuple(self._secrets.mask_values()) if self._secrets is not None else ()

    def use_secrets(self, secrets: Secrets, rendered_alike: bool = False) -> None:
        """Go on with other secrets.

        :param rendered_alike: no template sees a difference, so what was rendered with those before stays as it is.
        """
        if rendered_alike and self._rendered is self._secrets:
            self._rendered = secrets
        self._secrets = secrets
        self.report.set_masks(secrets.mask_values())

    def require_secrets(self) -> None:
        """Refuse to go on without the generated secrets.

        :raises InputErrors: names those that are missing, and how to get them.
        """
        assert self._secrets is not None
        store = self.sources.store
        if store is not None and not store.exists() and self._secrets.missing_generated:
            raise HawserError(
                f"{store.name} does not exist: the secrets of {self.environment.name} were not made yet, "
                f"or on another machine",
                next=f"fab -H {self.environment.name} bootstrap, or secrets.pull where the hosts were set up before",
                code=2,
            )
        self._secrets.require_generated()

    @cached_property
    def templates(self) -> Templates:
        return Templates(folders(self.folder, self.environment.name))

    @cached_property
    def sandbox_hosts(self) -> dict[str, sandbox.RunningHost]:
        """The running sandbox hosts of the environment, by their name in it.

        :raises HawserError: some are not up.
        """
        names = [name for name, host in self.environment.hosts.items() if host.sandbox]
        running = {each.name: each for each in sandbox.listing()} if names else {}
        down = [name for name in names if self.environment.sandbox_name(name) not in running]
        if down:
            raise HawserError(
                f"{self.environment.name}: sandbox hosts that are not up: {', '.join(down)}",
                next=f"fab -H {self.environment.name} sandbox.up",
                code=2,
            )
        return {name: running[self.environment.sandbox_name(name)] for name in names}

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Where each host of the environment is reached; sandbox hosts have theirs while they are up."""
        return {
            name: self.sandbox_hosts[name].address if host.sandbox else host.address
            for name, host in self.environment.hosts.items()
        }

    def use_stand_in_addresses(self) -> None:
        """Give sandbox hosts addresses that nobody has (RFC 5737), for what only renders."""
        self.addresses = {
            name: "192.0.2.1" if host.sandbox else host.address for name, host in self.environment.hosts.items()
        }

    def host(self, name: str, release: Release | None = None) -> Host:
        """Return a host as the steps see it."""
        today = Host(
            name,
            self.environment,
            self.secrets,
            self.templates,
            self.addresses,
            self.connections.facts.get(name, Facts()),
            release,
            self.entry,
            self.progress.drained,
            self.progress.rollout,
        )
        if release is None:
            return today
        return dataclasses.replace(today, environment=release.environment, templates=release.templates, today=today)

    def made(self, commit: str, environment: Environment, templates: Templates, named: str = "") -> Release:
        """Return the release of a commit with these settings and templates, with the secrets and hosts of today.

        :param named: by what hosts fetch the commit; see `Release`.
        """
        return Release.of(commit, environment, templates, self.secrets, self.addresses, named, self.texts)

    def compared(self, commit: str, environment: Environment, templates: Templates) -> Release:
        """Return the same release as far as its id goes: what its processes read takes as long as rendering it."""
        return Release.of(commit, environment, templates, self.secrets, self.addresses)

    def texts(self, release: Release) -> list[list[object]]:
        """Return what the processes of a release start with on all hosts, whatever its id and the hosts' facts are."""
        stand_in = dataclasses.replace(release, id=STAND_IN)
        hosts = (self.host(name, stand_in) for name in self.environment.hosts)
        return texts(
            dataclasses.replace(host, facts=Facts(), entry={}, drained=(), rollout=None, today=None) for host in hosts
        )

    def preflight(self) -> None:
        """Render every step for every selected host, before the first connection.

        :raises InputErrors: everything that cannot be rendered.
        """
        if self._rendered == self._secrets and self._secrets is not None:
            return
        problems = self.rendering_problems()
        if problems:
            raise InputErrors(problems)
        self._rendered = self._secrets

    def rendering_problems(self) -> tuple[Problem, ...]:
        """Return everything that cannot be rendered for the hosts of the environment."""
        return preflight.rendering_problems(self.environment, self.templates, self.host)

    # The way to a host.

    def labels(self, name: str) -> tuple[str, ...]:
        """Return the names that stand for a host after ``-H``, the closest one first."""
        environment = self.environment
        return (name, *environment.hosts[name].groups, environment.name)

    def address(self, name: str, log_in: bool = True) -> Address:
        """Return how a host is reached.

        :param log_in: False for a look from outside, which needs no secret.
        """
        setting = self.environment.hosts[name]
        ssh = self.environment.ssh
        password = self.config.sudo.password or ""
        if ssh.sudo_password and log_in and not self.config._overrides.get("sudo", {}).get("password"):
            password = self.secrets.values[ssh.sudo_password]
        user, helper = setting.user or "", ""
        if ssh.admin and self.as_admin:
            user = ssh.admin
        elif ssh.admin:
            helper = helper_path(self.environment.app.name)
        # Without secrets, as for a look from outside, nothing is asked of the host.
        signer = self.secrets.signer if helper and log_in else None
        if setting.sandbox:
            # Its key is known from its making, not from the network.
            running, key = self.sandbox_hosts[name], setting.key or str(sandbox.private_key())
            return Address(
                name,
                running.address,
                running.port,
                user or running.user,
                key,
                jump="",
                host_key=running.host_keys[0],
                sudo_password=password,
                target=self.environment.target(name),
                throwaway=True,
                helper=helper,
                signer=signer,
            )
        return Address(
            name,
            setting.address,
            setting.port or 0,
            user,
            setting.key or "",
            setting.jump,
            setting.host_key or "",
            password,
            ssh.connect_timeout,
            self.environment.app.agent,
            self.environment.target(name),
            helper=helper,
            signer=signer,
        )

    @property
    def greeting(self) -> dict[str, str]:
        """The first message to a runner: the application, and its places."""
        app = self.environment.app
        return {"application": app.name, "root": app.root, "state": self.host(self.environment.leader).state}

    def connect(self, name: str) -> Connection:
        """Open the connection of a plain task to one host."""
        self.report.pause()
        self.spoken_to = name
        return self.connector.open(self.address(name))

    def planned(
        self, name: str, catalog: Catalog, heard: Callable[[Message], None]
    ) -> tuple[Catalog, Callable[[Message], None]]:
        """Return a catalog for a host, and who is told of it, where a plan is made or counts."""
        if self.recorder is not None:
            return catalog, self.recorder.recording(name, catalog, heard)
        return (self.guard.held(name, catalog) if self.guard is not None else catalog), heard

    def screen(self, task: str, every: int) -> Screen:
        """Return the terminal as a place in which one look of a task follows the other.

        :param every: seconds between two of them.
        :raises HawserError: nobody sees a terminal.
        """
        from ..report.screen import Screen
        from ..report.terminal import TerminalReport

        if not isinstance(self.recorded.shown, TerminalReport):
            raise HawserError(
                "--watch redraws a terminal, and there is none",
                next=f"fab -H {self.environment.name} {task} without it, as often as you like; HAWSER_OUTPUT=json has "
                "it for programs",
                code=2,
            )
        title = f"{self.environment.name}: {task}, every {every} s"
        return Screen(Sink(sys.stdout), title, os.environ)

    def set_result(self, result: str) -> None:
        """Have the history say this of the run, in place of ``ok``."""
        self._result = result

    def would_fail(self, names: Sequence[str]) -> None:
        """Remember the hosts on which a dry run would fail."""
        self.dry_failures.extend(names)

    def require_no_failure(self) -> None:
        """Stop where a dry run would have failed.

        :raises HawserError: names the hosts.
        """
        if self.dry_failures:
            raise HawserError(f"would fail on {', '.join(dict.fromkeys(self.dry_failures))}")

    def close(self, error: Exit | None = None) -> None:
        """Say goodbye to every host and sum up.

        :param error: what the run ends with, where it did not go well.
        """
        self.connections.close()
        self.notices.finish()
        exchanges = {name: wire.exchanges for name, wire in self.connections.wires.items()}
        told, code = ("", 0) if error is None else (str(error.message or ""), error.code)
        self.report.finish(error is None, exchanges, told, code)
