"""Queues of a broker, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """A queue on a host.

    :param broker: the service that holds it.
    :param vhost: the virtual host of RabbitMQ; empty for others.
    :param waiting: how many messages wait in it; those that a worker is at already are ``working``.
    """

    host: str
    broker: str
    vhost: str
    name: str
    waiting: int
    working: int | str = ""
    consumers: int | str = ""

    @property
    def holder(self) -> str:
        """The virtual host, or the broker where there are none."""
        return self.vhost or self.broker

    @property
    def place(self) -> str:
        return f"{self.holder} on {self.host}"
