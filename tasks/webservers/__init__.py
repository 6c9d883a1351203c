"""The web servers, one module each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hawser.host import Host
from hawser.resources import Changed, Command, Resources
from hawser.steps import Step

from . import apache, caddy, nginx


class WebServer(Protocol):
    """A web server: a module here, with these names. Its other traits stand in `TRAITS`."""

    @property
    def leave(self) -> Step:
        """Take the site away where another web server has it, or nobody, before that one needs the ports."""

    @property
    def install(self) -> Step:
        """Bring the site and have it served, where the settings name this web server; else do nothing about it."""

    @property
    def remove(self) -> Step:
        """Take the site away for good, also where it never was, and leave alone those of other applications."""

    def prepared(self, host: Host) -> Resources:
        """Yield what must be there before its package comes."""

    def ready(self) -> Resources:
        """Yield what it needs once on a host, before its first site."""

    def reloaded(self, host: Host, when: Changed) -> Command:
        """Return the command by which it takes up another certificate that lies where the former one did."""


WEB_SERVERS: Mapping[str, WebServer] = {"nginx": nginx, "apache": apache, "caddy": caddy}

INSTALL: Sequence[Step] = [each.install for each in WEB_SERVERS.values()]
LEAVE: Sequence[Step] = [each.leave for each in WEB_SERVERS.values()]
REMOVE: Sequence[Step] = [each.remove for each in WEB_SERVERS.values()]
# Two cannot have one port: all leave before the first one comes. nginx does both at once, so it is the last to leave.
SWITCH: Sequence[Step] = list(dict.fromkeys([*reversed(LEAVE), *INSTALL]))


def web_server(host: Host) -> WebServer | None:
    """Return the web server of the site; None where the site is not served."""
    site = host.environment.site
    return WEB_SERVERS[site.server] if site is not None and host.serves_site else None
