"""What the application relies on: one module a service, and the list of them.

Port, program, unit, logs and packages of a service stand with its settings, in `hawser/inventory/tables/services/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hawser.host.databases import Database
from hawser.steps import Step

from . import chrony, mariadb, memcached, postgresql, rabbitmq, redis


class Service(Protocol):
    """The steps of a service.

    `install` sets it up on the hosts that run it, and opens it to those of its clients. `remove` takes away what this
    application has in it; None where nothing in it is of one application.
    """

    @property
    def install(self) -> Step: ...

    @property
    def remove(self) -> Step | None: ...


class DatabaseService(Service, Protocol):
    """The steps of a service that holds databases, and the script that opens one of them in a terminal."""

    def shell(self, database: Database) -> str: ...


DATABASES: Mapping[str, DatabaseService] = {"postgresql": postgresql, "mariadb": mariadb}
# By their names in the settings, in the order in which `bootstrap` installs them and `remove` removes what is in them.
SERVICES: Mapping[str, Service] = {
    **DATABASES,
    "rabbitmq": rabbitmq,
    "redis": redis,
    "chrony": chrony,
    "memcached": memcached,
}
