"""RabbitMQ: ``[services.rabbitmq]``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator

from ...base import Model
from ...values.types import BrokerName, Flag, Groups, Template
from .server import Access, Server, named_after_key


class BrokerUser(Model):
    """A user of the broker with a virtual host of its own."""

    password: Template = Field(description="The user's password, from the secrets.")
    vhost: BrokerName = Field(
        default="", validate_default=False, description="The virtual host. Default: the user's name."
    )
    logins: Flag = Field(
        default=False,
        description="The application logs in as a user that is made for each password. So two are good at the same "
        "time, and `secrets.rotate` can change it. `{{ login('rabbitmq', 'NAME') }}` is its name, and stands where the "
        "application finds its broker. Default: as this user, which has one password alone.",
    )
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")


class Rabbitmq(Server):
    """A RabbitMQ broker."""

    PORT = 5672
    PROGRAM = "beam.smp"
    UNIT = "rabbitmq-server"
    LOGS = "/var/log/rabbitmq/*@*.log"
    PACKAGES = ("rabbitmq-server",)

    users: dict[BrokerName, BrokerUser] = Field(default_factory=dict, description="Its users.")

    def access(self) -> Iterator[Access]:
        for name, user in self.users.items():
            yield Access(("users", name), user.clients, user.password)

    @model_validator(mode="before")
    @classmethod
    def _name_vhosts(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("users"), dict):
            return {**data, "users": named_after_key(data["users"], "vhost")}
        return data
