"""The services of a host."""

from __future__ import annotations

from ..inventory.tables.services.server import Server
from .host import Host


def services_of(host: Host) -> dict[str, Server]:
    """Return the services that the settings have a host run, by name."""
    return {name: each for name, each in host.environment.services.installed.items() if host.is_in(each.groups)}


def service_of(host: Host, unit: str) -> str:
    """Return the service of a host that a unit of systemd is, empty for any other unit."""
    return next((name for name, each in services_of(host).items() if each.is_unit(unit)), "")
