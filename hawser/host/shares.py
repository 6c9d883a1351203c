"""Folders that hosts share, as one host sees them: its exports, its mounts, the needs of its programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..inventory.tables.shares import Share
from .addresses import ip_of
from .host import Host


def unit_name(path: str) -> str:
    """Return the name that systemd wants for the unit of a mount.

    Source: systemd.unit(5), "String escaping for inclusion in unit names"; what systemd-escape(1) prints with --path.
    """

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\x{byte:02x}" for byte in found[0].encode())

    text = re.sub(r"[^A-Za-z0-9:_./]+", escaped, path.strip("/"))
    return re.sub(r"^\.", r"\\x2e", text).replace("/", "-") + ".mount"


def needed(host: Host) -> dict[str, Share]:
    """Return the shares that a host needs, by name."""
    return {name: share for name, share in host.environment.shares.items() if host.is_in(share.clients)}


def mounted(host: Host) -> dict[str, Share]:
    """Return the shares that we mount on a host, by name."""
    return {name: share for name, share in needed(host).items() if share.mounts}


def served(host: Host) -> dict[str, Share]:
    """Return the shares that a host exports, by name."""
    return {name: share for name, share in host.environment.shares.items() if server_of(host, share) == host.name}


def server_of(host: Host, share: Share) -> str:
    """Return the host that exports a share; empty when it is none of ours."""
    if share.server is None:
        return ""
    return share.server if share.server in host.environment.hosts else host.environment.hosts_of([share.server])[0]


def folder_of(name: str, share: Share) -> str:
    """Return the folder that a server exports."""
    return share.folder or f"/srv/shares/{name}"


def clients_of(host: Host, share: Share) -> list[str]:
    """Return the addresses of the hosts that mount a share over the network: all that need it but the server."""
    names = [name for name in host.environment.hosts_of(share.clients) if name != server_of(host, share)]
    return [str(ip_of(host, name)) for name in names]


def mount_of(host: Host, name: str, share: Share) -> dict[str, str]:
    """Return the lines of a mount unit's own section: source, place, type and options."""
    server, local = server_of(host, share), {}
    if server == host.name:
        # Over the network to itself it would wait for ever when memory runs short (nfs(5), "mounting on the server").
        local = {"What": folder_of(name, share), "Type": "none", "Options": "bind"}
    elif server:
        address = ip_of(host, server)
        written = f"[{address}]" if address.version == 6 else str(address)
        local = {"What": f"{written}:{folder_of(name, share)}"}
    found = {"What": share.source or "", "Type": share.type, "Options": share.options, **local}
    # A server that boots at the same time may take a while; mount.nfs tries for two minutes by itself.
    return {**found, "Where": share.path, "TimeoutSec": "180"}


def required(host: Host) -> Sequence[str]:
    """Return the folders without which no program of the application starts on a host."""
    return [share.path for share in needed(host).values()]


def units(host: Host) -> Sequence[str]:
    """Return the mount units, ours or not, that come before the application's programs."""
    return [unit_name(path) for path in required(host)]
