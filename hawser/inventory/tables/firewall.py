"""Who may reach which port: the table ``[firewall]``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from ..base import InvalidValue, Model, Shape
from ..values.types import Groups, Network, Port, some, unique


def _ports(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return value
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,5})-(\d{1,5})", value, re.ASCII)):
        first, last = int(found[1]), int(found[2])
        if 1 <= first < last <= 65535:
            return f"{first}-{last}"
    raise InvalidValue(f"{value!r} is neither a port nor a range of ports", 'as in 443 or "40000-41000"')


PortOrRange = Annotated[
    int | str,
    PlainValidator(_ports),
    PlainSerializer(lambda value: value),
    Shape("port, or a range such as 40000-41000"),
]


class FirewallRule(Model):
    """One rule: ports that are open, open to some only, or redirected."""

    ports: Annotated[tuple[PortOrRange, ...], AfterValidator(some), Shape("list: port or range")] = Field(
        description="The ports it is about."
    )
    groups: Groups = Field(default=(), description="The groups whose hosts have this rule. Default: every host.")
    protocol: Literal["tcp", "udp"] = Field(default="tcp", description="The protocol.")
    from_groups: Groups = Field(
        default=(), description="Only hosts of these groups, and the host itself, reach the ports. Default: everyone."
    )
    from_networks: Annotated[tuple[Network, ...], AfterValidator(unique), Shape("list: network")] = Field(
        default=(), description="Only these networks reach the ports, beside `from_groups`."
    )
    to: Port | None = Field(default=None, description="The port that requests are redirected to, of the same host.")

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.to is not None and (self.from_groups or self.from_networks):
            raise InvalidValue("is a redirect, and says from where", "make it two rules")
        return self


class Firewall(Model):
    """A table of nftables of its own, loaded at every boot. Other tables of the host are left alone."""

    default: Literal["accept", "drop"] = Field(
        default="accept",
        description="What becomes of new connections to ports that no rule names. SSH, the host's own connections and "
        "ICMP are always accepted.",
    )
    rules: tuple[FirewallRule, ...] = Field(default=(), description="The rules.")
