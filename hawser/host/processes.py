"""The processes of a host: their colours, addresses, and resources, whoever manages them."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..answers.messages import COLOURS, ProcessRow
from ..inventory.tables.processes import CronEntry, Process
from ..resources import (
    Retired,
)
from ..runner.processes.traits import MANAGERS, ManagerTraits, others
from .host import Host
from .journal import PUT_BACK
from .release import Release
from .variables import instance_environment

# By which servers are told where to write their number: gunicorn, celery, uWSGI, twistd.
PID_OPTION = re.compile(r"--?pid(?:[-_]?file)?(?:=(?P<path>.+))?")


@dataclass(frozen=True)
class ProcessInstance:
    """One process on one host, of one colour.

    :param name: its name, numbered when there are several (``worker-2``).
    :param colour: ``blue`` or ``green``; empty for one that restarts in place.
    :param is_trial: it runs beside the one that it shall replace, for a trial (`hawser.host.trials`), and
    :param told: by these words before its command of its port.
    """

    host: Host
    name: str
    setting: Process
    colour: str
    is_trial: bool = False
    told: tuple[str, ...] = ()

    @property
    def instance(self) -> str:
        if self.is_trial:
            # No name of a process has a dot.
            return f"{self.name}.trial"
        return f"{self.name}-{self.colour}" if self.colour else self.name

    @property
    def unit(self) -> str:
        """Its name under its manager."""
        return f"{self.host.app.name}-{self.instance}"

    @property
    def other(self) -> ProcessInstance:
        """The same process in the other colour."""
        return dataclasses.replace(self, colour=COLOURS[1 - COLOURS.index(self.colour)])

    @property
    def socket(self) -> str:
        """The path of its own socket, empty when it has none."""
        return f"{self.host.run}/{self.instance}.sock" if self.setting.socket else ""

    @property
    def link(self) -> tuple[str, str]:
        """The link that says which colour serves, and its target: the socket's name, or the instance."""
        if self.setting.socket:
            return f"{self.host.run}/{self.name}.sock", f"{self.instance}.sock"
        return f"{self.host.run}/{self.name}.live", self.instance

    @property
    def address(self) -> str:
        """Where it is asked for its health: a socket's path or ``host:port``; empty when it does not listen."""
        return self.socket or (f"127.0.0.1:{self.port}" if self.port else "")

    @property
    def port(self) -> int | None:
        """The port that it has in its colour; None when it has none."""
        spare = self.setting.spare_port
        return spare if spare is not None and self.colour == COLOURS[1] else self.setting.port

    @property
    def manager(self) -> ManagerTraits:
        return MANAGERS[self.setting.manager]

    @property
    def definition(self) -> str:
        """The path of its unit or program file."""
        return f"{self.manager.folder}/{self.unit}{self.manager.suffix}"

    @property
    def log(self) -> str:
        """The file that takes its output, or its complaints where they have one of their own; empty for the journal."""
        for key in self.manager.log_keys:
            if own := self.extra.get(key):
                return own
        path = self.setting.output or self.manager.log.format(self.name)
        return f"{self.host.root}/{path}" if path else ""

    @property
    def is_private(self) -> bool:
        """Whether nobody else needs to read the files that it makes: no web server sends any."""
        site = self.host.environment.site
        return site is None or not (site.static or site.extra)

    @property
    def directory(self) -> str:
        """Its working directory: the code, or a persistent folder of its own."""
        key = f"processes.{self.setting_name}.directory"
        return self.host.path(self.host.text(self.setting.directory or "", key))

    @property
    def setting_name(self) -> str:
        """Its name in the environment file."""
        return self.name.rpartition("-")[0] if self.setting.count > 1 else self.name

    @property
    def before(self) -> list[str]:
        """The units of this host, under the same manager, that start before it at boot."""
        wanted = self.host.environment.all_before(self.setting_name)
        there = processes_of(self.host, manager=self.setting.manager) if wanted else []
        return [each.unit for each in there if each.setting_name in wanted]

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and its arguments, started in the release's environment."""
        words = shlex.split(self.command_text(self.setting.command, "command"))
        own = own_environment(self.setting, self.setting_name)
        left = [*([self.socket] if self.socket else []), *pid_files(words)]
        fresh = [word for path in left for word in unlinking(path)]
        return (*self.changes_user, *fresh, f"{self.host.release_path}/run", *own, *self.trusting, *self.told, *words)

    @property
    def trusting(self) -> tuple[str, ...]:
        """The words before a server that trusts whoever reaches its socket, which only the web server can.

        uvicorn and gunicorn read this variable. They cannot be told of a socket otherwise, and would take nobody's word
        for the visitor's address and for HTTPS.
        """
        env, name = self.host.environment.env, "FORWARDED_ALLOW_IPS"
        own = self.setting.environment_file is not None or name in {**env.variables, **self.setting.environment}
        return ("env", f"{name}=*") if self.setting.socket and not own else ()

    @property
    def health_argv(self) -> tuple[str, ...]:
        """The program that tells whether it works, started in the release's environment."""
        health = self.setting.health
        return self.in_shell((health.command if health else None) or "", "health.command")

    def in_shell(self, line: str, key: str) -> tuple[str, ...]:
        """Return the words that run a command line of its table in its environment."""
        own = own_environment(self.setting, self.setting_name)
        return (f"{self.host.release_path}/run", *own, "sh", "-c", self.command_text(line, key))

    def command_text(self, text: str, key: str) -> str:
        """Render a command of its table, which may name its socket or port and its instance."""
        more = {"socket": self.socket, "port": self.port, "process": self.instance}
        return self.host.command_text(text, f"processes.{self.setting_name}.{key}", **more)

    @property
    def changes_user(self) -> tuple[str, ...]:
        """The wrapper that reads its file of variables as root and becomes its user, where its manager cannot."""
        file = self.setting.environment_file
        if file is None or "environment_file" in self.manager.offers:
            return ()
        return (f"{self.host.release_path}/run-as", self.setting.user, self.host.app.group, file)

    @property
    def extra(self) -> dict[str, str]:
        """Further keys for its definition."""
        key = f"processes.{self.setting_name}.extra"
        return {name: self.host.command_text(value, f"{key}.{name}") for name, value in self.setting.extra.items()}


