"""What is deployed, where, and how it is doing."""

from __future__ import annotations

import time

from hawser.errors import StepFailed
from hawser.fleet import Fleet
from hawser.health import questions
from hawser.host import Host
from hawser.steps import rollout

COLUMNS = ["host", "release", "commit", "age", "processes", "health", "disk free", "clock", "certificate"]


@rollout()
def status(fleet: Fleet) -> None:
    """Show each host's release, processes, health, disk, clock offset and certificate."""
    reached = fleet.reachable()
    rows = fleet.session.parallel(reached.names, lambda name: row(fleet, name))
    fleet.report.table(
        fleet.environment.name, COLUMNS, [found for found in rows.values() if not isinstance(found, Exception)]
    )
    failed = [*fleet.session.lost.values(), *(str(found) for found in rows.values() if isinstance(found, Exception))]
    if failed:
        raise StepFailed("\n".join(failed))


def row(fleet: Fleet, name: str) -> list[str]:
    """Return one host's line of the table."""
    host = fleet.host(name)
    facts = host.facts
    live = host.live_processes() if facts.current else []
    health = fleet.ask(name, "survey.health", {"checks": questions(host, live)})
    certificate = fleet.ask(name, "certificates.shown", {"path": f"{host.root}/ssl/site.crt"})
    before = time.time()
    offset = fleet.ask(name, "looks.clock", {}) - (before + time.time()) / 2
    return [
        name,
        "\n".join(
            [
                facts.current or "none",
                *(["a rollout is open"] if facts.journal else []),
                *(["maintenance"] if facts.closed else []),
            ]
        ),
        facts.commit[:10],
        age(host),
        "\n".join(
            f"{each['process']}: {each['state']} {span(int(each['seconds']))}"
            for each in facts.processes
            if each["live"]
        ),
        "\n".join(f"{process}: {state}" for process, state in health.items()),
        f"{facts.disk_free / 2**30:.1f} of {facts.disk_total / 2**30:.0f} GiB",
        f"{offset:+.1f} s",
        f"{certificate['days']} days" if certificate else "",
    ]


def age(host: Host) -> str:
    """Return how long the release has served on a host."""
    return span(int(host.facts.clock - host.facts.since)) if host.facts.since else ""


def span(seconds: int) -> str:
    """Write a duration the short way."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
