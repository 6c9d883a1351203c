"""What one run of ``fab`` shares: the selected hosts, their wires, the secrets, the report."""

from __future__ import annotations

import dataclasses
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fabric.config import Config

from .. import sandbox
from ..errors import HawserError, InputErrors, Problem, Unreachable
from ..formats import NotRepresentable
from ..host import Host
from ..host.facts import Facts
from ..host.journal import Record
from ..host.release import Release
from ..inventory import Environment, Selection, load_inventory
from ..inventory.tables.app import SIGNING_KEY
from ..report import Event, Report, make_report
from ..resources import JSON
from ..secrets import Secrets, kept_secrets, load_secrets
from ..signatures import Kept
from ..ssh.connect import Address, Connector
from ..ssh.hostkeys import KnownHosts
from ..ssh.protocol import HEARTBEAT
from ..ssh.transport import SILENCE
from ..ssh.wire import Wire
from ..steps import Step
from ..templates.rendering import TemplateError, Templates, folders
from . import locks, together
from .rules import broken

T = TypeVar("T")

# More connections at once than this gain nothing (measured on 100 hosts) and meet sshd's MaxStartups on bastions.
CONCURRENCY = 32
# What helps where the record of a host is damaged.
DAMAGED = (
    "  next: put them right there, or remove them, then the same command again; what goes with them:",
    "  journal.json: a rollout that is open (deploy again), hold.json: a freeze, secrets.json: what was made",
)
# Seconds that are left to the threads of a run that is broken off.
LAST_WAIT = 0.4
# Lines of a program's output that are looked through when it fails.
LAST_LINES, LAST_LENGTH = 100, 4096


