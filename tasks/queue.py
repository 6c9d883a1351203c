"""The queues of the brokers: their contents, and how to throw these away."""

from __future__ import annotations

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.report.text import clean
from hawser.resources import Resources
from hawser.steps import fleet_task, step

from .services import BROKERS
from .services.broker import Queue


@fleet_task(name="list", help={"db": "the database of Redis"})
def listing(fleet: Fleet, db: int = 0) -> None:
    """Show the queues of the brokers: what waits, what is at work, and how many consumers there are."""
    rows = [
        [each.host, each.holder, each.name, each.waiting, each.working, each.consumers] for each in queues(fleet, db)
    ]
    columns = ["host", "vhost", "queue", "waiting", "at work", "consumers"]
    none = f"no queue is there; next: fab -H {fleet.environment.name} status, do the workers run that make theirs?"
    fleet.report.table("queues", columns, [[str(cell) for cell in row] for row in rows], empty=none)


@fleet_task(
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
    known = queues(fleet, db, name)
    found = [each for each in known if each.name == name and vhost in ("", each.vhost)]
    if len(found) != 1:
        told = ", ".join(f"{each.name} in {each.place}" for each in found or known) or "no queue"
        what = f"which {name}?" if found else f"there is no queue {name}; known:"
        raise HawserError(f"{what} {told}", next="the same command with --vhost" if found else "", code=2)
    (queue,) = found
    if not fleet.dry and not yes and answer(fleet, queue) != name:
        raise HawserError(f"that is not {name}; nothing was touched")
    step = empty.given(broker=queue.broker, name=queue.name, vhost=queue.vhost, db=db)
    fleet.subset([queue.host]).apply([step], phase=f"purge {queue.name}")


def answer(fleet: Fleet, queue: Queue) -> str:
    """Ask for a queue's name, for what waits in it will be lost."""
    fleet.report.pause()
    question = f"{queue.waiting} messages that wait in {queue.name} of {queue.place} will be lost."
    try:
        # The queue's name is what the broker says.
        return input(f"{clean(question)} Type the queue's name to go on: ").strip()
    except EOFError:
        raise HawserError("nobody is there to confirm it;", next="the same command with --yes") from None


def queues(fleet: Fleet, db: int, first: str = "") -> list[Queue]:
    """Return the queues of the brokers on these hosts; of very many, a warning says how many are left out.

    :param first: the name of a queue that is not left out.
    :raises HawserError: none of them has a broker.
    """
    installed = fleet.environment.services.installed
    servers = {broker: installed[broker] for broker in BROKERS if broker in installed}
    names = [name for name in fleet.names if any(fleet.host(name).is_in(each.groups) for each in servers.values())]
    if not names:
        there = dict.fromkeys(name for each in servers.values() for name in fleet.environment.hosts_of(each.groups))
        raise HawserError(f"no broker runs on {', '.join(fleet.names)}; brokers: {', '.join(there) or 'none'}", code=2)
    return [
        queue
        for name in fleet.subset(names).reachable().names
        for broker, server in servers.items()
        if fleet.host(name).is_in(server.groups)
        for queue in BROKERS[broker].queues(fleet, name, db, first)
    ]


@step()
def empty(host: Host, broker: str = "", name: str = "", vhost: str = "", db: int = 0) -> Resources:
    """Empty a queue; nothing where none is named."""
    if name:
        yield BROKERS[broker].emptied(host, name, vhost, db)
