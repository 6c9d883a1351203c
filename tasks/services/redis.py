"""Redis: the server, its password, and where it listens."""

from __future__ import annotations

from hawser.formats import json_text
from hawser.host import Host
from hawser.resources import Block, Command, File, Packages, Resources, Service, changed
from hawser.steps import step

# Nothing in it is of one application.
remove = None


@step()
def install(host: Host) -> Resources:
    """Install Redis, listening beyond the host itself only where others need it."""
    setting = host.environment.services.redis
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(setting.PACKAGES)
    lines = ["bind 127.0.0.1 -::1" + (f" {host.address}" if host.clients(setting.clients) else "")]
    if setting.password is not None:
        lines.append(f"requirepass {json_text(host.text(setting.password, 'services.redis.password'))}")
    settings = File(
        "/etc/redis/hawser.conf", "\n".join(lines) + "\n", mode=0o640, owner="redis", group="redis", opaque=True
    )
    yield settings
    include = Block("/etc/redis/redis.conf", "settings", "include /etc/redis/hawser.conf")
    yield include
    yield Service(setting.UNIT)
    yield Command(("systemctl", "restart", setting.UNIT), when=changed(settings, include))
