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
from .moments import AT_ONCE, BACK, WAIT

# Nothing in it is of one application.
remove = None


# Has the running server obey the command on standard input, without a restart. It logs in with the password of the file
# that it was started with. A server that is not running, or before version 6, takes it up when it starts.
LIVE = """
said=$({ sed -n 's/^requirepass /AUTH /p' /etc/redis/hawser.conf; cat; } | redis-cli 2>&1 |
    grep -v -e '^OK$' -e '^AUTH')
case "$said" in
"" | *"nknown command"* | *"Could not connect"*) exit 0 ;;
esac
echo "$said"
exit 1
"""
# Succeeds where there was no password, or the running server takes this one.
TAKEN = """
! grep -q '^requirepass' /etc/redis/hawser.conf 2>/dev/null || [ "$(redis-cli ping 2>/dev/null)" = PONG ]
"""
# Succeeds where there was no password, or the running server takes this one alone.
ALONE = """
! grep -q '^requirepass' /etc/redis/hawser.conf 2>/dev/null ||
    [ "$(redis-cli acl getuser default 2>/dev/null | sed -n '/^passwords$/,/^commands$/p' | wc -l)" = 3 ]
"""
# Succeeds where the running server is as its file says: who may log in, and where it listens.
RUNS = """
[ "$(redis-cli ping 2>/dev/null)" = PONG ] &&
    { [ -z "$REDISCLI_AUTH" ] || [ "$(env -u REDISCLI_AUTH redis-cli ping 2>/dev/null)" != PONG ]; } &&
    [ "$(redis-cli config get bind 2>/dev/null | tail -n 1)" = "$(sed -n 's/^bind //p' /etc/redis/hawser.conf)" ]
"""


@step()
def install(host: Host, serving: bool = False) -> Resources:
    """Install Redis, listening beyond the host itself only where others need it."""
    setting = host.environment.services.redis
    if setting is None or not host.is_in(setting.groups):
        return
    yield Packages(setting.PACKAGES)
    if setting.password is not None:
        yield from taken(host, WAIT if serving else AT_ONCE)
    settings = written(host, setting)
    yield settings
    include = Block("/etc/redis/redis.conf", "settings", "include /etc/redis/hawser.conf")
    yield include
    yield Service(setting.UNIT)
    yield Command(
        ("systemctl", "restart", setting.UNIT),
        when=changed(settings, include),
        unless=("sh", "-c", RUNS),
        env=login(host),
        title=f"systemctl restart {setting.UNIT}",
    )


@step()
def passwords(host: Host, moment: str = AT_ONCE) -> Resources:
    """Have the server take the password: beside the former one, or in the end alone, also when it starts again."""
    setting = host.environment.services.redis
    if setting is None or not host.is_in(setting.groups) or setting.password is None or moment == BACK:
        return
    yield from taken(host, moment)
    if moment == AT_ONCE:
        yield written(host, setting)


def written(host: Host, setting: Redis) -> File:
    """Return the file that the server is started with."""
    lines = ["bind 127.0.0.1 -::1" + (f" {host.address}" if clients(host, setting.clients) else "")]
    if setting.password is not None:
        lines.append(f"requirepass {json_text(password_of(host))}")
    text = "\n".join(lines) + "\n"
    return File("/etc/redis/hawser.conf", text, mode=0o640, owner="redis", group="redis", opaque=True)


def taken(host: Host, moment: str) -> Resources:
    """Yield that the running server takes the password."""
    rules = (
        f"resetpass {json_text('>' + password_of(host))}" if moment == AT_ONCE else json_text(">" + password_of(host))
    )
    yield Command(
        ("sh", "-c", LIVE),
        unless=("sh", "-c", ALONE if moment == AT_ONCE else TAKEN),
        env=login(host),
        stdin=f"ACL SETUSER default {rules}\n",
        title="the password of Redis",
    )


def login(host: Host) -> dict[str, str]:
    """Return the variable with which Redis's client logs in."""
    return {"REDISCLI_AUTH": password_of(host)} if password_of(host) else {}


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
    return Command(("redis-cli", "-n", str(db), "DEL", queue), env=login(host), title=f"purge {queue} in redis")
