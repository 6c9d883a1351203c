"""Services that timers of a host start for an application, with the runner as their program."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.timers import Place
from hawser.resources import Absent, Command, File, Resources, Service, changed, without_units
from hawser.ssh.loader import archive


def timed(host: Host, place: Place, job: str, setting: object) -> Resources:
    """Yield that a timer starts a service; the folder of its files is there.

    :param job: what the service is told, as JSON.
    :param setting: what the template of the timer needs.
    """
    yield File(place.program, archive(), mode=0o600, opaque=True)
    yield File(place.job, job, mode=0o600, opaque=True)
    service = File(place.service, host.render(f"{place.kind}.service.j2", place=place), validate="systemd")
    timer = File(place.timer, host.render(f"{place.kind}.timer.j2", setting=setting), validate="systemd")
    yield service
    yield timer
    yield Command(("systemctl", "daemon-reload"), when=changed(service, timer))
    yield Service(f"{place.unit}.timer")
    yield Command(("systemctl", "restart", f"{place.unit}.timer"), when=changed(timer))


def gone(place: Place) -> Resources:
    """Yield that there is no such timer, nor anything of its service."""
    yield from without_units(place.timer, place.service)
    yield Absent(place.folder, recursive=True)
