"""What processes use of their hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hawser.answers import reading
from hawser.answers.rows import HostUsage, Memory, ProcessUsage
from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import deployed_host
from hawser.fleet.watching import watch as keep_looking
from hawser.host import Host
from hawser.host.processes import ProcessInstance, live_processes_of
from hawser.report import Marked
from hawser.steps import fleet_task

from .status import since

PROCESSES = ["host", "process", "cpu", "memory", "programs", "restarts", "since"]
HOSTS = ["host", "cpu", "load", "memory", "swap", "others"]
# Seconds over which the use of processors is measured.
EVERY = 2
# From which on a value stands out: the share of all processors, and of the memory.
BUSY, FULL = 0.9, 0.9
# The other units that are named for each host, and what one of them uses at least, of a processor or in bytes.
OTHERS = 2
LEAST_CPU, LEAST_MEMORY = 0.02, 64 << 20


@fleet_task(
    help={
        "watch": "measure again and again, and redraw, until Ctrl-C, which ends it with 130",
        "every": f"seconds over which processors are measured; default: {EVERY}",
    }
)
def top(fleet: Fleet, watch: bool = False, every: int = 0) -> None:
    """Show what each process uses: processors, memory, programs, restarts; and what else its host is busy with."""
    seconds = max(1, every or EVERY)
    meter = Meter(fleet)
    if watch:
        keep_looking(fleet, "top", seconds, meter.look)
    meter.measure()
    time.sleep(seconds)
    meter.look()


@dataclass
class Meter:
    """Measures hosts again and again; each look is beside the one before.

    :ivar before: what each host has told last.
    """

    fleet: Fleet
    before: dict[str, HostUsage] = field(default_factory=dict)

    def measure(self) -> dict[str, HostUse | HawserError]:
        """Ask the hosts that are reached what they have used since they were asked last."""
        reached = self.fleet.reachable()
        found = self.fleet.connections.parallel(reached.names, self.use_of)
        self.before = {name: each.now for name, each in found.items() if isinstance(each, HostUse)}
        return found

    def use_of(self, name: str) -> HostUse:
        """Ask a host."""
        host = deployed_host(self.fleet, name)
        live = live_processes_of(host) if host.facts.current else []
        named = {each.name: {"unit": each.unit, "manager": each.setting.manager} for each in live}
        return HostUse(host, live, self.fleet.ask(name, reading.USAGE, {"processes": named}), self.before.get(name))

    def look(self) -> None:
        """Ask the hosts, and show it.

        :raises StepFailed: one has not answered.
        """
        found = self.measure()
        told = [each for each in found.values() if isinstance(each, HostUse)]
        report, target = self.fleet.report, self.fleet.environment.name
        if any(each.live for each in told):
            rows = [row for each in told for row in each.processes()]
            records = [record for each in told for record in each.process_records()]
            report.table(f"{target}: processes", PROCESSES, rows, records)
        report.table(f"{target}: hosts", HOSTS, [each.row() for each in told], [each.record() for each in told])
        failed = [*self.fleet.lost.values(), *(each for each in found.values() if isinstance(each, HawserError))]
        if failed:
            raise StepFailed("\n".join(dict.fromkeys(map(str, failed))))


@dataclass(frozen=True)
class HostUse:
    """What is used of one host.

    :param now: what it tells, and
    :param before: what it has told last; None when it is asked for the first time.
    """

    host: Host
    live: Sequence[ProcessInstance]
    now: HostUsage
    before: HostUsage | None

    def processors(self, now: float, before: float | None) -> float | None:
        """Return how many processors something has kept busy since the host was asked last, None where that is unknown.

        Who was started anew meanwhile has computed since then.
        """
        if self.before is None or (elapsed := self.now["moment"] - self.before["moment"]) <= 0:
            return None
        return max(0.0, now - before if before is not None and before <= now else now) / elapsed

    def of(self, name: str) -> tuple[ProcessUsage, float | None]:
        """Return what a process uses, and how many processors it keeps busy."""
        now = self.now["processes"].get(name) or {"cpu": 0.0, "memory": 0, "programs": 0, "restarts": None}
        before = self.before["processes"].get(name) if self.before else None
        return now, self.processors(now["cpu"], before["cpu"] if before else None)

    def processes(self) -> Iterator[list[str]]:
        """Yield a row of the table for each process."""
        for process in self.live:
            use, busy = self.of(process.name)
            row = self.host.facts.defined(process.unit, process.setting.manager)
            restarts = "" if use["restarts"] is None else str(use["restarts"])
            total = self.now["memory"]["total"]
            yield [
                self.host.name,
                process.name,
                percent(busy),
                Marked.warning(size(use["memory"])) if use["memory"] > FULL * total else size(use["memory"]),
                str(use["programs"]) if use["programs"] else Marked.bad("none"),
                Marked.warning(restarts) if use["restarts"] else restarts,
                since(row["since"], self.host.facts.clock) if row else "",
            ]

    def process_records(self) -> Iterator[dict[str, object]]:
        """Yield the same for programs."""
        for process in self.live:
            use, busy = self.of(process.name)
            yield {"host": self.host.name, "process": process.name, **use, "cpu": rounded(busy)}

    def others(self) -> list[tuple[str, float | None, int]]:
        """Return the units beside the application's processes, those first that compute or hold most."""
        before = {row["unit"]: row["cpu"] for row in self.before["others"]["rows"]} if self.before else {}
        found = [
            (row["unit"], self.processors(row["cpu"], before.get(row["unit"])), row["memory"])
            for row in self.now["others"]["rows"]
        ]
        total = self.now["memory"]["total"] or 1
        return sorted(found, key=lambda each: max(each[1] or 0.0, each[2] / total), reverse=True)

    @property
    def busy(self) -> float | None:
        """How many of the host's processors are busy."""
        busy = self.processors(self.now["busy"], self.before["busy"] if self.before else None)
        # The kernel counts each processor by a clock of its own.
        return None if busy is None else min(busy, float(self.now["processors"]))

    def row(self) -> list[str]:
        """Return the host's row of the table."""
        count = self.now["processors"]
        cpu = f"{percent(self.busy)} of {count}" if self.busy is not None else ""
        named = [
            f"{unit} {percent(busy)} {size(memory)}"
            for unit, busy, memory in self.others()[:OTHERS]
            if (busy or 0.0) >= LEAST_CPU or memory >= LEAST_MEMORY
        ]
        load = f"{self.now['load']:.2f}"
        return [
            self.host.name,
            Marked.warning(cpu) if (self.busy or 0.0) > BUSY * count else cpu,
            Marked.warning(load) if self.now["load"] > count else load,
            filled(self.now["memory"]),
            filled(self.now["swap"]) if self.now["swap"]["total"] else "none",
            "\n".join(named),
        ]

    def record(self) -> dict[str, object]:
        """Return the same for programs."""
        rows = [{"unit": unit, "cpu": rounded(busy), "memory": memory} for unit, busy, memory in self.others()]
        kept = {name: self.now[name] for name in ("processors", "load", "memory", "swap")}
        return {"host": self.host.name, **kept, "cpu": rounded(self.busy), "others": rows}


def percent(processors: float | None) -> str:
    """Write how many processors are busy: 100 % is one."""
    return "" if processors is None else f"{100 * processors:.0f} %"


def rounded(processors: float | None) -> float | None:
    """Return it for programs, as far as it was measured."""
    return None if processors is None else round(processors, 3)


def size(count: int) -> str:
    """Write a number of bytes."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def filled(memory: Memory) -> str:
    """Write how much of a memory is in use."""
    used = max(0, memory["total"] - memory["free"])
    text = f"{used / 2**30:.1f} of {memory['total'] / 2**30:.1f} GiB"
    return Marked.warning(text) if used > FULL * memory["total"] else text
