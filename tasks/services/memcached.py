"""memcached: the server, and where it listens."""

from __future__ import annotations

from hawser.host import Host
from hawser.host.addresses import clients
from hawser.resources import Block, Command, Packages, Resources, Service, Settled, changed
from hawser.steps import step

# Nothing in it is of one application.
remove = None
passwords = None


@step()
def install(host: Host) -> Resources:
    """Install memcached, listening beyond the host itself only where others need it."""
    setting = host.environment.services.memcached
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(setting.PACKAGES)
    # The package's own lines have it listen on the loopback; of two options -m, the last counts.
    lines = [f"-m {setting.memory}"]
    if clients(host, setting.clients):
        lines.append(f"-l {host.address}")
    settings = Block("/etc/memcached.conf", "settings", "\n".join(lines))
    yield settings
    service = Service(setting.UNIT)
    yield service
    restart = Command(("systemctl", "restart", setting.UNIT), when=changed(settings))
    yield restart
    # systemd calls it started before it has read what it was given.
    yield Settled(setting.UNIT, "systemd", when=changed(service, restart))