class Session:
    """One run of ``fab``.

    :param config: Fabric's configuration of the project.
    :param names: what stands after ``-H``.
    :param command: the tasks of this run, for the lock and the history.
    """

    def __init__(self, config: Config, names: Sequence[str], command: str) -> None:
        self.config = config
        self.names = tuple(names)
        self.command = command
        self.dry = bool(config.run.dry)
        self.report: Report = make_report(dry=self.dry)
        settings = config.get("hawser", {})
        self.folder = Path(os.environ.get("HAWSER_HOSTS") or settings.get("hosts", "hosts")).resolve()
        self.inventory = load_inventory(self.folder, settings.get("environment"))
        self.began = time.time()
        self.result = "ok"
        self.known_hosts = KnownHosts(self.folder / "known_hosts")
        self.connector = Connector(config, self.known_hosts)
        self.wires: dict[str, Wire] = {}
        self.lost: dict[str, str] = {}
        self.facts: dict[str, Facts] = {}
        self.locked: set[str] = set()
        # The host that a plain task has a connection to.
        self.spoken_to = ""
        self.at_stake: Release | None = None
        # Backends that the web servers in front of them pass nothing to now.
        self.drained: tuple[str, ...] = ()
        self.dry_failures: list[str] = []
        self.failures: dict[str, Event] = {}
        self.last_lines: dict[str, deque[str]] = {}
        self.rollout: Record | None = None
        # Of what hosts keep, by host, what is about to be signed (`hawser.fleet.kept`); and whether, in a dry run
        # before there is a key, what is unsigned counts.
        self.accepted: dict[str, tuple[Kept, ...]] = {}
        self.unsigned = False
        # Hosts that know another signing key, which was said.
        self.warned: set[str] = set()
        # Whether hosts that do not answer are left out of a rollout, as `release.unreachable` says.
        self.lenient = False
        self._opening: Future[list[str]] | None = None
        # Hosts that were expected and could not be reached, until somebody asks for them.
        self._unreached: set[str] = set()
        self._selection: Selection | None = None
        self._secrets: Secrets | None = None
        self._rendered: Secrets | None = None
        self._templates: Templates | None = None
        self._closed = threading.Event()
        # Those on which a runner may have been started, and whether their lines were cut.
        self._begun: list[Wire] = []
        self._hung_up = False

    @property
    def entry(self) -> dict[str, str]:
        """Who does what from where, since when and how long by now, for the lock and the history."""
        return {
            "what": self.command,
            "who": locks.operator(),
            "from": platform.node(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
            "seconds": str(round(time.time() - self.began)),
            "result": self.result,
        }

    # What the user wrote.

    @property
    def selection(self) -> Selection:
        """The environment and the hosts that ``-H`` names."""
        if self._selection is None:
            if not self.names:
                raise HawserError(
                    f"{self.command}: name hosts with -H, e.g. fab -H {self.example_target()} {self.command}", code=2
                )
            self._selection = self.inventory.select(self.names)
        return self._selection

    def example_target(self) -> str:
        return next(iter(self.inventory.names), "web1")

    @property
    def environment(self) -> Environment:
        return self.selection.environment

    @property
    def secrets(self) -> Secrets:
        if self._secrets is None:
            self.use_secrets(load_secrets(self.environment, self.folder))
            self.require_secrets()
        assert self._secrets is not None
        return self._secrets

    @property
    def masks(self) -> tuple[str, ...]:
        """What must not be shown, as far as it is known already."""
        return tuple(self._secrets.mask_values()) if self._secrets is not None else ()

    def use_secrets(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.report.set_masks(secrets.mask_values())

    def require_secrets(self) -> None:
        """Refuse to go on without the generated secrets.

        :raises InputErrors: names those that are missing, and how to get them.
        """
        assert self._secrets is not None
        if not self._secrets.path.exists() and self._secrets.missing_generated:
            raise HawserError(
                f"{self._secrets.path.name} does not exist: the secrets of {self.environment.name} were not made yet, "
                f"or on another machine\n"
                f"  next: fab -H {self.environment.name} bootstrap, or secrets.pull where the hosts were set up before",
                code=2,
            )
        self._secrets.require_generated()

    def make_secrets(self) -> None:
        """Make the generated secrets that are missing, unless hosts have been set up with others.

        :raises InputErrors: a host knows secrets that this machine lacks; a new value would lock everyone out.
        """
        loaded = self.load_incomplete_secrets()
        missing = loaded.missing_generated
        if not missing:
            return
        names = tuple(self.environment.hosts)
        self.open(names)
        self.refuse_damaged(names)
        if any(set(missing) & set(self.facts[name].generated) for name in names):
            raise HawserError(
                f"{loaded.path.name} lacks {', '.join(missing)}, which the hosts were set up with; "
                "a new value would lock everyone out\n"
                f"  next: fab -H {self.environment.name} secrets.pull",
                code=2,
            )
        if not self.dry:
            self.use_secrets(loaded.generate(missing))
            self.report.note("", f"made {', '.join(missing)} and kept them in {loaded.path.name}")

    def make_signing_key(self) -> None:
        """Make the key under what hosts keep, and keep it in ``NAME.env``."""
        rendered = self._rendered is self._secrets
        self.use_secrets(self.secrets.with_signing_key())
        if rendered:
            # No template can see it.
            self._rendered = self._secrets
        self.report.note(
            "",
            f"made {SIGNING_KEY} and kept it in {self.secrets.path.name}: whoever else deploys, colleagues and CI, "
            "needs the same line; it is never on a host, so keep a copy",
        )

    def load_incomplete_secrets(self) -> Secrets:
        """Return what this machine has; what is missing has values that nobody keeps, to render with for now."""
        loaded = load_secrets(self.environment, self.folder)
        self.use_stand_ins(loaded)
        return loaded

    def use_stand_ins(self, loaded: Secrets) -> None:
        """Use what this machine has of the secrets; what is missing gets values that nobody keeps."""
        missing = [name for name in self.environment.env.secrets if name not in loaded.values]
        self.use_secrets(loaded.with_values({name: loaded.make(name) for name in missing}))

    def kept_secrets(self) -> tuple[Secrets, dict[str, dict[str, str]]]:
        """Return the secrets of this machine, and by host the generated ones that it was set up with."""
        loaded = self.load_incomplete_secrets()
        self.open(self.selection.hosts)
        return loaded, self.kept_on(self.selection.hosts)

    def kept_on(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the generated secrets that some hosts were set up with; their wires are open."""
        kept: dict[str, dict[str, str]] = {}
        for name in names:
            path = f"{self.host(name).state}/secrets.json"
            text = self.wires[name].request("read", {"path": path}).message.get("text")
            kept[name] = kept_secrets(name, text, self.environment.env.generated)
        return kept

    @property
    def templates(self) -> Templates:
        if self._templates is None:
            self._templates = Templates(folders(self.folder, self.environment.name))
        return self._templates

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
                f"{self.environment.name}: sandbox hosts that are not up: {', '.join(down)}\n"
                f"  next: fab -H {self.environment.name} sandbox.up",
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

    def host(self, name: str, release: Release | None = None) -> Host:
        """Return a host as the steps see it."""
        facts = self.facts.get(name, Facts())
        today = Host(
            name,
            self.environment,
            self.secrets,
            self.templates,
            self.addresses,
            facts,
            release,
            self.entry,
            self.drained,
            self.rollout,
            self.accepted.get(name, ()),
        )
        if release is None:
            return today
        return dataclasses.replace(today, environment=release.environment, templates=release.templates, today=today)

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
        """Render every step for every host of the environment, and return what cannot be rendered."""
        trial = Release("0" * 10 + "-" + "0" * 8, "0" * 40, self.environment, self.templates)
        hosts = [self.host(name, trial) for name in self.environment.hosts]
        problems = dict.fromkeys(broken(hosts))
        for name in self.selection.environment.hosts:
            for each in Step.registry:
                try:
                    list(each.resources(self.host(name, trial)))
                except TemplateError as error:
                    problems[error.problem] = None
                except NotRepresentable as error:
                    problems[Problem(self.environment.path.name, each.title, str(error))] = None
        return tuple(problems)

    # Wires.

    def address(self, name: str, log_in: bool = True) -> Address:
        """Return how a host is reached.

        :param log_in: False for a look from outside, which needs no secret.
        """
        setting = self.environment.hosts[name]
        ssh = self.environment.ssh
        password = self.config.sudo.password or ""
        if ssh.sudo_password and log_in:
            password = self.secrets.values[ssh.sudo_password]
        if setting.sandbox:
            # Its key is known from its making, not from the network.
            running, key = self.sandbox_hosts[name], setting.key or str(sandbox.private_key())
            return Address(
                name,
                running.address,
                running.port,
                setting.user or running.user,
                key,
                host_key=running.host_keys[0],
                sudo_password=password,
            )
        return Address(
            name,
            setting.address,
            setting.port or 0,
            setting.user or "",
            setting.key or "",
            setting.jump or "",
            setting.host_key or "",
            password,
            ssh.connect_timeout,
            self.environment.app.agent,
        )

    def connect_early(self, names: Sequence[str]) -> None:
        """Begin to open wires to these hosts while other work goes on; `open` waits for them."""
        self.preflight()
        self._opening = together.begin(lambda: self.open_missing(names))

    def open(self, names: Sequence[str]) -> None:
        """Open a wire to each of these hosts that has none yet, all at once.

        :raises Unreachable: names every one of these that could not be reached; the others stay open.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            self._unreached.update(self.wait_for(opening))
        # Those that did not answer a moment ago are not tried again.
        failed = [name for name in names if name in self._unreached]
        self._unreached.difference_update(failed)
        failed += self.open_missing([name for name in names if name not in failed])
        if failed:
            raise Unreachable(f"not reached: {', '.join(failed)}")

    def wait_for(self, opening: Future[list[str]]) -> list[str]:
        """Wait for what `connect_early` has begun."""
        try:
            return opening.result()
        except KeyboardInterrupt:
            self.hang_up()
            raise

    def open_missing(self, names: Sequence[str]) -> list[str]:
        """Open a wire to each of these hosts that has none yet; report and return those that could not be reached."""
        missing = [name for name in names if name not in self.wires]
        if not missing:
            return []
        self.preflight()
        failures = self.try_open(missing)
        for name, failure in failures.items():
            self.tell_failure(name, failure)
        return list(failures)

    def try_open(self, names: Sequence[str], only_look: bool = False) -> dict[str, str]:
        """Open a wire to each of these hosts, all at once.

        :param only_look: change nothing, so install no Python either.
        :returns: why some could not be reached, by host.
        """
        if not names:
            return {}
        app = self.environment.app
        hello = {"application": app.name, "root": app.root, "state": self.host(names[0]).state}
        found = self.parallel(names, lambda name: self.open_one(name, hello, only_look))
        failures = {name: str(result) for name, result in found.items() if isinstance(result, Exception)}
        self.lost.update(failures)
        return failures

    def open_one(self, name: str, hello: Mapping[str, str], only_look: bool) -> None:
        wire = Wire(self.address(name), self.connector, hello)

        def install_python() -> bool:
            if only_look:
                return False
            if self.dry:
                raise Unreachable(f"{name}: has no python3; it would be installed first")
            self.report.note(name, "has no python3; it is installed first")
            return True

        self._begun.append(wire)
        wire.open(install_python)
        self.wires[name] = wire
        self.facts[name] = wire.facts
        # One thread a wire: a line that takes nothing must not silence the others.
        threading.Thread(target=self.ping, args=(wire,), daemon=True).start()

    def ping(self, wire: Wire) -> None:
        while not self._closed.wait(HEARTBEAT):
            wire.ping()

    def parallel(self, names: Sequence[str], work: Callable[[str], T]) -> dict[str, T | Exception]:
        """Do something for each host at once; every host is finished before this returns.

        :returns: for each host its result, or the error that a user can act on.
        """

        def guarded(name: str) -> T | Exception:
            try:
                return work(name)
            except HawserError as error:
                if isinstance(error, Unreachable):
                    self.lost[name] = str(error)
                return error
            except Exception as error:
                # Our own mistake must not keep the other hosts from being put back.
                bug = HawserError(f"{name}: a bug in Hawser: {type(error).__name__}: {error}")
                bug.__cause__ = error
                return bug

        futures = together.begin_each(names, guarded, CONCURRENCY)
        try:
            return {name: future.result() for name, future in futures.items()}
        except KeyboardInterrupt:
            self.hang_up()
            # What they still have to say shall not come between the last words.
            wait(futures.values(), timeout=LAST_WAIT)
            raise

    def pass_over(self, backends: Iterable[str]) -> None:
        """Remember which backends are to get no requests, until another word."""
        self.drained = tuple(backends)

    def tell_failure(self, name: str, message: str) -> None:
        """Report what broke off a host's run: loudly in any case, as a failure unless the settings leave it out."""
        if self.lenient and name in self.lost:
            self.report.note(name, message.removeprefix(f"{name}: "), "warning")
        else:
            self.report.host_failed(name, message)

    def reopen(self, names: Sequence[str]) -> None:
        """Try once more to reach hosts that were lost on the way, and take their lock again; some may stay lost."""
        gone = [name for name in names if name in self.lost and name in self.wires]
        for name in gone:
            self.wires.pop(name).cut()
            self.locked.discard(name)
        failures = self.try_open(gone)
        for name in gone:
            if name in failures:
                continue
            try:
                # Our former runner there may need some time to notice that nobody speaks to it any more.
                self.lock([name], wait=SILENCE + HEARTBEAT)
            except HawserError as error:
                self.lost[name] = str(error)
            else:
                del self.lost[name]
                self.report.note(name, "answers again")

    def lock(self, names: Sequence[str], wait: float = 2.0) -> None:
        """Take the application's lock on these hosts, in sorted order, and hold it until the end of the run.

        :param wait: seconds; a holder that was killed a moment ago needs some to end.
        :raises HawserError: somebody else holds it: who, since when, from where, doing what.
        """
        info: dict[str, JSON] = {**self.entry, "since": time.time()}
        # One after the other: of two who come at once, whoever gets the first one gets all.
        for name in sorted(set(names) - self.locked):
            answer = self.wires[name].request("lock", {"info": info, "wait": wait}, self.secrets.mask_values())
            if not answer.ok:
                holder = answer.message.get("holder")
                if not holder:
                    raise HawserError(f"{name}: the lock cannot be taken: {answer.error}")
                raise HawserError(
                    f"{name}: {locks.at_work(holder)}; nothing was touched\n  next: wait, then the same command again"
                )
            self.facts[name] = answer.message["facts"]
            self.locked.add(name)

    def refuse_damaged(self, names: Sequence[str]) -> None:
        """Stop where a host's record of a rollout, of a freeze or of its secrets is damaged; a dry run only says so.

        :param names: hosts that have been asked already.
        :raises HawserError: which, and what helps.
        """
        told = [f"  {name}: {path}" for name in names for path in self.facts[name].damaged]
        what = "records of hosts are damaged, so that nobody knows what they said"
        if told and self.dry:
            self.report.note("", "\n".join([f"{what}:", *told]), "warning")
        elif told:
            raise HawserError("\n".join([f"{what}; nothing was touched", *told, *DAMAGED]))

    def refresh(self, names: Sequence[str]) -> None:
        """Read the facts of these hosts anew; one that does not answer any more is lost."""

        def ask(name: str) -> Facts:
            found: Facts = self.wires[name].request("facts").message["facts"]
            return found

        for name, result in self.parallel(names, ask).items():
            if not isinstance(result, Exception):
                self.facts[name] = result

    def hang_up(self) -> None:
        """Cut every line at once: the runners end what they do."""
        self._closed.set()
        self._hung_up = True
        wait([together.begin(wire.cut) for wire in self._begun], timeout=LAST_WAIT)

    def close(self, ok: bool) -> None:
        """Say goodbye to every host and sum up; nobody is waited for after the lines were cut."""
        if not self._hung_up:
            if self._opening is not None:
                # What failed there is reported already, and did not matter to what ended the run.
                wait([self._opening])
            self._closed.set()
            self.parallel(list(self.wires), lambda name: self.wires[name].close())
            self.connector.close()
        self.report.finish(ok, {name: wire.exchanges for name, wire in self.wires.items()})

    def tell(self, name: str) -> Callable[[Mapping[str, Any]], None]:
        """Return what passes a runner's messages on to the report."""

        def heard(message: Mapping[str, Any]) -> None:
            if message["t"] == "start":
                self.report.start(name, str(message["step"]), str(message["label"]))
            elif message["t"] == "event":
                event = Event.from_wire(message)
                if event.status == "failed":
                    self.failures[name] = event
                self.report.event(name, event)
                if message.get("warning"):
                    self.report.note(name, str(message["warning"]), "warning")
            elif message["t"] == "log":
                self.report.log(name, str(message["source"]), float(message["time"]), str(message["text"]))
            elif message["t"] == "output":
                for line in str(message["text"]).splitlines():
                    self.last_lines.setdefault(name, deque(maxlen=LAST_LINES)).append(line[:LAST_LENGTH])
                    self.report.output(name, line, str(message["stream"]))

        return heard
