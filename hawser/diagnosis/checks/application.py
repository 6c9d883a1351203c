"""The application on its hosts: set up, released, running, the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hawser.answers import reading
from hawser.host import Host
from hawser.host.databases import databases_of
from hawser.host.health import questions
from hawser.inventory.values.jinja import references
from hawser.runner.kernel.strays import summary

from ...host.names import taken_names, told
from ...host.offsite import leaves
from ...host.processes import live_processes_of, overlaps
from ...host.trials import may_run_twice
from .registry import Ask, Finding, Findings, more, on_host, once


@on_host
def bootstrap(host: Host, ask: Ask) -> Findings:
    """The host was made ready, and nothing is left over from a run that was broken off."""
    facts, environment = host.facts, host.environment.name
    for path in facts.damaged:
        yield Finding(f"{path} is damaged: nobody knows what it said", "put it right there, or remove it")
    if not facts.bootstrapped:
        yield Finding("was not made ready yet", f"fab -H {environment} bootstrap deploy", warning=True)
        return
    due = ask(reading.PENDING_FOLLOW_UPS)
    if due:
        what = "1 reload or restart is" if due == 1 else f"{due} reloads or restarts are"
        yield Finding(f"{what} due since a run was broken off", f"fab -H {environment} bootstrap deploy")


@on_host
def names(host: Host, ask: Ask) -> Findings:
    """No file of ours stands, or would, in the place of somebody else's."""
    for row in taken_names(host):
        yield Finding(told(row), f"another name in {host.environment.path.name}, or move it away where nobody needs it")


@on_host
def release(host: Host, ask: Ask) -> Findings:
    """A release serves, and no rollout is open."""
    facts, deploy = host.facts, f"fab -H {host.environment.name} deploy"
    anew = f"fab -H {host.environment.name} bootstrap deploy"
    if facts.bootstrapped and host.runs_code and not facts.current:
        yield Finding("nothing has been deployed yet", deploy, warning=True)
    if facts.lacks_python and host.runs_code:
        yield Finding(facts.lacks_python, f"{anew} builds it anew")
    if facts.journal is not None:
        yield Finding(f"a rollout of {facts.journal['release']} was not completed", deploy)
    if facts.closed:
        next_move = f"fab -H {host.environment.name} maintenance.off"
        yield Finding("the site shows its maintenance page", next_move, warning=True)


@on_host
def releases(host: Host, ask: Ask) -> Findings:
    """What is left of former releases could be removed."""
    if not host.runs_code or not host.facts.current:
        return
    for why in ask(reading.STUCK_RELEASES, root=host.root, keep=host.app.keep):
        yield Finding(why, f"fab -H {host.target} releases.prune, when nothing keeps it any more", warning=True)


@on_host
def restores(host: Host, ask: Ask) -> Findings:
    """No restore of a database was broken off, and whoever may connects to the databases."""
    databases = [{"database": each.name, "engine": each.engine} for each in databases_of(host)]
    for each in ask(reading.BROKEN_RESTORES, databases=databases) if databases else ():
        next_move = f"fab -H {host.target} resume, which finishes or undoes it"
        if each["backup"]:
            next_move += f", or: fab -H {host.target} db.restore {each['backup']} --database {each['database']}"
        yield Finding(each["what"], next_move)


@on_host
def processes(host: Host, ask: Ask) -> Findings:
    """Every process runs, and is healthy."""
    rows = {(row["manager"], row["unit"]): row for row in host.facts.processes}
    wanted = live_processes_of(host) if host.facts.current else []
    running = []
    for process in wanted:
        row = rows.get((process.setting.manager, process.unit))
        if row is not None and row["active"]:
            running.append(process)
            continue
        state = row["state"] if row else f"not known to {process.setting.manager}"
        yield Finding(
            f"{process.name} is {state}",
            f"fab -H {host.target} logs --process {process.setting_name}, then start or deploy",
        )
    for name, state in ask(reading.HEALTH, checks=questions(running)).items():
        if state != "ok":
            yield Finding(f"{name} is not healthy: {state}", f"fab -H {host.target} logs --process {name}")


@on_host
def strays(host: Host, ask: Ask) -> Findings:
    """No program of the application's user runs that nobody answers for."""
    listed = ask(reading.STRAYS, user=host.app.user)
    for row in listed["rows"]:
        next_move = f'fab -H {host.target} run "kill {row["pid"]}"'
        yield Finding(f"{summary(row)} runs outside of every unit", next_move, warning=True)
    yield from more(listed, "programs outside of every unit")


@on_host
def cron(host: Host, ask: Ask) -> Findings:
    """The last run of every crontab entry ended well."""
    last = ask(reading.CRON_RUNS, folder=f"{host.root}/cron")
    for name in host.cron_entries():
        run = last.get(name, {"status": 0})
        if run["status"] == 0 or (run["status"] is None and run["running"]):
            continue
        how = "was killed" if run["status"] is None else f"exited with {run['status']}"
        yield Finding(f"the last run of {name} {how}", f"fab -H {host.target} logs --only cron", warning=True)


@on_host
def backups(host: Host, ask: Ask) -> Findings:
    """A backup has left the host, not long ago."""
    setting = leaves(host)
    if setting is None:
        return
    outcome, next_move = ask(reading.OFFSITE), f"fab -H {host.target} backup.run"
    if outcome["failed"]:
        yield Finding(f"the last backup that was to leave the host failed: {outcome['failed']}", next_move)
    if not outcome["time"]:
        yield Finding("no backup has left the host yet", next_move, warning=not host.facts.current)
    elif (hours := round((time.time() - outcome["time"]) / 3600)) > setting.max_age:
        yield Finding(f"the last backup that has left the host is {hours} hours old", next_move)


@once
def in_place(hosts: Sequence[Host]) -> Findings:
    """No process in front of which the web server stands is taken away before its successor has proven itself."""
    environment = hosts[0].environment
    site = environment.site
    if site is None:
        return
    for name in dict.fromkeys(site.proxy.values()):
        process = environment.processes.get(name)
        if process is None or process.port is None or overlaps(process) or process.single or process.public:
            continue
        behind = set(environment.hosts_of(site.groups)) <= set(environment.hosts_running(process))
        if behind and not may_run_twice(process) and "port" in references(process.command).names:
            message = f"{name} has one port: a deploy takes it away before the new release was tried on it"
            hint = f"spare_port under [processes.{name}] in {environment.path.name}: a second port, by turns"
            yield Finding(message, hint, warning=True)


@once
def commits(hosts: Sequence[Host]) -> Findings:
    """All hosts serve the same release."""
    serving = {host.name: host.facts.current for host in hosts if host.runs_code and host.facts.current}
    if len(set(serving.values())) > 1:
        told = ", ".join(f"{name} {identifier}" for name, identifier in serving.items())
        yield Finding(f"the hosts serve different releases: {told}", f"fab -H {hosts[0].environment.name} deploy")