def processes_of(host: Host, manager: str = "") -> list[ProcessInstance]:
    """Return the processes of a host in the colours that the release at stake shall have.

    A process that already serves this release, or one of which it would read the same, keeps its colour; another one
    gets the colour that is free.

    :param manager: only those under this one.
    """
    settings = host.process_settings(manager)
    # What restarts in place comes last: a new release that is not healthy is found out before anything has stopped.
    found: list[ProcessInstance] = []
    rank = host.environment.rank
    for name, setting in sorted(settings.items(), key=lambda item: (rank(item[0]), starts_late(item[1]))):
        found.extend(instance_of(host, each, setting) for each in instances(name, setting))
    return found


def instance_of(host: Host, name: str, setting: Process) -> ProcessInstance:
    """Return a process in the colour that the release at stake shall have; where it goes on, in that which it is in."""
    process = ProcessInstance(host, name, setting, colour_of(host, name, setting))
    own = going_on(host, process.unit, setting.manager)
    return dataclasses.replace(process, host=dataclasses.replace(host, release=own)) if own else process


def going_on(host: Host, unit: str, manager: str) -> Release | None:
    """Return the release in whose folder a process goes on when the one at stake serves; None where it starts anew.

    It goes on where it is of that release, or of another one and would read the same. Secrets may have changed in a
    release that is rolled out once more. Where its Python is gone it runs until it ends, and a new one takes its place.
    """
    wanted, row = host.release, host.facts.defined(unit, manager)
    if wanted is None or row is None or host.facts.gone_python or begins_anew(host):
        return None
    if row["release"] == wanted.id:
        return wanted if row["inputs"] in ("", wanted.process_inputs) or not wanted.process_inputs else None
    alike = row["inputs"] and row["inputs"] == wanted.process_inputs and row["release"] in host.facts.releases
    return dataclasses.replace(wanted, id=row["release"]) if alike else None


def begins_anew(host: Host) -> bool:
    """Tell whether the rollout under way starts all processes of a host anew; none where it goes back."""
    rollout = host.rollout
    return rollout is not None and rollout.phase != PUT_BACK and host.name in rollout.anew


def live_processes_of(host: Host) -> list[ProcessInstance]:
    """Return the processes of a host in the colours that serve now."""
    return [
        ProcessInstance(host, each, setting, host.facts.live.get(each, "") if overlaps(setting) else "")
        for name, setting in host.process_settings().items()
        for each in instances(name, setting)
    ]


def colour_of(host: Host, name: str, setting: Process) -> str:
    """Choose the colour of a process: none where it restarts in place, else as said in `processes_of`."""
    if not overlaps(setting):
        return ""
    live = host.facts.live.get(name, "")
    if live not in COLOURS:
        return first_colour(host, setting)
    serves = going_on(host, f"{host.app.name}-{name}-{live}", setting.manager)
    return live if serves else COLOURS[1 - COLOURS.index(live)]


def first_colour(host: Host, setting: Process) -> str:
    """Choose the colour of a process that has none yet.

    The first port of one that has two may still be had by a process in place, or by one of another name.
    """
    if setting.spare_port is None:
        return COLOURS[0]
    known = host.environment.processes
    others = [row for row in host.facts.processes if row["live"] and row["process"] not in known]
    former = [row["unit"].rpartition("-")[2] for row in others if row["unit"].endswith(COLOURS)]
    in_place = any(is_in_place(host, row) for row in host.facts.processes)
    return COLOURS[COLOURS[0] in former or (in_place and not former)]


