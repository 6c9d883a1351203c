"""The state of hosts: releases, processes, ports, certificates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from hawser.answers import reading
from hawser.answers.messages import ProcessRow
from hawser.answers.rows import Certificate, Listener, Offsite, Stray, Upgrades
from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import deployed_host
from hawser.fleet.questions import Question
from hawser.fleet.watching import watch as keep_looking
from hawser.host import Host
from hawser.host.certificates import shown_certificates
from hawser.host.databases import broken_off
from hawser.host.health import questions
from hawser.host.offsite import leaves
from hawser.host.ports import Port, belongs, exposed, promised
from hawser.host.processes import ProcessInstance, live_processes_of
from hawser.host.services import service_of
from hawser.host.shares import required
from hawser.host.updates import waiting
from hawser.host.volumes import folders
from hawser.report import Marked
from hawser.runner.kernel.ports import EVERYWHERE
from hawser.runner.kernel.strays import summary
from hawser.steps import fleet_task

PROCESSES = ["host", "process", "manager", "state", "since", "release", "health", "listens"]
HOSTS = ["host", "release", "age", "python", "ports", "mounts", "certificate", "clock", "disk free"]
# Seconds between two looks of `--watch`.
EVERY = 2
# Seconds, and days, from which on a value stands out.
CLOCK_ODD = 2.0
CERTIFICATE_ODD = 21
ROOM_ODD = 0.1


@fleet_task(
    help={
        "watch": "look again and again, and redraw what has changed, until Ctrl-C, which ends it with 130",
        "every": f"seconds between two looks; default: {EVERY}",
    }
)
def status(fleet: Fleet, watch: bool = False, every: int = 0) -> None:
    """Show every process, and each host's release, ports, mounts, certificate, clock and disk; 1 if one is down."""
    if every and not watch:
        raise HawserError("--every says how often --watch looks; it stands alone here", code=2)
    if watch:
        keep_looking(fleet, "status", max(1, every or EVERY), partial(look, fleet))
    else:
        look(fleet)


def look(fleet: Fleet) -> None:
    """Ask the hosts, and show their state.

    :raises StepFailed: something is down.
    """
    reached = fleet.reachable()
    found = fleet.connections.parallel(reached.names, lambda name: status_of(fleet, name))
    looks = [each for each in found.values() if isinstance(each, HostStatus)]
    for each in looks:
        tell_what_is_not_deployed(fleet, each.host)
    rows = [row for each in looks for row in each.processes()]
    if rows:
        records = [record for each in looks for record in each.process_records()]
        fleet.report.table(f"{fleet.environment.name}: processes", PROCESSES, rows, records)
    title = f"{fleet.environment.name}: hosts"
    columns, rows = HOSTS, [each.row() for each in looks]
    if any(each.left for each in looks):
        columns = [*HOSTS, "backup"]
        rows = [[*row, backup(each)] for row, each in zip(rows, looks, strict=True)]
    fleet.report.table(title, columns, rows, [each.record() for each in looks])
    open_ones = [each.host.name for each in looks if each.host.facts.journal]
    if open_ones:
        target = fleet.environment.name
        next_move = f"fab -H {target} lock.status, is somebody at work? else: fab -H {target} resume"
        fleet.report.note("", f"a rollout is open on {', '.join(open_ones)}; next: {next_move}", "warning")
    tell_updates(fleet, looks)
    for each in looks:
        for owner, number in exposed(each.host, each.sockets):
            fleet.report.note(
                each.host.name,
                f"{owner} listens on port {number} on every address, and was not asked to; next: have it listen on "
                "127.0.0.1, or say `public = true` or a firewall rule",
                "warning",
            )
        fleet.tell_more(each.host.name, {"more": each.unseen}, "sockets that listen")
        if each.strays:
            first = f"{summary(each.strays[0])} runs outside of every unit"
            rest = len(each.strays) - 1 + each.more_strays
            more = f", and {rest} more" if rest else ""
            fleet.report.note(each.host.name, f"{first}{more}; next: fab -H {each.host.target} check", "warning")
    failed = [*map(str, fleet.lost.values()), *(str(each) for each in found.values() if isinstance(each, Exception))]
    failed += [trouble for each in looks for trouble in each.troubles()]
    if failed:
        raise StepFailed("\n".join(failed))


