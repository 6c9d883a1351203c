"""The services that the application relies on: one module each, and the list of them.

Port, program, unit, logs and packages of a service stand with its settings, in `hawser/inventory/tables/services/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.databases import Database
from hawser.resources import Command
from hawser.steps import Step

from . import chrony, mariadb, memcached, postgresql, rabbitmq, redis
from .broker import Queue


class Service(Protocol):
    """The steps of a service.

    `install` sets it up on the hosts that run it, and opens it to those of its clients. `remove` takes away what this
    application has in it; None where nothing in it is of one application. `passwords` gives its users theirs, at one of
    the `moments`; None where it has none.
    """

    @property
    def install(self) -> Step: ...

    @property
    def remove(self) -> Step | None: ...

    @property
    def passwords(self) -> Step | None: ...


class DatabaseService(Service, Protocol):
    """The steps of a service that holds databases, and the script that opens one of them in a terminal."""

    def shell(self, database: Database) -> str: ...


class Broker(Service, Protocol):
    """The steps of a service that holds queues, and the functions behind `fab queue.list` and `queue.purge`.

    :param db: the number of a database, for those that have several.
    :param first: the name of a queue that is told in any case; of very many, a warning says how many are left out.
    """

    def queues(self, fleet: Fleet, name: str, db: int, first: str) -> Iterator[Queue]: ...

    def emptied(self, host: Host, queue: str, vhost: str, db: int) -> Command: ...


DATABASES: Mapping[str, DatabaseService] = {"postgresql": postgresql, "mariadb": mariadb}
BROKERS: Mapping[str, Broker] = {"rabbitmq": rabbitmq, "redis": redis}
# By their names in the settings, in the order in which `bootstrap` installs them and `remove` removes what is in them.
SERVICES: Mapping[str, Service] = {
    **DATABASES,
    **BROKERS,
    "chrony": chrony,
    "memcached": memcached,
}