def turned(process: ProcessInstance) -> Host:
    """Return its host as it is when the process serves in its other colour."""
    host, units = process.host, (process.unit, process.other.unit)
    rows = [row for row in host.facts.processes if row["unit"] not in units]
    rows.append(
        {
            "process": process.name,
            "unit": process.other.unit,
            "manager": process.setting.manager,
            "release": host.release.id if host.release else "",
            "inputs": host.release.process_inputs if host.release else "",
            "state": "",
            "active": True,
            "enabled": True,
            "seconds": 0,
            "since": 0.0,
            "pid": 0,
            "live": True,
        }
    )
    live = {**host.facts.live, process.name: process.other.colour}
    return dataclasses.replace(host, facts=dataclasses.replace(host.facts, live=live, processes=tuple(rows)))


def instances(name: str, setting: Process) -> list[str]:
    """Return the names of the processes that a setting stands for: one, or numbered ones."""
    return [name] if setting.count == 1 else [f"{name}-{number}" for number in range(1, setting.count + 1)]


def own_environment(setting: Process | CronEntry, name: str) -> list[str]:
    """Return the words before a program that has variables of its own, or those of an instance.

    :param name: the name of its own variables.
    """
    if setting.environment:
        return [f"@{name}"]
    return [f"@{instance_environment(setting.instance)}"] if setting.instance else []


def unlinking(path: str) -> tuple[str, ...]:
    """Return the words before a program that remove a file at each start, also at one by its manager alone.

    A server that was killed leaves its socket's file behind, and many cannot bind to a name that is taken; and its pid
    file, and many take any process that has that number by now for themselves.
    """
    return ("/bin/sh", "-c", 'rm -f -- "$0"; exec "$@"', path)


def pid_files(words: Sequence[str]) -> list[str]:
    """Return the files into which a server is told to write its number, by its manager nobody runs when it starts."""
    found = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option = PID_OPTION.fullmatch(word)
        path = (option["path"] or following) if option else following if word == "-p" else ""
        if path and not path.startswith("-") and (option or path.endswith(".pid")):
            found.append(path)
    return list(dict.fromkeys(found))


def overlaps(setting: Process) -> bool:
    """Whether a new process starts beside the old one."""
    return (setting.socket or setting.overlap or setting.spare_port is not None) and not setting.single


def starts_late(setting: Process) -> int:
    """Rank a process by when it starts in a switch: those that overlap, those in place; what listens comes first."""
    return (0 if overlaps(setting) else 2) + (0 if setting.listens else 1)


def elsewhere(process: ProcessInstance) -> list[ProcessInstance]:
    """Return a process as it would be under each of the managers that it does not have."""
    settings = (process.setting.model_copy(update={"manager": name}) for name in others(process.setting.manager))
    return [dataclasses.replace(process, setting=setting) for setting in settings]


def left_in_place(host: Host) -> list[ProcessRow]:
    """Return the processes without colours that are defined on a host and have left its settings.

    A single process may be the successor of any of them, or of one of its own name that had colours.
    """
    processes = processes_of(host)
    kept, names = {process.unit for process in processes}, {process.name for process in processes}
    singles = {process.name for process in processes if process.setting.single}
    return [
        row
        for row in host.facts.processes
        if row["unit"] not in kept
        and (row["process"] in singles or (row["process"] not in names and is_in_place(host, row)))
    ]


def is_in_place(host: Host, row: ProcessRow) -> bool:
    """Whether a process that is defined on a host has no colour."""
    return row["unit"] == f"{host.app.name}-{row['process']}"


def defined_as_set(host: Host) -> bool:
    """Whether the processes that are defined on a host are those of its settings, each in one colour or both."""
    there = {(row["manager"], row["unit"]) for row in host.facts.processes}
    live = [{(each.setting.manager, each.unit) for each in both_of(process)} for process in live_processes_of(host)]
    return all(units & there for units in live) and there <= {unit for units in live for unit in units}


def both_of(process: ProcessInstance) -> list[ProcessInstance]:
    """Return a process in both colours, or without one where it restarts in place."""
    if not overlaps(process.setting):
        return [process]
    return [dataclasses.replace(process, colour=colour) for colour in COLOURS]


def retired(row: ProcessRow) -> Retired:
    """Return the end of a process that is known by its definition alone; what takes its place waits for it."""
    traits = MANAGERS[row["manager"]]
    return Retired(row["unit"], row["manager"], f"{traits.folder}/{row['unit']}{traits.suffix}", wait=True)


def managers_of(host: Host) -> list[ManagerTraits]:
    """Return the managers of a host's processes."""
    return [traits for name, traits in MANAGERS.items() if host.process_settings(name)]