def tell_updates(fleet: Fleet, looks: Sequence[HostStatus]) -> None:
    """Say which hosts wait for security updates, or to be booted."""
    told: dict[tuple[str, bool], list[str]] = {}
    for each in looks:
        if (found := each.updates) and (waiting(found) or found["reboot"]):
            told.setdefault((waiting(found), bool(found["reboot"])), []).append(each.host.name)
    for (text, reboot), names in told.items():
        target = fleet.environment.target(*names)
        parts = [text, "wants to be booted" if reboot else ""]
        next_move = f"next: fab -H {target} upgrade --reboot" if reboot else f"next: fab -H {target} upgrade"
        sentence = "; ".join(filter(None, [*parts, next_move]))
        fleet.report.note("", f"{', '.join(names)}: {sentence}", "warning")


def tell_what_is_not_deployed(fleet: Fleet, host: Host) -> None:
    """Say where the file has other processes than those that were deployed, which are shown."""
    deployed, written = host.process_settings(), fleet.host(host.name).process_settings()
    told = [f"{name} has not been deployed" for name in written if name not in deployed]
    told += [f"{name} has left the file" for name in deployed if name not in written]
    if told and host.facts.current:
        next_move = f"next: fab -H {fleet.environment.name} deploy"
        fleet.report.note(host.name, f"of {fleet.environment.path.name}: {', '.join(told)}; {next_move}", "warning")


def status_of(fleet: Fleet, name: str) -> HostStatus:
    """Ask a host for everything that is shown of it: its clock, then the rest in one exchange."""
    host = deployed_host(fleet, name)
    live = live_processes_of(host) if host.facts.current else []
    before = time.time()
    offset = fleet.ask(name, reading.CLOCK, {}) - (before + time.time()) / 2
    shown = shown_certificates(fleet.host(name))
    health = Question(reading.HEALTH, {"checks": questions(live)})
    listeners = Question(reading.LISTENERS)
    unmounted = Question(reading.UNMOUNTED, {"needed": [*required(host), *folders(host)]})
    stray = Question(reading.STRAYS, {"user": host.app.user})
    failed = Question(reading.FAILED_UNITS)
    certificates = {each: Question(reading.CERTIFICATE, {"path": path}) for each, path in shown.items()}
    updates = Question(reading.UPGRADES)
    left = Question(reading.OFFSITE) if leaves(host) else None
    asked: list[Question[object]] = [health, listeners, unmounted, stray, failed, updates, *certificates.values()]
    asked += [left] if left else []
    answers = fleet.ask_together(name, asked)
    sockets, strays = answers.to(listeners), answers.to(stray)
    return HostStatus(
        host,
        live,
        offset,
        answers.to(health),
        {each: answers.to(question) for each, question in certificates.items()},
        sockets["rows"],
        answers.to(unmounted),
        strays["rows"],
        sockets["more"],
        strays["more"],
        [row["unit"] for row in answers.to(failed)["rows"]],
        answers.to(left) if left else None,
        answers.to(updates),
    )


