"""People who are told: of rollouts from where these run, and by the hosts of what ages or stays away there."""

from __future__ import annotations

from hawser.errors import HawserError, StepFailed
from hawser.host import Host
from hawser.host.watch import Place, addresses, job, watches
from hawser.resources import Absent, Command, Directory, File, Packages, Resources, Service, changed, without_units
from hawser.session import notices
from hawser.session.session import Session
from hawser.ssh.loader import archive
from hawser.steps import removal, session_task, step


@step()
def install(host: Host) -> Resources:
    """Have a timer of the host look for what ages or stays away, and tell it; without the setting, take it away."""
    place, setting = Place.of(host), watches(host)
    if setting is None:
        yield from gone(place)
        return
    if setting.urls:
        yield Packages(("apprise",))
    yield Directory(place.folder, mode=0o700)
    yield File(place.program, archive(), mode=0o600, opaque=True)
    yield File(place.addresses, "".join(f"{each}\n" for each in addresses(host, setting)), mode=0o600, opaque=True)
    if setting.textfiles:
        yield Directory(str(setting.textfiles))
    yield File(place.job, job(host, setting), mode=0o600, opaque=True)
    service = File(place.service, host.render("watch.service.j2", place=place), validate="systemd")
    timer = File(place.timer, host.render("watch.timer.j2", setting=setting), validate="systemd")
    yield service
    yield timer
    yield Command(("systemctl", "daemon-reload"), when=changed(service, timer))
    yield Service(f"{place.unit}.timer")
    yield Command(("systemctl", "restart", f"{place.unit}.timer"), when=changed(timer))


def gone(place: Place) -> Resources:
    """Yield that no timer looks."""
    yield from without_units(place.timer, place.service)
    yield Absent(place.folder, recursive=True)


@removal()
def remove(host: Host) -> Resources:
    """Have the host look no more."""
    yield from gone(Place.of(host))


@session_task()
def test(session: Session) -> None:
    """Send a message to everybody whom `[notify]` names, and say who could not be reached."""
    name, setting = session.environment.name, session.environment.notify
    if setting is None:
        raise HawserError(f"{session.environment.path.name} has no [notify], so nobody is told anything", code=2)
    urls = addresses(session.host(session.environment.leader), setting)
    if session.dry:
        session.report.note("", f"would send a message to {len(urls)} addresses")
        return
    if troubles := notices.send(urls, f"{name}: a test", "Rollouts will be told here.", "begun"):
        raise StepFailed("\n".join(["not everybody could be told:", *(f"  {each}" for each in troubles)]))
    session.report.note("", f"told {len(urls)} addresses")
