"""Redis: ``[services.redis]``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from ...values.types import Groups, Template
from .server import Access, Server


class Redis(Server):
    """A Redis server."""

    PORT = 6379
    PROGRAM = "redis-server"
    UNIT = "redis-server"
    LOGS = "/var/log/redis/redis-server.log"
    PACKAGES = ("redis-server",)

    password: Template | None = Field(default=None, description="Its password, from the secrets. Default: none.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")

    def access(self) -> Iterator[Access]:
        yield Access((), self.clients, self.password)
