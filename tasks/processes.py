"""The application's processes, by hand: restart, stop, start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from hawser.answers import reading
from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import serving_releases
from hawser.fleet.releases import nothing_deployed
from hawser.host import Host
from hawser.host.processes import ProcessInstance, live_processes_of, turned
from hawser.host.release import Release
from hawser.host.starts import brought_up, proof
from hawser.resources import Drained, Link, Resources, Retired, Running
from hawser.runner.kernel.strays import summary
from hawser.steps import fleet_task, step

from . import webservers
from .managers import defined
from .rollout import drain

PROCESS = {"process": "only this process; default: all"}


@fleet_task(help=PROCESS)
def restart(fleet: Fleet, process: str = "") -> None:
    """Restart processes, batch by batch; one on a socket starts anew beside the old one, without an interruption."""
    running, releases = hosts_running(fleet, process)
    batches = list(running.batches())
    for number, batch in enumerate(batches, 1):
        fronts = drain.fronts(running, batch)
        try:
            with drain.drained(running, batch, fronts, partial(serving_releases, running.subset(fronts))):
                batch.apply([restarted.given(process=process)], releases, phase=f"restart {number}/{len(batches)}")
        except StepFailed:
            fleet.connections.refresh(batch.names)
            batch.apply([cleaned_up.given(process=process)], releases, phase="clean up")
            raise


@fleet_task(help=PROCESS)
def stop(fleet: Fleet, process: str = "") -> None:
    """Stop processes, also over a reboot, until `start` or the next deploy."""
    running, releases = hosts_running(fleet, process)
    running.apply([stopped.given(process=process)], releases, phase="stop")
    if not process and not fleet.dry:
        warn_of_strays(running)


def warn_of_strays(fleet: Fleet) -> None:
    """Warn of programs of the application that no stop reaches, for no unit holds them."""
    for name, found in fleet.ask_all(reading.STRAYS, {"user": fleet.environment.app.user}).items():
        for row in found["rows"]:
            next_move = f'fab -H {fleet.environment.target(name)} run "kill {row["pid"]}"'
            fleet.report.note(name, f"{summary(row)} still runs, outside of every unit; next: {next_move}", "warning")
        fleet.tell_more(name, found, "programs outside of every unit")


@fleet_task(help=PROCESS)
def start(fleet: Fleet, process: str = "") -> None:
    """Start processes that were stopped, and wait until they are healthy."""
    stopped, releases = hosts_running(fleet, process)
    for batch in stopped.batches():
        batch.apply([started.given(process=process)], releases, phase="start")


def hosts_running(fleet: Fleet, process: str) -> tuple[Fleet, Mapping[str, Release]]:
    """Return the hosts on which a process was deployed, and the release that serves on each: the file may say more.

    :param process: its name; empty for all.
    :raises HawserError: there is no such process, it runs on none of these hosts, or nothing has been deployed yet.
    """
    there = fleet.with_code()
    written = {name: fleet.host(name).process_settings() for name in there.names}
    wanted = there.subset([name for name, known in written.items() if known and process in ("", *known)])
    # Others may still have it, or not be needed at all.
    wanted.connect()
    there = there.reachable()
    bare = [name for name in wanted.names if not fleet.facts(name).current]
    if bare:
        raise nothing_deployed(fleet, *bare)
    releases = serving_releases(there)
    hosts = [fleet.host(name, release) for name, release in releases.items()]
    require_process(fleet, process, hosts)
    running = [host.name for host in hosts if host.process_settings() and process in ("", *host.process_settings())]
    if not running:
        raise HawserError(f"no process {process} runs on {', '.join(fleet.names)}", code=2)
    return there.subset(running), releases


def require_process(fleet: Fleet, process: str, hosts: Sequence[Host]) -> None:
    """Refuse a process that was not deployed.

    :param process: its name; empty for all.
    :param hosts: them, as they were deployed.
    :raises HawserError: there is none of this name, or the file alone has it.
    """
    known = dict.fromkeys(name for host in hosts for name in host.environment.processes)
    if not process or process in known:
        return
    if process in fleet.environment.processes:
        told = f"{process} stands in {fleet.environment.path.name} and has not been deployed yet;"
        raise HawserError(told, next=f"fab -H {fleet.environment.name} deploy", code=2)
    raise HawserError(f"there is no process {process}; processes: {', '.join(known)}", code=2)


def chosen(host: Host, process: str) -> Iterator[ProcessInstance]:
    """Yield the processes that serve, those first that others wait for.

    :param process: only this one; empty for all.
    """
    if host.release is None:
        return
    rank = host.environment.rank
    for each in sorted(live_processes_of(host), key=lambda each: rank(each.setting_name)):
        if process in ("", each.setting_name):
            yield each


def passed_on(host: Host) -> Resources:
    """Have the web server pass requests on to the ports that the processes have."""
    for each in webservers.INSTALL:
        yield from each.resources(host)


@step()
def restarted(host: Host, process: str = "") -> Resources:
    """Start each process in its other colour and move the traffic there, or restart it where it stands."""
    for each in chosen(host, process):
        if not each.colour:
            running = Running(each.unit, each.setting.manager, log=each.log, again=True)
            yield running
            yield from proof(each, running)
            continue
        yield from brought_up([each.other], defined)
        if each.setting.spare_port is not None:
            yield from passed_on(turned(each))
        yield Link(*each.other.link)
        if each.address:
            yield Drained((each.address,))
        yield Retired(each.unit, each.setting.manager, each.definition)


@step()
def cleaned_up(host: Host, process: str = "") -> Resources:
    """Take away what was started beside the processes that go on serving."""
    if any(each.setting.spare_port is not None for each in chosen(host, process)):
        yield from passed_on(host)
    for each in chosen(host, process):
        if each.colour:
            yield Retired(each.other.unit, each.setting.manager, each.other.definition)


@step()
def stopped(host: Host, process: str = "") -> Resources:
    """Stop each process and keep it from starting at boot; those last that others wait for."""
    for each in reversed(list(chosen(host, process))):
        yield Retired(each.unit, each.setting.manager, each.definition, wait=True)


@step()
def started(host: Host, process: str = "") -> Resources:
    """Define and start each process in the colour that serves."""
    for each in chosen(host, process):
        yield from brought_up([each], defined)