@dataclass(frozen=True)
class HostStatus:
    """The state of one host.

    :param offset: seconds by which its clock is ahead of ours.
    :param health: by process that listens.
    :param certificates: by name, that of the site as ``site``: days, names, self_signed; None where there is none.
    :param sockets: who listens where.
    :param unmounted: folders that should be mounts.
    :param strays: programs of the application's user that no unit holds.
    :param unseen: how many sockets listen beyond these, and
    :param more_strays: how many such programs run.
    :param failed_units: the units of systemd that have failed.
    :param left: how its backups have left it; None: none are to.
    :param updates: the newer versions that it waits for.
    """

    host: Host
    live: Sequence[ProcessInstance]
    offset: float
    health: Mapping[str, str]
    certificates: Mapping[str, Certificate | None]
    sockets: Sequence[Listener]
    unmounted: Sequence[str]
    strays: Sequence[Stray] = ()
    unseen: int = 0
    more_strays: int = 0
    failed_units: Sequence[str] = ()
    left: Offsite | None = None
    updates: Upgrades | None = None

    def defined(self, process: ProcessInstance) -> ProcessRow:
        """Return the row of a process's manager about it; that of a stopped process for an unknown one."""
        return self.host.facts.defined(process.unit, process.setting.manager) or {
            "process": process.name,
            "unit": process.unit,
            "manager": process.setting.manager,
            "release": "",
            "inputs": "",
            "state": "stopped",
            "active": False,
            "enabled": False,
            "seconds": 0,
            "since": 0.0,
            "pid": 0,
            "live": True,
        }

    def listens(self, process: ProcessInstance) -> list[str]:
        """Return where a process listens: its socket, and the ports that it has opened."""
        unit, pid = f"{process.unit}.service", self.defined(process)["pid"]
        opened = [
            f"{'*' if each['address'] in EVERYWHERE else each['address']}:{each['port']}"
            for each in self.sockets
            if each["unit"] == unit or (pid and pid in each["pids"])
        ]
        own = [process.socket.rpartition("/")[2]] if process.socket else []
        return list(dict.fromkeys([*own, *opened]))

    def processes(self) -> Iterator[list[str]]:
        """Yield a row of the table for each process."""
        open_to_all = {owner for owner, _number in exposed(self.host, self.sockets)}
        for process in self.live:
            row, health = self.defined(process), self.health.get(process.name, "")
            listens = ", ".join(self.listens(process))
            facts = self.host.facts
            current = row["release"] in ("", facts.current) or row["inputs"] == facts.process_inputs != ""
            yield [
                self.host.name,
                process.name,
                process.setting.manager,
                Marked.good("running") if row["active"] else Marked.bad(row["state"]),
                since(row["since"], self.host.facts.clock),
                row["release"] if current else Marked.warning(row["release"]),
                Marked.good(health) if health in ("", "ok") else Marked.bad(health),
                Marked.warning(listens) if process.setting_name in open_to_all else listens,
            ]

    def process_records(self) -> Iterator[dict[str, object]]:
        """Yield the same for programs."""
        for process in self.live:
            row = self.defined(process)
            yield {
                "host": self.host.name,
                "process": process.name,
                "manager": process.setting.manager,
                "unit": process.unit,
                "state": row["state"],
                "active": row["active"],
                "since": row["since"],
                "release": row["release"],
                "health": self.health.get(process.name, ""),
                "listens": self.listens(process),
            }

    def ports(self) -> tuple[list[Port], list[Port]]:
        """Return the ports that the settings promise: with their owner listening, and without."""
        there: list[Port] = []
        missing: list[Port] = []
        for port in promised(self.host):
            mine = [each for each in self.sockets if each["port"] == port.number and belongs(self.host, port, each)]
            (there if mine else missing).append(port)
        return there, missing

    def row(self) -> list[str]:
        """Return the host's row of the table."""
        facts = self.host.facts
        release = facts.current or "none"
        release += "\na rollout is open" if facts.journal else ""
        release += "\na restore is open" if facts.restores else ""
        release += "\na record is damaged" if facts.damaged else ""
        release += "\nmaintenance" if facts.closed else ""
        there, missing = self.ports()
        owners = dict.fromkeys(port.owner for port in there)
        lines = [" ".join([owner, *(str(port.number) for port in there if port.owner == owner)]) for owner in owners]
        ports = "\n".join([*lines, *(f"{port.owner} {port.number}: nobody listens" for port in missing)])
        mounts = "\n".join(f"{folder} is not mounted" for folder in self.unmounted)
        certificates = "\n".join(
            f"{name}: {ends(each)}" if len(self.certificates) > 1 else ends(each)
            for name, each in self.certificates.items()
        )
        odd = any(each is None or each["days"] < CERTIFICATE_ODD for each in self.certificates.values())
        room = f"{facts.disk_free / 2**30:.1f} of {facts.disk_total / 2**30:.0f} GiB"
        return [
            self.host.name,
            Marked.warning(release) if "\n" in release else release,
            age(self.host),
            facts.interpreter,
            Marked.bad(ports) if missing else ports,
            Marked.bad(mounts),
            Marked.warning(certificates) if odd else certificates,
            Marked.warning(f"{self.offset:+.1f} s") if abs(self.offset) >= CLOCK_ODD else f"{self.offset:+.1f} s",
            Marked.warning(room) if facts.disk_free < ROOM_ODD * facts.disk_total else room,
        ]

    def record(self) -> dict[str, object]:
        """Return the same for programs."""
        facts = self.host.facts
        there, missing = self.ports()
        return {
            "host": self.host.name,
            "release": facts.current,
            "commit": facts.commit,
            "hawser": facts.hawser,
            "since": facts.since,
            "interpreter": facts.interpreter,
            "open_rollout": facts.journal["release"] if facts.journal else "",
            "open_restores": [*broken_off(self.host)],
            "maintenance": facts.closed,
            "ports": {port.number: port.owner for port in there},
            "ports_missing": {port.number: port.owner for port in missing},
            "unmounted": list(self.unmounted),
            "strays": [dict(each) for each in self.strays],
            "not_shown": {"sockets": self.unseen, "strays": self.more_strays},
            "certificate_days": {name: each["days"] if each else None for name, each in self.certificates.items()},
            "backup": self.left["time"] or None if self.left else None,
            "security_updates": self.security_updates,
            "reboot": self.updates["reboot"] if self.updates else None,
            "clock_offset": round(self.offset, 3),
            "disk_free": facts.disk_free,
            "disk_total": facts.disk_total,
        }

    @property
    def security_updates(self) -> list[str] | None:
        """The packages for which they wait; None where that is not known."""
        if self.updates is None or self.updates["trouble"]:
            return None
        return [each["name"] for each in self.updates["packages"] if each["security"]]

    def troubles(self) -> Iterator[str]:
        """Yield the troubles that keep the host from its promises."""
        name, target = self.host.name, self.host.target
        for each in broken_off(self.host):
            yield f"{name}: {each}; next: fab -H {target} resume"
        for unit in self.failed_units:
            if service_of(self.host, unit):
                yield f"{name}: {unit} has failed; next: fab -H {target} logs --only services"
        for process in self.live:
            row, health = self.defined(process), self.health.get(process.name, "ok")
            logs = f"next: fab -H {target} logs --process {process.setting_name}"
            if not row["active"]:
                yield f"{name}: {process.name} is {row['state']}; {logs}"
            elif health != "ok":
                yield f"{name}: {process.name} is not healthy: {health}; {logs}"
            if process.colour and process.name in self.host.facts.astray:
                yield f"{name}: {process.link[0]} does not lead to {process.unit}; next: fab -H {target} deploy"


