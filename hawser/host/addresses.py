"""Addresses of hosts, as access rules need them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ..errors import Problem
from ..templates.rendering import TemplateError
from .host import Host


def clients(host: Host, groups: Sequence[str]) -> list[tuple[str, int]]:
    """Return the addresses (with their length in bits) of the hosts in some groups; none for no group.

    This host's own is among them: what runs beside a service may well use the address that all others use.
    """
    names = host.environment.hosts_of(groups) if groups else ()
    return [(address.exploded, address.max_prefixlen) for address in (ip_of(host, name) for name in names)]


def ip_of(host: Host, name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return a host's address as a number, which access rules need."""
    try:
        return ipaddress.ip_address(host.addresses[name])
    except ValueError:
        problem = Problem(
            host.environment.path.name,
            f"hosts.{name}.address",
            f"{host.addresses[name]} is a name, and access rules for a service need an IP address",
            "write the address itself",
        )
        raise TemplateError(problem) from None


def bracketed(address: str) -> str:
    """Write an address as it stands before a port."""
    return f"[{address}]" if ":" in address else address
