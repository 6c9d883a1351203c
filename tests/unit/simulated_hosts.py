"""Hosts that are only tables of what a catalog wants, the lines to them, and the person who types commands.

They stand in for what a run opens: everything above the wires is real. What they copy of a real host, and so must
change with it:

- its greeting (`hawser/runner/facts.py`): `current` and `previous` are where the links lead; a release is kept where
  its `release.json` is; a process is what the file of its unit says, and active where that file was started; `begun` is
  the youngest rollout of which there was a journal;
- its lock (`hawser/runner/lock.py`): one run holds it, and dies with it;
- its engine (`hawser/runner/engine.py`): rows are done in order, and the first one that fails is the last one. Rows of
  other kinds than `SimulatedHost.become` knows succeed and do nothing; triggers are rows as all others;
- what it says of a catalog that is only checked: of files, links and processes it is told whether they are there, and
  of other kinds that they are; a fault of a test is a status then;
- its line (`hawser/ssh/wire.py`): a host that does not answer is `Unreachable`, one whose facts are none has broken
  the protocol.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fabric.config import Config

# The steps are in the order in which `fab` knows them, whichever test comes first.
import hawser.tasks.collection  # noqa: F401
from hawser.errors import HawserError, ProtocolBreach, Unreachable
from hawser.fleet import repository
from hawser.fleet.fleet import Fleet
from hawser.host.facts import Facts
from hawser.session.connections import Connections, Run
from hawser.session.session import Session
from hawser.ssh.talk import Answer
from hawser.tasks import deploy as deploying

Row = Mapping[str, Any]
# Says what becomes of a row of a catalog on a host: nothing special, an error message, or one of these.
KILL, CUT = "fab is killed", "the line is cut"
Fault = Callable[[str, Row], str | None]

NAME = "pier"
ROOT = f"/srv/{NAME}"
STATE = f"/var/lib/hawser/{NAME}"
NGINX = f"/etc/nginx/sites-enabled/{NAME}.conf"
PAGE = f"{ROOT}/maintenance.html"
DEFINED = re.compile(r"hawser: application=(\S+) process=(\S+) release=(\S*)")
INPUTS = re.compile(r"^# hawser: inputs=([0-9a-f]+)$", re.M)
COMMITS = {letter: letter * 40 for letter in "abc"}


@dataclass
class SimulatedHost:
    """A host that keeps what its catalogs want, and says what it has."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    journal: dict[str, Any] | None = None
    begun: int = 0
    history: list[dict[str, str]] = field(default_factory=list)
    holder: object = None
    answers: bool = True
    machine: str = "x86_64"
    clock: float | None = None
    taken: list[dict[str, str]] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def current(self) -> str:
        """The letter of the commit that serves."""
        return self.links.get(f"{ROOT}/current", "").rpartition("/")[2][:1]

    @property
    def runs(self) -> str:
        """The letter of the commit whose process runs."""
        found = DEFINED.search(self.units.get(f"{NAME}-back", ""))
        return found.group(3)[:1] if found else ""

    @property
    def closed(self) -> bool:
        return PAGE in self.files

    @property
    def out(self) -> list[str]:
        """The backends to which the web server passes nothing."""
        return re.findall(r"server ([\d.]+):8001 fail_timeout=0 down;", self.files.get(NGINX, ""))

    @property
    def max_body(self) -> str:
        return "".join(re.findall(r"client_max_body_size (\S+);", self.files.get(NGINX, ""))[-1:])

    def facts(self) -> dict[str, Any]:
        current = self.links.get(f"{ROOT}/current", "").rpartition("/")[2]
        kept = {path.split("/")[4]: text for path, text in self.files.items() if path.endswith("/release.json")}
        processes = [
            {
                "manager": "systemd",
                "unit": path.rpartition("/")[2].removesuffix(".service"),
                "process": found.group(2),
                "release": found.group(3),
                "inputs": "".join(INPUTS.findall(text)),
                "state": "active",
                "active": self.units.get(path.rpartition("/")[2].removesuffix(".service")) == text,
                "seconds": 1,
                "since": 0,
                "pid": 1,
                "enabled": True,
                "live": True,
            }
            for path, text in self.files.items()
            if path.startswith("/etc/systemd/") and (found := DEFINED.search(text))
        ]
        return {
            "hostname": self.name,
            "os": {"id": "debian", "version": "12", "codename": "bookworm"},
            "machine": self.machine,
            "python": "3.11.2",
            "systemd": True,
            "disk_free": 1,
            "disk_total": 1,
            "clock": time.time() if self.clock is None else self.clock,
            "uid": 0,
            "app": {
                "current": current,
                "commit": json.loads(kept[current])["commit"] if current in kept else "",
                **{
                    key: json.loads(kept[current]).get(key, "") if current in kept else ""
                    for key in ("process_inputs", "hawser", "around")
                },
                "previous": self.links.get(f"{ROOT}/previous", "").rpartition("/")[2],
                "releases": sorted(kept),
                "live": {},
                "processes": processes,
                "journal": self.journal,
                "hold": json.loads(self.files.get(f"{STATE}/hold.json", "null")),
                "closed": self.closed,
                "since": 0,
                "generated": [],
                "bootstrapped": True,
                "set_up_for": self.files.get(f"{STATE}/host", "").strip(),
                "made_for": self.files.get(f"{ROOT}/releases/{current}/host", "").strip(),
                "set_up": json.loads(self.files.get(f"{STATE}/bootstrap.json", "{}")).get("id", ""),
                "once": [],
                "signing": self.files.get(f"{STATE}/signing.pub", "").strip(),
                "begun": self.begun,
                "taken": self.taken,
            },
        }

    def lacks(self, row: Row) -> bool:
        """Tell whether one row of a catalog would change something; of most kinds nothing does."""
        kind = row["kind"]
        if kind == "file":
            return self.files.get(row["path"]) != row["content"] and not row["keep"]
        if kind == "link":
            return self.links.get(row["path"]) != row["target"]
        if kind == "running":
            return row["unit"] not in self.units
        return kind == "absent" and row["path"] in {**self.files, **self.links}

    def become(self, row: Row, log: list[str]) -> None:
        """Do what one row of a catalog wants."""
        kind = row["kind"]
        if kind == "file":
            self.files[row["path"]] = row["content"]
        elif kind == "absent":
            self.files.pop(row["path"], None)
            self.links.pop(row["path"], None)
        elif kind == "link":
            self.links[row["path"]] = row["target"]
        elif kind == "journal":
            self.journal = {**row["entry"], "release": row["release"]} if row["release"] else None
            self.begun = max(self.begun, row["entry"].get("begun", 0))
        elif kind == "history":
            self.history.append(row["entry"])
        elif kind == "running":
            text = self.files[f"/etc/systemd/system/{row['unit']}.service"]
            if self.units.get(row["unit"]) != text or row["again"]:
                self.units[row["unit"]] = text
                found = DEFINED.search(text)
                what = f" {row['unit']}" if row["unit"] != f"{NAME}-back" else ""
                log.append(f"{self.name} starts {found.group(3)[:1] if found else ''}{what}")
        elif kind == "vacated":
            self.ports[row["unit"]] = row["port"]
            former = [unit for unit, port in self.ports.items() if port == row["port"] and unit != row["unit"]]
            log += [f"{self.name} stops {unit}" for unit in former if self.units.pop(unit, None)]
        elif kind == "retired":
            if self.units.pop(row["unit"], None):
                log.append(f"{self.name} stops {row['unit']}")
        elif kind == "units":
            for path in [path for path in self.files if path.startswith(f"/etc/systemd/system/{NAME}-")]:
                unit = path.rpartition("/")[2].removesuffix(".service")
                if f"systemd/{unit}" not in row["keep"]:
                    del self.files[path]
                    self.units.pop(unit, None)


