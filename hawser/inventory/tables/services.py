"""What the application relies on: the tables ``[services.…]``."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from ..base import Model
from ..values.types import BrokerName, Charset, Count, DatabaseName, Groups, Line, Template
from .clock import Chrony


def named_after_key(table: dict[str, Any], key: str) -> dict[str, Any]:
    """Return `table` whose entries have `key` set to their own name where it is not given."""
    return {name: {key: name, **entry} if isinstance(entry, dict) else entry for name, entry in table.items()}


class DatabaseServer(Model):
    """A server whose databases belong to roles, each named after its database unless it says otherwise."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: the only host.")

    @model_validator(mode="before")
    @classmethod
    def _name_owners(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("databases"), dict):
            return {**data, "databases": named_after_key(data["databases"], "owner")}
        return data


class Database(Model):
    """A database with the role that owns it."""

    owner: DatabaseName = Field(
        default="", validate_default=False, description="The role. Default: the database's name."
    )
    password: Template = Field(description="The role's password, from the secrets.")
    extensions: tuple[Line, ...] = Field(default=(), description="Extensions to create in it, such as `hstore`.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect to it. Default: only its own host.")


class Postgresql(DatabaseServer):
    """A PostgreSQL server."""

    databases: dict[DatabaseName, Database] = Field(default_factory=dict, description="Its databases.")


class MariadbDatabase(Model):
    """A database of MariaDB with the role that may do everything in it."""

    owner: DatabaseName = Field(
        default="", validate_default=False, description="The role. Default: the database's name."
    )
    password: Template = Field(description="The role's password, from the secrets.")
    charset: Charset = Field(default="utf8mb4", description="The character set of new tables.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect to it. Default: only its own host.")


class Mariadb(DatabaseServer):
    """A MariaDB server, for programs that speak MySQL."""

    databases: dict[DatabaseName, MariadbDatabase] = Field(default_factory=dict, description="Its databases.")

    def clients_of(self, owner: str) -> tuple[str, ...]:
        """Return the groups from whose hosts a role connects to any of its databases."""
        groups = (group for each in self.databases.values() if each.owner == owner for group in each.clients)
        return tuple(dict.fromkeys(groups))


class BrokerUser(Model):
    """A user of the broker with a virtual host of its own."""

    password: Template = Field(description="The user's password, from the secrets.")
    vhost: BrokerName = Field(
        default="", validate_default=False, description="The virtual host. Default: the user's name."
    )
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")


class Rabbitmq(Model):
    """A RabbitMQ broker."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: the only host.")
    users: dict[BrokerName, BrokerUser] = Field(default_factory=dict, description="Its users.")

    @model_validator(mode="before")
    @classmethod
    def _name_vhosts(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("users"), dict):
            return {**data, "users": named_after_key(data["users"], "vhost")}
        return data


class Redis(Model):
    """A Redis server."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: the only host.")
    password: Template | None = Field(default=None, description="Its password, from the secrets. Default: none.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")


class Memcached(Model):
    """A memcached server. It knows no passwords: whoever reaches it reads and writes all of it."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: the only host.")
    memory: Count = Field(default=64, description="How many megabytes it may fill.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")


class Services(Model):
    """The services that Hawser installs and sets up."""

    postgresql: Postgresql | None = Field(default=None, description="PostgreSQL.")
    mariadb: Mariadb | None = Field(default=None, description="MariaDB, for programs that speak MySQL.")
    rabbitmq: Rabbitmq | None = Field(default=None, description="RabbitMQ.")
    redis: Redis | None = Field(default=None, description="Redis.")
    chrony: Chrony | None = Field(default=None, description="chrony, for the time.")
    memcached: Memcached | None = Field(default=None, description="memcached.")

    @property
    def installed(self) -> dict[str, Postgresql | Mariadb | Rabbitmq | Redis | Memcached]:
        """The services that are set up, by name."""
        named = {
            "postgresql": self.postgresql,
            "mariadb": self.mariadb,
            "rabbitmq": self.rabbitmq,
            "redis": self.redis,
            "memcached": self.memcached,
        }
        return {name: service for name, service in named.items() if service is not None}
