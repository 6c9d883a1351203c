"""People who are told: of rollouts from where these run, and by the hosts of what ages or stays away there."""

from __future__ import annotations

from hawser.errors import HawserError, StepFailed
from hawser.host import Host
from hawser.host.watch import Place, addresses, job
from hawser.resources import Directory, File, Packages, Resources
from hawser.session import notices
from hawser.session.session import Session
from hawser.steps import removal, session_task, step

from .timers import gone, timed


@step()
def install(host: Host) -> Resources:
    """Have a timer of the host look for what ages or stays away, and tell it; without the setting, take it away."""
    place, setting = Place.of(host), host.environment.notify
    # Also where the host tells nothing: a mistake in one of them is found in time.
    urls = addresses(host, setting) if setting is not None else []
    if setting is None or setting.watch is None:
        yield from gone(place)
        return
    if urls:
        yield Packages(("apprise",))
    yield Directory(place.folder, mode=0o700)
    yield File(place.addresses, "".join(f"{each}\n" for each in urls), mode=0o600, opaque=True)
    if setting.textfiles:
        yield Directory(str(setting.textfiles))
    yield from timed(host, place, job(host, setting, urls), setting)


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
