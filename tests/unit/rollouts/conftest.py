"""Whole rollouts in milliseconds: the real tasks, on hosts that are only tables of what a catalog wants.

What happens on a real host, and over a real line, is tried in `tests/hosts` and `tests/faults`. Here the order of
things is tried, in more sequences of crashes and commands than real hosts have time for.
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

import fabfile
from hawser.errors import HawserError, ProtocolBreach, Unreachable
from hawser.fleet import repository
from hawser.fleet.fleet import Fleet
from hawser.host.facts import Facts
from hawser.session.connections import Connections, Run
from hawser.session.session import Session
from hawser.ssh.wire import Answer
from tasks import deploy as deploying
from tasks.rollout import drain

assert fabfile  # so that every step is registered

Row = Mapping[str, Any]
# Says what becomes of a row of a catalog on a host: nothing special, an error message, or one of these.
KILL, CUT = "fab is killed", "the line is cut"
Fault = Callable[[str, Row], str | None]

ROOT = "/srv/pier"
STATE = "/var/lib/hawser/pier"
NGINX = "/etc/nginx/sites-enabled/pier.conf"
PAGE = f"{ROOT}/maintenance.html"
DEFINED = re.compile(r"hawser: application=(\S+) process=(\S+) release=(\S*)")
COMMITS = {letter: letter * 40 for letter in "abc"}
TEXT = """\
[app]
name = "pier"
repo = "."

[release]
{release}

[processes.back]
groups = ["back"]
command = "{command}"
port = 8001

[site]
domains = ["pier.test"]
tls = "none"
groups = ["front"]
proxy = {{ "/" = "back" }}
max_body = "{body}"

