"""How hosts let people log in: the table ``[sshd]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import Flag, Network, unique


class Sshd(Model):
    """The hosts' own SSH servers."""

    passwords: Flag = Field(
        default=True,
        description="`false`: nobody logs in with a password, root with keys alone. It counts when a new login has "
        "worked; else it is taken back by the host itself. `true`: as the host has it.",
    )
    fail2ban: Flag = Field(
        default=False,
        description="Whether addresses from which many logins fail are banned for a while, by fail2ban. Hosts of this "
        "file and the address from which Hawser works never are.",
    )
    never_banned: Annotated[tuple[Network, ...], AfterValidator(unique), Shape("list: network")] = Field(
        default=(), description="Networks that are never banned either, such as an office's."
    )
