"""What the application relies on: one module a service, and the list of them.

Port, program, unit, logs and packages of a service stand with its settings, in `hawser/inventory/tables/services/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

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


# By their names in the settings, in the order in which `bootstrap` installs them and `remove` removes what is in them.
SERVICES: Mapping[str, Service] = {
    "postgresql": postgresql,
    "mariadb": mariadb,
    "rabbitmq": rabbitmq,
    "redis": redis,
    "chrony": chrony,
    "memcached": memcached,
}
