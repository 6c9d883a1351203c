"""The queues of the brokers: what waits in them, and how to throw it away."""

from __future__ import annotations

from dataclasses import dataclass

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.report.text import clean
from hawser.resources import Command, Resources
from hawser.steps import rollout, step

CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


@dataclass(frozen=True)
class Queue:
    """A queue on a host.

    :param vhost: the virtual host of RabbitMQ; empty for Redis.
    :param waiting: how many messages wait in it; those that a worker is at already are ``working``.
    """

    host: str
    vhost: str
    name: str
    waiting: int
    working: int | str = ""
    consumers: int | str = ""

    @property
    def place(self) -> str:
        return f"{self.vhost or 'redis'} on {self.host}"


@rollout(name="list", help={"db": "the database of Redis"})
def listing(fleet: Fleet, db: int = 0) -> None:
    """Show the queues of the brokers: what waits, what is at work, and how many consumers there are."""
    rows = [
        [each.host, each.vhost or "redis", each.name, each.waiting, each.working, each.consumers]
        for each in queues(fleet, db)
    ]
    columns = ["host", "vhost", "queue", "waiting", "at work", "consumers"]
    fleet.report.table("queues", columns, [[str(cell) for cell in row] for row in rows])


@rollout(
    positional=["name"],
    help={
        "name": "the queue, such as celery",
        "vhost": "the virtual host of RabbitMQ; needed where several have such a queue",
        "db": "the database of Redis",
        "yes": "do not ask",
    },
)
def purge(fleet: Fleet, name: str, vhost: str = "", db: int = 0, yes: bool = False) -> None:
    """Throw away all that waits in a queue; asks for its name."""
    known = queues(fleet, db)
    found = [each for each in known if each.name == name and vhost in ("", each.vhost)]
    if len(found) != 1:
        told = ", ".join(f"{each.name} in {each.place}" for each in found or known) or "no queue"
        what = f"which {name}?" if found else f"there is no queue {name}; known:"
        raise HawserError(f"{what} {told}" + ("\n  next: the same command with --vhost" if found else ""), code=2)
    (queue,) = found
    if not fleet.dry and not yes and answer(fleet, queue) != name:
        raise HawserError(f"that is not {name}; nothing was touched")
    fleet.session.asked = {"queue": queue.name, "vhost": queue.vhost, "db": str(db)}
    fleet.some([queue.host]).apply([empty], phase=f"purge {queue.name}")


def answer(fleet: Fleet, queue: Queue) -> str:
    """Ask for a queue's name, for what waits in it will be lost."""
    fleet.report.pause()
    question = f"{queue.waiting} messages that wait in {queue.name} of {queue.place} will be lost."
    try:
        # The queue's name is what the broker says.
        return input(f"{clean(question)} Type the queue's name to go on: ").strip()
    except EOFError:
        raise HawserError("nobody is there to confirm it; next: the same command with --yes") from None


def queues(fleet: Fleet, db: int) -> list[Queue]:
    """Return the queues of the brokers on these hosts.

    :raises HawserError: none of them has a broker.
    """
    services = fleet.environment.services
    found: list[Queue] = []
    brokers = [each for each in (services.rabbitmq, services.redis) if each is not None]
    names = [name for name in fleet.names if any(fleet.host(name).is_in(each.groups) for each in brokers)]
    if not names:
        there = dict.fromkeys(name for each in brokers for name in fleet.environment.hosts_of(each.groups))
        raise HawserError(f"no broker runs on {', '.join(fleet.names)}; brokers: {', '.join(there) or 'none'}", code=2)
    for name in fleet.some(names).reachable().names:
        host = fleet.host(name)
        if services.rabbitmq is not None and host.is_in(services.rabbitmq.groups):
            vhosts = list(dict.fromkeys(user.vhost for user in services.rabbitmq.users.values()))
            rows = fleet.ask(name, "queues.rabbitmq", {"vhosts": vhosts})
            columns = ("vhost", "queue", "waiting", "working", "consumers")
            found += [Queue(name, *(row[column] for column in columns)) for row in rows]
        if services.redis is not None and host.is_in(services.redis.groups):
            question = {"port": services.redis.PORT, "password": redis_password(host), "database": db}
            rows = fleet.ask(name, "queues.redis", question)
            found += [Queue(name, "", row["queue"], row["waiting"]) for row in rows]
    return found


def redis_password(host: Host) -> str:
    """Return the password of Redis, empty for none."""
    setting = host.environment.services.redis
    return host.text(setting.password, "services.redis.password") if setting and setting.password else ""


@step()
def empty(host: Host) -> Resources:
    """Throw away what waits in the named queue."""
    if "queue" not in host.asked:
        return
    name, vhost = host.asked["queue"], host.asked["vhost"]
    if vhost:
        # The program of this name in the PATH would hand its arguments to a shell.
        argv = (CONTROL, "-q", "purge_queue", "-p", vhost, "--", name)
        yield Command(argv, user="rabbitmq", cwd="/var/lib/rabbitmq", title=f"purge {name} in {vhost}")
    else:
        env = {"REDISCLI_AUTH": redis_password(host)} if redis_password(host) else {}
        yield Command(("redis-cli", "-n", host.asked["db"], "DEL", name), env=env, title=f"purge {name} in redis")
