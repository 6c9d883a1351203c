"""The application's processes, by hand: restart, stop, start."""

from __future__ import annotations

from collections.abc import Iterator

from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.processes import ProcessInstance, healthy
from hawser.resources import Link, Resources, Retired, Running
from hawser.runner.kernel.strays import told
from hawser.steps import rollout, step

from .managers import supervisor, systemd
from .rollout import drain

PROCESS = {"process": "only this process; default: all"}


@rollout(help=PROCESS)
def restart(fleet: Fleet, process: str = "") -> None:
    """Restart processes, batch by batch; one on a socket starts anew beside the old one, without an interruption."""
    running = about(fleet, process)
    releases, batches = running.kept_releases(), list(running.batches())
    for number, batch in enumerate(batches, 1):
        fronts = drain.fronts(running, batch)
        try:
            with drain.drained(running, batch, fronts, running.some(fronts).kept_releases):
                batch.apply([again], releases, phase=f"restart {number}/{len(batches)}")
        except StepFailed:
            fleet.session.refresh(batch.names)
            batch.apply([abandon], releases, phase="clean up")
            raise


@rollout(help=PROCESS)
def stop(fleet: Fleet, process: str = "") -> None:
    """Stop processes, also over a reboot, until `start` or the next deploy."""
    running = about(fleet, process)
    running.apply([end], running.kept_releases(), phase="stop")
    if not process and not fleet.dry:
        tell_strays(running)


def tell_strays(fleet: Fleet) -> None:
    """Warn of programs of the application that no stop reaches, for no unit holds them."""
    for name, found in fleet.ask_all("strays.listing", {"user": fleet.environment.app.user}).items():
        for row in found["rows"]:
            next_move = f'fab -H {name} run "kill {row["pid"]}"'
            fleet.report.note(name, f"{told(row)} still runs, outside of every unit; next: {next_move}", "warning")
        fleet.tell_more(name, found, "programs outside of every unit")


@rollout(help=PROCESS)
def start(fleet: Fleet, process: str = "") -> None:
    """Start processes that were stopped, and wait until they are healthy."""
    stopped = about(fleet, process)
    releases = stopped.kept_releases()
    for batch in stopped.batches():
        batch.apply([begin], releases, phase="start")


def about(fleet: Fleet, process: str) -> Fleet:
    """Return the hosts that run a process, and remember which one this is about.

    :param process: its name; empty for all.
    :raises HawserError: there is no such process, it runs on none of these hosts, or nothing has been deployed yet.
    """
    known = fleet.environment.processes
    if process and process not in known:
        raise HawserError(f"there is no process {process}; processes: {', '.join(known)}", code=2)
    names = [name for name in fleet.names if not process or process in fleet.host(name).process_settings()]
    there = fleet.some([name for name in names if fleet.host(name).process_settings()])
    if not there.names:
        raise HawserError(f"no process {process} runs on {', '.join(fleet.names)}", code=2)
    there.connect()
    bare = [name for name in there.names if not there.facts(name).current]
    if bare:
        next_move = f"fab -H {fleet.environment.name} deploy"
        raise HawserError(f"{', '.join(bare)}: nothing has been deployed yet; next: {next_move}")
    fleet.session.asked = {"process": process}
    return there


def chosen(host: Host) -> Iterator[ProcessInstance]:
    """Yield the processes that serve and that the command is about, those first that others wait for."""
    if host.release is None:
        return
    rank = host.environment.rank
    for process in sorted(host.live_processes(), key=lambda each: rank(each.setting_name)):
        if host.asked.get("process", "") in ("", process.setting_name):
            yield process


def defined(process: ProcessInstance) -> Resources:
    """Yield a process's definition under its manager, its start, and the proof that it is healthy."""
    return systemd.unit(process) if process.setting.manager == "systemd" else supervisor.program(process)


@step()
def again(host: Host) -> Resources:
    """Start each process in its other colour and move the traffic there, or restart it where it stands."""
    for process in chosen(host):
        if not process.colour:
            yield Running(process.unit, process.setting.manager, log=process.log, again=True)
            yield from healthy(process)
            continue
        yield from defined(process.other)
        yield Link(*process.other.link)
        drain = 1.0 if process.setting.socket else 0.0
        yield Retired(process.unit, process.setting.manager, process.definition, drain)


@step()
def abandon(host: Host) -> Resources:
    """Take away what was started beside the processes that go on serving."""
    for process in chosen(host):
        if process.colour:
            yield Retired(process.other.unit, process.setting.manager, process.other.definition)


@step()
def end(host: Host) -> Resources:
    """Stop each process and keep it from starting at boot; those last that others wait for."""
    for process in reversed(list(chosen(host))):
        yield Retired(process.unit, process.setting.manager, process.definition, wait=True)


@step()
def begin(host: Host) -> Resources:
    """Define and start each process in the colour that serves."""
    for process in chosen(host):
        yield from defined(process)
