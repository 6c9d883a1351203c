"""RabbitMQ: the broker, its users and virtual hosts."""

from __future__ import annotations

from collections.abc import Iterator

from hawser.answers import reading
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.addresses import clients
from hawser.host.logins import login_name
from hawser.inventory.tables.services.rabbitmq import Rabbitmq
from hawser.resources import (
    Absent,
    Command,
    Directory,
    File,
    Packages,
    RabbitAccess,
    RabbitGone,
    RabbitLogins,
    Resources,
    Service,
    changed,
)
from hawser.runner.databases.rabbitmq import LONGEST
from hawser.steps import removal, step

from .broker import Queue
from .moments import AT_ONCE, BACK, WAIT

# The program of this name in the PATH would hand its arguments to a shell.
CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
# Succeeds where the running broker listens as its files say: 0.0.0.0:5672 or 127.0.0.1:5672, as proc_net_tcp(5) has it.
LISTENS = (
    "if ls /etc/rabbitmq/conf.d/20-hawser-*.conf >/dev/null 2>&1; then at=00000000; else at=0100007F; fi; "
    f'grep -q " $at:{Rabbitmq.PORT:04X} 00000000:0000 0A " /proc/net/tcp'
)


@step()
def install(host: Host, serving: bool = False) -> Resources:
    """Install RabbitMQ with its users, listening beyond the host itself only where others need it.

    Where the settings speak of none any more, its messages stay, and nobody reaches it from elsewhere.
    """
    setting = host.environment.services.rabbitmq
    path = f"/etc/rabbitmq/conf.d/20-hawser-{host.app.name}.conf"
    if setting is None or not host.is_in(setting.groups):
        gone = Absent(path)
        yield gone
        yield listening(gone)
        return
    remote = any(clients(host, user.clients) for user in setting.users.values())
    # Before the package, which starts the broker: it listens as it shall from its first start on.
    yield Directory("/etc/rabbitmq/conf.d")
    # The last file wins: one application that needs remote access opens the broker, and none closes it for another.
    closed = File("/etc/rabbitmq/conf.d/10-hawser.conf", f"listeners.tcp.default = 127.0.0.1:{setting.PORT}\n")
    yield closed
    opened = File(path, f"listeners.tcp.default = 0.0.0.0:{setting.PORT}\n") if remote else Absent(path)
    yield opened
    yield Packages(setting.PACKAGES)
    yield Service(setting.UNIT)
    yield listening(closed, opened)
    yield from passwords.given(moment=WAIT if serving else AT_ONCE).resources(host)


@step()
def passwords(host: Host, moment: str = AT_ONCE) -> Resources:
    """Give the users their passwords: one alone, which new connections need from here on, or each a user of its own."""
    setting = host.environment.services.rabbitmq
    if setting is None or not host.is_in(setting.groups) or moment == BACK:
        return
    for name, user in setting.users.items():
        password = host.text(user.password, f"services.rabbitmq.users.{name}.password")
        login = login_name(name, password, LONGEST) if user.logins else name
        yield RabbitAccess(login, password, user.vhost, "keep" if moment == WAIT else "")
        if moment == AT_ONCE:
            yield RabbitLogins(name, login)


def listening(*files: File | Absent) -> Command:
    """Restart the broker after a change of where it listens, but only where that is elsewhere than it should.

    A second application must not cut off the first one's messages.
    """
    restart, title = ("systemctl", "restart", Rabbitmq.UNIT), f"systemctl restart {Rabbitmq.UNIT}"
    return Command(restart, when=changed(*files), unless=("sh", "-c", LISTENS), title=title)


@removal()
def remove(host: Host) -> Resources:
    """Remove the users and their virtual hosts, and what opens the broker; it is not restarted: others may use it."""
    setting = host.environment.services.rabbitmq
    if setting is None or not host.is_in(setting.groups):
        return
    for name, user in setting.users.items():
        yield RabbitGone(name, user.vhost)
    yield Absent(f"/etc/rabbitmq/conf.d/20-hawser-{host.app.name}.conf")


def queues(fleet: Fleet, name: str, db: int, first: str) -> Iterator[Queue]:
    """Yield the queues of the virtual hosts of the settings."""
    setting = fleet.environment.services.rabbitmq
    vhosts = list(dict.fromkeys(user.vhost for user in setting.users.values())) if setting else []
    said = fleet.ask(name, reading.RABBITMQ_QUEUES, {"vhosts": vhosts, "first": first})
    fleet.tell_more(name, said, "queues of RabbitMQ with less in them")
    for row in said["rows"]:
        yield Queue(name, "rabbitmq", row["vhost"], row["queue"], row["waiting"], row["working"], row["consumers"])


def emptied(host: Host, queue: str, vhost: str, db: int) -> Command:
    """Empty a queue."""
    argv = (CONTROL, "-q", "purge_queue", "-p", vhost, "--", queue)
    return Command(argv, user="rabbitmq", cwd="/var/lib/rabbitmq", title=f"purge {queue} in {vhost}")
