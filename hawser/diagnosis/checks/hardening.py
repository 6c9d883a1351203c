"""What processes under systemd are kept from, and what they may miss because of it."""

from __future__ import annotations

from hawser.answers import reading
from hawser.host import Host
from hawser.host.hardening import outermost, writable_folders
from hawser.host.processes import ProcessInstance, live_processes_of

from .registry import Ask, Finding, Findings, at_its_release, on_host

# What systemd-analyze(1) calls medium begins above it.
EXPOSED = 4.0


def hardened(host: Host) -> list[ProcessInstance]:
    """Return the processes that systemd keeps from things, as the release that serves has them."""
    if not host.facts.current:
        return []
    found = live_processes_of(at_its_release(host))
    return [each for each in found if each.setting.hardened and "hardened" in each.manager.offers]


@on_host
def hardening(host: Host, ask: Ask) -> Findings:
    """Processes may write to the folders that were made for them."""
    users: dict[str, list[ProcessInstance]] = {}
    for process in hardened(host):
        users.setdefault(process.setting.user, []).append(process)
    for user, processes in users.items():
        folders = outermost(path for each in processes for path in writable_folders(each))
        names = sorted({each.setting_name for each in processes})
        which = f"processes.{names[0]}" if len(names) == 1 else f"those of processes.{', '.join(names)} that need it"
        for path in ask(reading.ELSEWHERE, user=user, folders=folders):
            message = f"{path} belongs to {user}, and systemd lets {', '.join(names)} not write there (hardened)"
            next_move = f'writable = ["{path}"] in {which} of {host.environment.path.name}, if they write there; then: '
            yield Finding(message, f"{next_move}fab -H {host.environment.name} deploy", warning=True)


@on_host
def exposure(host: Host, ask: Ask) -> Findings:
    """How far systemd keeps processes apart, as systemd-analyze(1) has it; hardened ones, whatever further keys say."""
    units = {each.unit: each for each in live_processes_of(host) if "hardened" in each.manager.offers}
    if not units or not host.facts.current:
        return
    found = ask(reading.EXPOSURES, units=list(units))
    if found:
        levels = ", ".join(f"{units[unit].name} {level:.1f}" for unit, level in found.items())
        yield Finding(f"exposure, 0 for a process that may do nothing and 10 for all: {levels}", known=True)
    for unit, level in found.items():
        if units[unit].setting.hardened and level > EXPOSED:
            shows = f'fab -H {host.target} run "systemd-analyze security {unit}" shows by what'
            next_move = f"{shows}; fab -H {host.environment.name} deploy brings a new unit, where it is of before"
            message = f"{units[unit].name} is hardened, and has an exposure of {level:.1f}"
            yield Finding(message, next_move, warning=True)
