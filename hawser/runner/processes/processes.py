"""Processes of the application, and services of the host."""

from __future__ import annotations

import os
import time

from ..files.definitions import HEADER, INPUTS
from ..files.disk import remove
from ..kernel.ports import at_port
from ..system import Change, Failure, Kind
from .managers import STARTING, manager
from .traits import MANAGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.answers import Definition
    from ..specs.processes import OnlyUnitsSpec, RetiredSpec, RunningSpec, SettledSpec, VacatedSpec
    from ..specs.system import ServiceSpec
    from .managers import ProcessManager, State

# What a unit of systemd is called that starts at boot. Debian's init scripts and generated units have no state of their
# own that could be set.
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
# Seconds that a process may take to come up, beside those that it must stay up.
STARTUP = 120.0


def definitions(application: str) -> List[Definition]:
    """List the process definitions of an application on this host.

    :returns: dicts with manager, unit, process, release and inputs, from the comments at the top of each definition.
    """
    found: List[Definition] = []
    for name, traits in MANAGERS.items():
        try:
            files = sorted(os.listdir(traits.folder))
        except FileNotFoundError:
            continue
        for file in files:
            if not (file.startswith(application + "-") and file.endswith(traits.suffix)):
                continue
            try:
                with open(os.path.join(traits.folder, file), encoding="utf-8", errors="replace") as stream:
                    head = stream.read(4096)
            except OSError:
                # A link that leads nowhere, or a folder: none of ours.
                continue
            header, inputs = HEADER.search(head), INPUTS.search(head)
            if header and header.group(1) == application:
                found.append(
                    {
                        "manager": name,
                        "unit": file[: -len(traits.suffix)],
                        "process": header.group(2),
                        "release": header.group(3),
                        "inputs": inputs.group(1) if inputs else "",
                    }
                )
    return found


class Service(Kind):
    """See `hawser.resources.Service`."""

    spec: ServiceSpec

    def check(self) -> Optional[Change]:
        name, running, enabled = self.spec["name"], self.spec["running"], self.spec["enabled"]
        asked = "LoadState,ActiveState,UnitFileState,ConditionResult,ConditionTimestampMonotonic"
        argv = ["systemctl", "show", "-p", asked, "--", name]
        answer = self.system.run(argv, check=False, apart=True, whole=True)
        if answer.code:
            raise Failure("systemd does not answer", answer.errors or answer.output)
        row = dict(line.partition("=")[::2] for line in answer.output.splitlines())
        if row.get("LoadState") == "not-found":
            if not running and not enabled:
                return None
            raise Failure("there is no service %s on this host" % name)
        wants = []
        tried = row.get("ConditionTimestampMonotonic", "0") != "0"
        declined = self.spec["may_decline"] and tried and row.get("ConditionResult") == "no"
        if (row.get("ActiveState") in ("active", "reloading", "refreshing")) != running and not declined:
            wants.append("start" if running else "stop")
        if (row.get("UnitFileState") in ENABLED) != enabled:
            wants.append("enable" if enabled else "disable")
        return Change(", ".join(wants)) if wants else None

    def apply(self, change: Change) -> None:
        for verb in change.note.split(", "):
            name = self.spec["name"]
            result = self.system.run(["systemctl", verb, "--", name], check=False)
            if result.code:
                raise Failure("systemctl %s %s failed" % (verb, name), result.output)


class Running(Kind):
    """See `hawser.resources.Running`."""

    spec: RunningSpec

    def check(self) -> Optional[Change]:
        state = manager(self.spec["manager"], self.system).state(self.spec["unit"])
        if not state.known and not state.wanted:
            return Change("start")
        if not state.active:
            return Change("start (it is %s)" % state.word)
        if self.due or self.spec["again"]:
            return Change("restart")
        if state.stale or not state.known:
            return Change("restart, for its definition has changed")
        if not state.enabled:
            return Change("start it at boot")
        return None

    def apply(self, change: Change) -> None:
        there, unit, log = manager(self.spec["manager"], self.system), self.spec["unit"], self.spec["log"]
        was = there.state(unit)
        # One that still ends from an earlier life must be gone before the same name starts again.
        if was.stopping:
            there.stop(unit)
        there.take_up(unit, log)
        now = there.state(unit)
        due = self.due or self.spec["again"]
        if now.wanted and now.pid == was.pid and (due or was.stale or not was.known):
            there.restart(unit, log)
        else:
            there.start(unit, log)


