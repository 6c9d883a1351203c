"""Redis: the server, its password, and where it listens."""

from __future__ import annotations

from collections.abc import Iterator

from hawser.answers import reading
from hawser.fleet.fleet import Fleet
from hawser.formats import json_text
from hawser.host import Host
from hawser.host.addresses import clients
from hawser.inventory.tables.services.redis import Redis
from hawser.resources import Block, Command, File, Packages, Resources, Service, changed
from hawser.steps import step

from .broker import Queue

# Nothing in it is of one application.
remove = None


@step()
def install(host: Host) -> Resources:
    """Install Redis, listening beyond the host itself only where others need it."""
    setting = host.environment.services.redis
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(setting.PACKAGES)
    lines = ["bind 127.0.0.1 -::1" + (f" {host.address}" if clients(host, setting.clients) else "")]
    if setting.password is not None:
        lines.append(f"requirepass {json_text(password_of(host))}")
    settings = File(
        "/etc/redis/hawser.conf", "\n".join(lines) + "\n", mode=0o640, owner="redis", group="redis", opaque=True
    )
    yield settings
    include = Block("/etc/redis/redis.conf", "settings", "include /etc/redis/hawser.conf")
    yield include
    yield Service(setting.UNIT)
    yield Command(("systemctl", "restart", setting.UNIT), when=changed(settings, include))


def password_of(host: Host) -> str:
    """Return the password, empty for none."""
    setting = host.environment.services.redis
    return host.text(setting.password, "services.redis.password") if setting and setting.password else ""


def queues(fleet: Fleet, name: str, db: int, first: str) -> Iterator[Queue]:
    """Yield the lists of a database, which is what Celery makes of queues."""
    question = {"port": Redis.PORT, "password": password_of(fleet.host(name)), "database": db, "first": first}
    said = fleet.ask(name, reading.REDIS_QUEUES, question)
    fleet.tell_more(name, said, "lists of Redis with less in them")
    for row in said["rows"]:
        yield Queue(name, "redis", "", row["queue"], row["waiting"])


def emptied(host: Host, queue: str, vhost: str, db: int) -> Command:
    """Empty a queue."""
    env = {"REDISCLI_AUTH": password_of(host)} if password_of(host) else {}
    return Command(("redis-cli", "-n", str(db), "DEL", queue), env=env, title=f"purge {queue} in redis")
