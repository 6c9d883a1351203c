"""chrony, which keeps the clock of a host right."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Command, File, Packages, Resources, Service, changed
from hawser.steps import step

# Nothing in it is of one application.
remove = None
passwords = None


@step()
def install(host: Host) -> Resources:
    """Install chrony and tell it whom to ask for the time."""
    setting = host.environment.services.chrony
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(setting.PACKAGES)
    text = host.render("chrony.conf.j2", servers=setting.servers)
    wanted = File("/etc/chrony/chrony.conf", text, validate="chronyd -p -f {}")
    yield wanted
    # In a container it does not start, for the clock is the machine's.
    yield Service(setting.UNIT, may_decline=True)
    yield Command(("systemctl", "restart", setting.UNIT), when=changed(wanted))
