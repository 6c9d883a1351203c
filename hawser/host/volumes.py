"""Encrypted volumes as one host sees them: their names, and the services that wait for them."""

from __future__ import annotations

from collections.abc import Sequence

from ..inventory.tables.volumes import Volume
from .host import Host
from .processes import managers_of
from .shares import unit_name


def volumes_of(host: Host) -> dict[str, Volume]:
    """Return the volumes of a host, by name."""
    return {name: volume for name, volume in host.environment.volumes.items() if host.is_in(volume.groups)}


def mapped(host: Host, name: str) -> str:
    """Return the name of an open volume under ``/dev/mapper``, its own for each application."""
    return f"{host.app.name}-{name}"


def folders(host: Host) -> Sequence[str]:
    """Return the folders without which no program of the application starts on a host."""
    return [volume.mount for volume in volumes_of(host).values()]


def mount_units(host: Host) -> dict[str, str]:
    """Return the mount units of a host's volumes and their folders; nobody wants them at boot, for they are closed."""
    return {unit_name(path): path for path in folders(host)}


def waiting(host: Host) -> dict[str, list[str]]:
    """Return the services of the system that wait for volumes, and the folders that each waits for."""
    found: dict[str, list[str]] = {}
    for volume in volumes_of(host).values():
        for unit in volume.units:
            found.setdefault(unit, []).append(volume.mount)
    for manager in managers_of(host):
        if manager.unit and folders(host):
            # It opens the logs of its programs when it starts, and they may lie there.
            found[f"{manager.unit}.service"] = list(folders(host))
    return found
