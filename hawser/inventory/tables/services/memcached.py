"""memcached: ``[services.memcached]``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from ...values.types import Count, Groups
from .server import Access, Server


class Memcached(Server):
    """A memcached server. It knows no passwords: whoever reaches it reads and writes all of it."""

    PORT = 11211
    PROGRAM = "memcached"
    UNIT = "memcached"
    LOGS = ""
    PACKAGES = ("memcached",)

    memory: Count = Field(default=64, description="How many megabytes it may fill.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect. Default: only its own host.")

    def access(self) -> Iterator[Access]:
        yield Access((), self.clients)
