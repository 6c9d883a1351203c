"""Logs of the application, of the web server and cron about it, and of its services."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime

from hawser.answers.messages import Message
from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import deployed_host
from hawser.host import Host
from hawser.host.places import site_logs
from hawser.host.processes import live_processes_of
from hawser.host.services import services_of
from hawser.runner.processes.traits import MANAGERS
from hawser.runner.webservers import TRAITS
from hawser.steps import fleet_task

from .cron import output
from .processes import require_process

SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
KINDS = ("processes", "site", "cron", "services")
LINES = 20


@fleet_task(
    help={
        "process": "only this process; default: all, the site and cron",
        "only": f"only these: processes, site ({' or '.join(each.label for each in TRAITS.values())}), cron, "
        "services (told when asked for)",
        "since": "10min, 2h, 1d, 14:30, 2030-01-02 or 2030-01-02 14:30",
        "grep": "only lines that this regular expression fits",
        "lines": f"the last lines of each log; default: {LINES}, with --since all",
        "follow": "go on until Ctrl-C",
    }
)
def logs(
    fleet: Fleet,
    process: str = "",
    only: str = "",
    since: str = "",
    grep: str = "",
    lines: int = 0,
    follow: bool = False,
) -> None:
    """Show what processes, the site and cron entries wrote, on all hosts, in the order of time."""
    if only and only not in KINDS:
        raise HawserError(f"--only {only}: one of {', '.join(KINDS)}", code=2)
    try:
        re.compile(grep)
    except re.error as error:
        raise HawserError(f"--grep {grep}: {error}", code=2) from None
    start = moment(since, time.time()) if since else 0.0
    reached = fleet.reachable()
    hosts = [deployed_host(fleet, name) for name in reached.names]
    require_process(fleet, process, hosts)
    wanted = {host.name: list(sources(host, process, only)) for host in hosts}
    wanted = {name: found for name, found in wanted.items() if found}
    if not wanted:
        raise HawserError(f"nothing of this is written on {', '.join(fleet.names)}", code=2)
    asked = {"lines": lines or (0 if since else LINES), "since": start, "grep": grep, "follow": follow}
    found: list[tuple[float, str, str, str]] = []

    def gather(name: str) -> None:
        def keep(message: Message) -> None:
            if message["t"] == "log":
                found.append((message["time"], name, message["source"], message["text"]))

        fleet.request(name, "logs", {**asked, "sources": wanted[name]}, None if follow else keep)

    results = fleet.connections.parallel(list(wanted), gather)
    for when, name, source, text in sorted(found, key=lambda line: line[0]):
        fleet.report.log(name, source, when, text)
    failed = [*map(str, fleet.lost.values()), *(str(each) for each in results.values() if isinstance(each, Exception))]
    if failed:
        raise StepFailed("\n".join(failed))


def sources(host: Host, process: str, only: str) -> Iterator[dict[str, object]]:
    """Yield the places of a host's logs: of processes in both colours, the site's server, cron, services."""
    if only in ("", "processes"):
        for each in live_processes_of(host):
            if process not in ("", each.setting_name):
                continue
            if each.log:
                yield {"name": each.name, "path": each.log}
            if not MANAGERS[each.setting.manager].log:
                both = [each, each.other] if each.colour else [each]
                yield {"name": each.name, "units": [f"{one.unit}.service" for one in both]}
    if only in ("", "site") and not process and host.environment.site is not None and host.web_server is not None:
        name = host.environment.site.server
        for kind, path in site_logs(host).items():
            yield {"name": f"{name}-{kind}", "path": path}
        if "error" not in site_logs(host):
            yield {"name": f"{name}-error", "units": [f"{host.web_server.unit}.service"]}
    if only in ("", "cron") and not process:
        for name, entry in host.cron_entries().items():
            if entry.output:
                yield {"name": f"cron {name}", "path": output(host, entry)}
            else:
                yield {"name": f"cron {name}", "tags": [f"{host.app.name}-{name}"]}
    # Those of servers that may be shared, and much: only for whoever asks.
    if only == "services" and not process:
        for name, service in services_of(host).items():
            if service.LOGS:
                yield {"name": name, "pattern": service.LOGS}
            yield {"name": name, "units": list(service.units())}


def moment(text: str, now: float) -> float:
    """Return the time that a person means, in seconds since the epoch.

    :param text: how long ago (``10min``, ``2h``), a time of today, or a date with or without a time.
    :raises HawserError: it is none of these.
    """
    span = SPAN.fullmatch(text.strip())
    if span:
        return now - int(span[1]) * SECONDS[span[2]]
    today = time.strftime("%F ", time.localtime(now))
    for form in (text, today + text):
        try:
            return datetime.fromisoformat(form).timestamp()
        except ValueError:
            continue
    raise HawserError(f"--since {text}: write 10min, 2h, 1d, 14:30, 2030-01-02 or '2030-01-02 14:30'", code=2)