class Settled(Kind):
    """See `hawser.resources.Settled`."""

    spec: SettledSpec

    def check(self) -> Optional[Change]:
        return Change("waits until it stays up") if self.due else None

    def apply(self, change: Change) -> None:
        there, unit, log = manager(self.spec["manager"], self.system), self.spec["unit"], self.spec["log"]
        state = wait_until_stable(there, unit, log, 0.0)
        start = self.system.starts.get(unit)
        # Supervisor tells whole seconds; of what was started just now the moment is known.
        since = max(state.since, start.moment if start else 0.0)
        wait_until_stable(there, unit, log, self.spec["seconds"] - max(time.time() - since, 0.0))


def wait_until_stable(there: ProcessManager, unit: str, path: str, settle: float) -> State:
    """Wait until a process has run for some seconds from now on without ending.

    :param path: the file that takes its output.
    :returns: its state then.
    :raises Failure: it ends, or does not start; with its last words.
    """
    began = time.monotonic()
    pid: Optional[int] = None
    since = began
    while True:
        state = there.state(unit)
        ended = not state.active and state.phase != STARTING
        # Its manager may have started it again between two looks.
        if ended or pid not in (None, state.pid):
            raise Failure("%s does not stay up (%s)" % (unit, state.word), there.log(unit, path))
        if state.active and pid is None:
            pid, since = state.pid, time.monotonic()
        if pid is not None and time.monotonic() - since >= settle:
            return state
        if pid is None and time.monotonic() - began > STARTUP:
            raise Failure("%s is still %s" % (unit, state.word), there.log(unit, path))
        time.sleep(0.1)


class Retired(Kind):
    """See `hawser.resources.Retired`."""

    spec: RetiredSpec

    def check(self) -> Optional[Change]:
        state = manager(self.spec["manager"], self.system).state(self.spec["unit"])
        in_the_way = self.spec["wait"] and state.stopping
        return Change("stop %s" % self.spec["unit"]) if state.wanted or state.enabled or in_the_way else None

    def apply(self, change: Change) -> None:
        there = manager(self.spec["manager"], self.system)
        if MANAGERS[self.spec["manager"]].starts_all:
            # Off the disk first: should we die now, a boot must not start it.
            remove(self.spec["path"])
        if self.spec["wait"]:
            there.stop(self.spec["unit"])
        there.retire(self.spec["unit"])


class Vacated(Kind):
    """See `hawser.resources.Vacated`."""

    spec: VacatedSpec

    def holders(self) -> List[Definition]:
        """Return the processes of earlier releases that listen on the port."""
        there = at_port(self.spec["port"])
        found = []
        for each in definitions(self.spec["prefix"]) if there else ():
            if each["unit"] == self.spec["unit"] or each["release"] == self.spec["release"]:
                continue
            state = manager(each["manager"], self.system).state(each["unit"])
            if any(row["unit"] == each["unit"] + ".service" or state.pid in row["pids"] for row in there):
                found.append(each)
        return found

    def check(self) -> Optional[Change]:
        holders = ", ".join(each["unit"] for each in self.holders())
        return Change("stops %s, which has port %d" % (holders, self.spec["port"])) if holders else None

    def apply(self, change: Change) -> None:
        for each in self.holders():
            manager(each["manager"], self.system).stop(each["unit"])


class OnlyUnits(Kind):
    """See `hawser.resources.OnlyUnits`."""

    spec: OnlyUnitsSpec

    def extra(self) -> List[Definition]:
        keep = set(self.spec["keep"])
        return [
            each for each in definitions(self.spec["prefix"]) if "%s/%s" % (each["manager"], each["unit"]) not in keep
        ]

    def check(self) -> Optional[Change]:
        extra = self.extra()
        return Change("removes " + ", ".join(each["unit"] for each in extra)) if extra else None

    def apply(self, change: Change) -> None:
        for each in self.extra():
            there = manager(each["manager"], self.system)
            there.stop(each["unit"])
            remove(os.path.join(there.traits.folder, each["unit"] + there.traits.suffix))
            there.forget(each["unit"])
