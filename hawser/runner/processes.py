"""Processes of the application, and services of the host."""

import os
import re
import time

from .files import remove
from .managers import Supervisor, Systemd, manager
from .system import Change, Failure, Kind

HEADER = re.compile(r"^[#;] hawser: application=(\S+) process=(\S+) release=(\S*)$", re.M)


def definitions(application):
    """List the process definitions of an application on this host.

    :returns: dicts with manager, unit, process and release, from the comment at the top of each definition.
    """
    found = []
    for name, kind in (("systemd", Systemd), ("supervisor", Supervisor)):
        try:
            files = sorted(os.listdir(kind.folder))
        except FileNotFoundError:
            continue
        for file in files:
            if not (file.startswith(application + "-") and file.endswith(kind.suffix)):
                continue
            with open(os.path.join(kind.folder, file), encoding="utf-8", errors="replace") as stream:
                header = HEADER.search(stream.read(4096))
            if header and header.group(1) == application:
                unit = file[: -len(kind.suffix)]
                found.append({"manager": name, "unit": unit, "process": header.group(2), "release": header.group(3)})
    return found


class Service(Kind):
    """See `hawser.resources.Service`."""

    def check(self):
        name = self.spec["name"]
        answer = self.system.run(
            ["systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState", name], check=False
        ).output
        row = dict(line.partition("=")[::2] for line in answer.splitlines())
        if row.get("LoadState") == "not-found":
            if not self.spec["running"] and not self.spec["enabled"]:
                return None
            raise Failure("there is no service %s on this host" % name)
        self.running = row.get("ActiveState") == "active"
        # Debian's init scripts and generated units have no state of their own that could be set.
        self.enabled = row.get("UnitFileState") in (
            "enabled",
            "static",
            "alias",
            "indirect",
            "generated",
            "enabled-runtime",
        )
        wants = []
        if self.running != self.spec["running"]:
            wants.append("start" if self.spec["running"] else "stop")
        if self.enabled != self.spec["enabled"]:
            wants.append("enable" if self.spec["enabled"] else "disable")
        return Change(", ".join(wants)) if wants else None

    def apply(self, change):
        for verb in change.note.split(", "):
            self.system.run(["systemctl", verb, "--quiet", self.spec["name"]])


class Running(Kind):
    """See `hawser.resources.Running`."""

    def check(self):
        self.manager = manager(self.spec["manager"], self.system)
        state = self.manager.state(self.spec["unit"])
        if not state.known:
            return Change("start")
        if not state.active:
            return Change("start (it is %s)" % state.word)
        if self.due:
            return Change("restart")
        if state.stale or not state.enabled:
            return Change("take up its definition")
        return None

    def apply(self, change):
        unit = self.spec["unit"]
        was = self.manager.state(unit)
        # One that still ends from an earlier life must be gone before the same name starts again.
        if was.stopping:
            self.manager.stop(unit)
        self.manager.take_up(unit)
        now = self.manager.state(unit)
        if now.active and now.pid == was.pid and self.due:
            self.manager.restart(unit)
        else:
            self.manager.start(unit)
        self.settle(unit)

    def settle(self, unit):
        """Wait until it has run for some seconds without ending, or say what it wrote."""
        deadline = time.monotonic() + self.spec["settle"] + 30
        pid, since = 0, time.monotonic()
        while True:
            state = self.manager.state(unit)
            if not state.active and state.word not in ("starting", "activating (start)", "activating (start-pre)"):
                raise Failure(
                    "%s does not stay up (%s)" % (unit, state.word), self.manager.log(unit, self.spec.get("log", ""))
                )
            if state.pid != pid:
                pid, since = state.pid, time.monotonic()
            if state.active and time.monotonic() - since >= self.spec["settle"]:
                return
            if time.monotonic() > deadline:
                raise Failure("%s is still %s" % (unit, state.word), self.manager.log(unit, self.spec.get("log", "")))
            time.sleep(0.1)


class Retired(Kind):
    """See `hawser.resources.Retired`."""

    def check(self):
        self.manager = manager(self.spec["manager"], self.system)
        self.state = self.manager.state(self.spec["unit"])
        if self.spec["manager"] == "supervisor":
            if os.path.exists(self.spec["path"]) or (self.state.known and not self.state.stopping):
                return Change("stop %s" % self.spec["unit"])
            return None
        if self.state.known and (self.state.active or (self.state.enabled and not self.state.stopping)):
            return Change("stop %s" % self.spec["unit"])
        return None

    def apply(self, change):
        if self.state.active:
            time.sleep(self.spec["drain"])
        # Off the disk first: should we die now, a boot must not start it.
        if self.spec["manager"] == "supervisor":
            remove(self.spec["path"])
        self.manager.retire(self.spec["unit"])


class Units(Kind):
    """See `hawser.resources.Units`."""

    def extra(self):
        keep = set(self.spec["keep"])
        return [each for each in definitions(self.spec["prefix"]) if each["unit"] not in keep]

    def check(self):
        extra = self.extra()
        return Change("removes " + ", ".join(each["unit"] for each in extra)) if extra else None

    def apply(self, change):
        for each in self.extra():
            there = manager(each["manager"], self.system)
            there.stop(each["unit"])
            remove(os.path.join(there.folder, each["unit"] + there.suffix))
            there.forget(each["unit"])