def since(moment: float, now: float) -> str:
    """Say since when, and for how long, on the host's own clock."""
    if not moment:
        return ""
    local = time.localtime(moment)
    today = time.strftime("%F", local) == time.strftime("%F", time.localtime(now))
    return f"{time.strftime('%H:%M' if today else '%b %d', local)} ({span(int(max(0.0, now - moment)))})"


def ends(certificate: Certificate | None) -> str:
    """Say how long a certificate still holds, and whether nobody but itself has issued it."""
    if certificate is None:
        return "none"
    return f"{certificate['days']} days" + (", self-signed" if certificate["self_signed"] else "")


def backup(look: HostStatus) -> str:
    """Say how old the last backup is that has left a host; nothing where none is to."""
    setting = look.host.environment.backup.offsite
    if setting is None or look.left is None:
        return ""
    seconds = int(look.host.facts.clock - look.left["time"])
    text = span(max(0, seconds)) if look.left["time"] else "none"
    if look.left["failed"]:
        return Marked.bad(f"{text}\nthe last one failed")
    return Marked.warning(text) if not look.left["time"] or seconds > 3600 * setting.max_age else text


def age(host: Host) -> str:
    """Return how long the release has served on a host."""
    return span(int(host.facts.clock - host.facts.since)) if host.facts.since else ""


def span(seconds: int) -> str:
    """Write a duration the short way."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
