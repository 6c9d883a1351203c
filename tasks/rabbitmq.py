"""RabbitMQ: the broker, its users and virtual hosts."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Absent, Command, Directory, File, Packages, RabbitAccess, Resources, Service, changed
from hawser.steps import step


@step()
def install(host: Host) -> Resources:
    """Install RabbitMQ with its users, listening beyond the host itself only where others need it."""
    setting = host.environment.services.rabbitmq
    if setting is None or not host.is_in(setting.groups):
        return
    remote = any(host.clients(user.clients) for user in setting.users.values())
    yield Packages(("rabbitmq-server",))
    yield Directory("/etc/rabbitmq/conf.d")
    # The last file wins: one application that needs remote access opens the broker, and none closes it for another.
    closed = File("/etc/rabbitmq/conf.d/10-hawser.conf", "listeners.tcp.default = 127.0.0.1:5672\n")
    yield closed
    path = f"/etc/rabbitmq/conf.d/20-hawser-{host.app.name}.conf"
    opened = File(path, "listeners.tcp.default = 0.0.0.0:5672\n") if remote else Absent(path)
    yield opened
    yield Service("rabbitmq-server")
    yield Command(("systemctl", "restart", "rabbitmq-server"), when=changed(closed, opened))
    for name, user in setting.users.items():
        password = host.text(user.password, f"services.rabbitmq.users.{name}.password")
        yield RabbitAccess(name, password, user.vhost)