class SimulatedWire:
    """What stands for the line to a simulated host, and its runner."""

    connection = None
    exchanges = 0

    def __init__(self, world: World, host: SimulatedHost, session: Run) -> None:
        self.world, self.host, self.session = world, host, session

    def request(self, operation: str, arguments: Row | None = None, masks: object = (), heard: object = None) -> Answer:
        if not self.host.answers:
            raise Unreachable(f"{self.host.name}: no answer")
        if operation == "holder":
            free = self.host.holder in (None, self.session)
            return Answer(True, {"holder": None if free else {"who": "x", "from": "y", "since": 0, "what": "z"}})
        if operation == "lock":
            if self.host.holder not in (None, self.session):
                return Answer(False, {"holder": {"who": "x", "from": "y", "since": 0, "what": "z"}})
            self.host.holder = self.session
        if operation in ("lock", "facts"):
            return Answer(True, {"facts": Facts.from_wire(self.host.facts())})
        assert arguments is not None
        if operation == "ask":
            known = {"checkout.tips": [], "checkout.resolve": COMMITS[self.world.commit], "commits.between": None}
            known["hardening.elsewhere"] = self.host.elsewhere
            return Answer(True, {"answer": known[arguments["function"]]})
        assert operation == "read", operation
        return Answer(True, {"text": self.host.files.get(arguments["path"])})

    def blob(self, *arguments: object) -> None:
        """The code: a simulated host needs none."""

    def compare(self, catalog: Any, heard: Callable[[Row], None]) -> bool:
        """Say of each row of a catalog whether it would change something."""
        self.exchanges += 1
        for position, row in enumerate(catalog.to_wire()):
            if not self.host.answers:
                raise Unreachable(f"{self.host.name}: no answer")
            fault = self.world.fault(self.host.name, row)
            status = fault or ("would_change" if self.host.lacks(row) else "ok")
            told = {"t": "event", "position": position, "step": row["step"], "label": row["label"], "ms": 1}
            heard({**told, "status": status, "note": "start (it is dead)" if row["kind"] == "running" else ""})
        return True

    def apply(self, catalog: Any, dry: bool, masks: object, heard: Callable[[Row], None]) -> bool:
        if dry:
            return self.compare(catalog, heard)
        for row in catalog.to_wire():
            if not self.host.answers:
                raise Unreachable(f"{self.host.name}: no answer")
            fault = self.world.fault(self.host.name, row)
            if fault == KILL:
                raise KeyboardInterrupt
            if fault == CUT:
                self.host.answers = False
                raise Unreachable(f"{self.host.name}: no answer")
            if fault:
                told = {"t": "event", "position": 0, "step": row["step"], "label": row["label"], "ms": 1}
                heard({**told, "status": "failed", "error": fault})
                return False
            self.host.become(row, self.world.log)
        return True

    def close(self) -> None:
        if self.host.holder is self.session:
            self.host.holder = None

    def cut(self) -> None:
        self.close()


