"""Services that the application relies on: the tables ``[services.…]``, one module a service."""

from __future__ import annotations

from pydantic import Field

from ...base import Model
from .chrony import Chrony
from .mariadb import Mariadb
from .memcached import Memcached
from .postgresql import Postgresql
from .rabbitmq import Rabbitmq
from .redis import Redis
from .server import DatabaseServer, Server


class Services(Model):
    """The services that Hawser installs and sets up."""

    postgresql: Postgresql | None = Field(default=None, description="PostgreSQL.")
    mariadb: Mariadb | None = Field(default=None, description="MariaDB, for programs that speak MySQL.")
    rabbitmq: Rabbitmq | None = Field(default=None, description="RabbitMQ.")
    redis: Redis | None = Field(default=None, description="Redis.")
    chrony: Chrony | None = Field(default=None, description="chrony, for the time.")
    memcached: Memcached | None = Field(default=None, description="memcached.")

    @property
    def installed(self) -> dict[str, Server]:
        """The services that are set up, by name."""
        return {name: service for name, service in self if service is not None}

    @property
    def databases(self) -> dict[str, DatabaseServer]:
        """Those of them that hold databases."""
        return {name: service for name, service in self.installed.items() if isinstance(service, DatabaseServer)}
