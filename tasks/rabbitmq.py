"""RabbitMQ: the broker, its users and virtual hosts."""

from __future__ import annotations

from hawser.host import Host
from hawser.resources import Command, Directory, File, Packages, RabbitAccess, Resources, Service, changed
from hawser.steps import step


@step()
def install(host: Host) -> Resources:
    """Install RabbitMQ with its users, listening beyond the host itself only where others need it."""
    setting = host.environment.services.rabbitmq
    if setting is None or not host.runs_service(setting.groups):
        return
    remote = any(host.clients(user.clients) for user in setting.users.values())
    yield Packages(("rabbitmq-server",))
    yield Directory("/etc/rabbitmq/conf.d")
    settings = File(
        "/etc/rabbitmq/conf.d/10-hawser.conf",
        f"listeners.tcp.default = {'0.0.0.0' if remote else '127.0.0.1'}:5672\n",
        owner="rabbitmq",
        group="rabbitmq",
    )
    yield settings
    yield Service("rabbitmq-server")
    yield Command(("systemctl", "restart", "rabbitmq-server"), when=changed(settings))
    for name, user in setting.users.items():
        password = host.text(user.password, f"services.rabbitmq.users.{name}.password")
        yield RabbitAccess(name, password, user.vhost)