class World:
    """Simulated hosts, the environment file that names them, and the person who types commands.

    :param monkeypatch: has every run open wires to these hosts, in place of real ones.
    :param folder: where the environment file lies.
    :param text: the environment file, with places for the hosts and for other values.
    :param values: those of the beginning.
    :ivar tried: the hosts to which a wire was to be opened.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, **values: str) -> None:
        self.folder, self.text, self.values = folder, text, values
        self.hosts: dict[str, SimulatedHost] = {}
        self.groups: dict[str, list[str]] = {}
        self.tried: list[str] = []
        self.log: list[str] = []
        self.commit = "a"
        self.fault: Fault = lambda host, row: None
        monkeypatch.setenv("HAWSER_HOSTS", str(folder))
        monkeypatch.setattr(Connections, "open_one", lambda connections, name, *more: self.open_wire(connections, name))

    def have_commits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the repository be one whose branch is at `commit`, and of which hosts need nothing."""
        monkeypatch.setattr(repository, "resolve", lambda place, wanted: COMMITS[self.commit])
        monkeypatch.setattr(repository, "bundle", lambda *arguments: b"")
        monkeypatch.setattr(repository, "location", lambda *arguments: self.folder)

    def open_wire(self, connections: Connections, name: str) -> None:
        """Do what opening a real wire does, for a run."""
        self.tried.append(name)
        if not self[name].answers:
            raise Unreachable(f"{name}: no answer")
        connections.wires[name] = SimulatedWire(self, self[name], connections.run)  # type: ignore[assignment]
        try:
            connections.facts[name] = Facts.from_wire(self[name].facts())
        except ValueError:
            raise ProtocolBreach(name, "facts") from None

    def __getitem__(self, name: str) -> SimulatedHost:
        return self.hosts[name]

    def settings(self, **values: str) -> None:
        """Write the environment file, with other values."""
        self.values.update(values)
        lines = []
        for number, (name, groups) in enumerate(self.groups.items(), 1):
            self.hosts.setdefault(name, SimulatedHost(name))
            address = f"10.0.{number >> 8}.{number & 255}"
            lines.append(f'{name} = {{ address = "{address}", groups = {json.dumps(groups)} }}')
        (self.folder / f"{NAME}.toml").write_text(self.text.format(**self.values, hosts="\n".join(lines)))

    def fleet(self, **groups: str) -> None:
        """Say which hosts there are, each with its group."""
        self.groups = {name: [group] for name, group in groups.items()}
        self.hosts = {name: host for name, host in self.hosts.items() if name in groups}
        self.settings()

    def fab(self, task: str, target: str = NAME, **options: Any) -> str:
        """Give a command; returns what it failed with, nothing when it did not."""
        self.log.clear()
        try:
            return self.give(getattr(deploying, task).body, target, task, **options)
        except KeyboardInterrupt:
            return KILL

    def give(self, body: Any, target: str, command: str, **options: Any) -> str:
        """Run the body of a task in a run of its own; returns what it failed with, nothing when it did not."""
        fleet = self.fleet_of(target, command)
        try:
            body(fleet, **options)
        except HawserError as error:
            return str(error)
        finally:
            for wire in fleet.connections.wires.values():
                wire.close()
        return ""

    def fleet_of(self, target: str = NAME, command: str = "run") -> Fleet:
        """Return hosts of a new run."""
        session = Session(Config(overrides={"hawser": {"environment": NAME}}), target.split(","), command)
        return Fleet(session, session.selection.hosts)

    def run(self, task: Any, **options: Any) -> None:
        """Run another task on all hosts."""
        fleet = self.fleet_of()
        try:
            task.body(fleet, **options)
        finally:
            for wire in fleet.connections.wires.values():
                wire.close()

    def ill(self, host: str, commit: str = "b") -> Fault:
        """The new process of a host is not healthy."""

        def fault(name: str, row: Row) -> str | None:
            new = row["kind"] == "healthy" and name == host
            return "it is ill" if new and self[name].runs == commit else None

        return fault

    @property
    def state(self) -> dict[str, str]:
        """What serves on each host."""
        return {name: host.current for name, host in self.hosts.items()}

    @property
    def open(self) -> dict[str, str]:
        """The phase of each host whose journal is open."""
        return {name: host.journal["phase"] for name, host in self.hosts.items() if host.journal}


def at(host: str, fault: str, **wanted: Any) -> Fault:
    """Something goes wrong where a host comes to a row with these values; of an entry's, where they are among them."""

    def strike(name: str, row: Row) -> str | None:
        values = {**(row.get("entry") or {}), **row}
        return fault if name == host and all(values.get(key) == value for key, value in wanted.items()) else None

    return strike


def either(*faults: Fault) -> Fault:
    return lambda name, row: next((found for each in faults if (found := each(name, row))), None)