[hosts]
{hosts}
{more}
"""


@dataclass
class Simulated:
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

    @property
    def current(self) -> str:
        """The letter of the commit that serves."""
        return self.links.get(f"{ROOT}/current", "").rpartition("/")[2][:1]

    @property
    def runs(self) -> str:
        """The letter of the commit whose process runs."""
        found = DEFINED.search(self.units.get("pier-back", ""))
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
        return "".join(re.findall(r"client_max_body_size (\S+);", self.files.get(NGINX, ""))[:1])

    def facts(self) -> dict[str, Any]:
        current = self.links.get(f"{ROOT}/current", "").rpartition("/")[2]
        kept = {path.split("/")[4]: text for path, text in self.files.items() if path.endswith("/release.json")}
        processes = [
            {
                "manager": "systemd",
                "unit": path.rpartition("/")[2].removesuffix(".service"),
                "process": found.group(2),
                "release": found.group(3),
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
            "clock": time.time(),
            "uid": 0,
            "app": {
                "current": current,
                "commit": json.loads(kept[current])["commit"] if current in kept else "",
                "previous": self.links.get(f"{ROOT}/previous", "").rpartition("/")[2],
                "releases": sorted(kept),
                "live": {},
                "processes": processes,
                "journal": self.journal,
                "hold": None,
                "closed": self.closed,
                "since": 0,
                "generated": [],
                "bootstrapped": True,
                "once": [],
                "signing": self.files.get(f"{STATE}/signing.pub", "").strip(),
                "begun": self.begun,
            },
        }

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
            if self.units.get(row["unit"]) != text:
                self.units[row["unit"]] = text
                found = DEFINED.search(text)
                what = f" {row['unit']}" if row["unit"] != "pier-back" else ""
                log.append(f"{self.name} starts {found.group(3)[:1] if found else ''}{what}")
        elif kind == "retired":
            if self.units.pop(row["unit"], None):
                log.append(f"{self.name} stops {row['unit']}")
        elif kind == "units":
            for path in [path for path in self.files if path.startswith("/etc/systemd/system/pier-")]:
                unit = path.rpartition("/")[2].removesuffix(".service")
                if f"systemd/{unit}" not in row["keep"]:
                    del self.files[path]
                    self.units.pop(unit, None)


class Wire:
    """What stands for the line to a simulated host, and its runner."""

    connection = None
    exchanges = 0

    def __init__(self, world: World, host: Simulated, session: Run) -> None:
        self.world, self.host, self.session = world, host, session

    def request(self, operation: str, arguments: Row | None = None, masks: object = (), heard: object = None) -> Answer:
        if not self.host.answers:
            raise Unreachable(f"{self.host.name}: no answer")
        if operation == "lock":
            if self.host.holder not in (None, self.session):
                return Answer(False, {"holder": {"who": "x", "from": "y", "since": 0, "what": "z"}})
            self.host.holder = self.session
        if operation in ("lock", "facts"):
            return Answer(True, {"facts": Facts.from_wire(self.host.facts())})
        assert arguments is not None
        if operation == "ask":
            assert arguments["function"] == "checkout.tips"
            return Answer(True, {"answer": []})
        assert operation == "read", operation
        return Answer(True, {"text": self.host.files.get(arguments["path"])})

    def blob(self, *arguments: object) -> None:
        """The code: a simulated host needs none."""

    def apply(self, catalog: Any, dry: bool, masks: object, heard: Callable[[Row], None]) -> bool:
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


class World:
    """Hosts, the environment file that names them, and the person who types commands.

    :param folder: where the environment file lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: dict[str, Simulated] = {}
        self.log: list[str] = []
        self.commit = "a"
        self.fault: Fault = lambda host, row: None
        self.groups: dict[str, list[str]] = {}
        self.values = {"release": "batch = 1", "command": "back", "body": "1m", "more": ""}

    def __getitem__(self, name: str) -> Simulated:
        return self.hosts[name]

    def settings(self, **values: str) -> None:
        """Write the environment file, with other values."""
        self.values.update(values)
        lines = []
        for number, (name, groups) in enumerate(self.groups.items(), 1):
            self.hosts.setdefault(name, Simulated(name))
            lines.append(f'{name} = {{ address = "10.0.0.{number}", groups = {json.dumps(groups)} }}')
        (self.folder / "pier.toml").write_text(TEXT.format(**self.values, hosts="\n".join(lines)))

    def fleet(self, **groups: str) -> None:
        """Say which hosts there are, each with its group."""
        self.groups = {name: [group] for name, group in groups.items()}
        self.hosts = {name: host for name, host in self.hosts.items() if name in groups}
        self.settings()

    def fab(self, task: str, target: str = "pier", **options: Any) -> str:
        """Give a command; returns what it failed with, nothing when it did not."""
        self.log.clear()
        session = Session(Config(overrides={"hawser": {"environment": "pier"}}), target.split(","), task)
        try:
            getattr(deploying, task).body(Fleet(session, session.selection.hosts), **options)
        except KeyboardInterrupt:
            return KILL
        except HawserError as error:
            return str(error)
        finally:
            for wire in session.connections.wires.values():
                wire.close()
        return ""

    def fleet_of(self, target: str) -> Fleet:
        """Return hosts of a new run."""
        session = Session(Config(overrides={"hawser": {"environment": "pier"}}), target.split(","), "run")
        return Fleet(session, session.selection.hosts)

    def run(self, task: Any, **options: Any) -> None:
        """Run another task on all hosts."""
        fleet = self.fleet_of("pier")
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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four hosts, a web server in front of three others, on which commit a serves."""
    made = World(tmp_path)
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))
    monkeypatch.setattr(drain, "GRACE", 0)
    monkeypatch.setattr(repository, "resolve", lambda place, wanted: COMMITS[made.commit])
    monkeypatch.setattr(repository, "bundle", lambda *arguments: b"")
    monkeypatch.setattr(repository, "location", lambda *arguments: tmp_path)

    def open_one(connections: Connections, name: str, greeting: object, only_look: bool) -> None:
        if not made[name].answers:
            raise Unreachable(f"{name}: no answer")
        connections.wires[name] = Wire(made, made[name], connections.run)  # type: ignore[assignment]
        try:
            connections.facts[name] = Facts.from_wire(made[name].facts())
        except ValueError:
            # As the real reader does.
            raise ProtocolBreach(name, "facts") from None

    monkeypatch.setattr(Connections, "open_one", open_one)
    made.fleet(web1="front", app1="back", app2="back", app3="back")
    assert made.fab("deploy") == ""
    assert set(made.state.values()) == {"a"}
    return made
