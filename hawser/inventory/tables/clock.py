"""What keeps the clocks of the hosts right: ``[services.chrony]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import Address, Groups, unique


class Chrony(Model):
    """The time, from other machines."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: every host.")
    servers: Annotated[tuple[Address, ...], AfterValidator(unique), Shape("list: host name or IP address")] = Field(
        default=(), description="Whom to ask for the time. Default: the pool of the host's distribution."
    )
