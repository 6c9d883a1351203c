"""The clocks of the hosts, kept right by chrony: ``[services.chrony]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from ...base import Shape
from ...values.types import Address, Groups, unique
from .server import Access, Server


class Chrony(Server):
    """The time, from other machines."""

    PORT = None
    PROGRAM = "chronyd"
    UNIT = "chrony"
    LOGS = ""
    PACKAGES = ("chrony",)
    EVERYWHERE = True

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: every host.")
    servers: Annotated[tuple[Address, ...], AfterValidator(unique), Shape("list: host name or IP address")] = Field(
        default=(), description="Whom to ask for the time. Default: the pool of the host's distribution."
    )

    def access(self) -> Iterator[Access]:
        yield from ()
