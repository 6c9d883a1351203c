"""Security updates that hosts install by themselves."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Absent, File, Packages, Resources
from hawser.steps import removal, step


def place(host: Host) -> str:
    """Return the file of apt's that says so; behind those of the package itself."""
    return f"/etc/apt/apt.conf.d/60hawser-{host.app.name}"


@step()
def install(host: Host) -> Resources:
    """Have a host install security updates by itself, or not; without the setting, leave that to whoever set it up."""
    setting = host.environment.updates
    if setting is None:
        yield Absent(place(host))
        return
    if setting.unattended:
        yield Packages(("unattended-upgrades",))
    yield File(place(host), host.render("unattended.conf.j2", unattended=setting.unattended))


@removal()
def remove(host: Host) -> Resources:
    """Leave it to whoever set the host up whether it installs updates by itself; the package stays."""
    yield Absent(place(host))
