"""How hosts let people log in, as the settings want it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from ..templates.rendering import TemplateError
from .addresses import ip_of
from .host import Host

# What `passwords = false` means, and what others may have said that goes further. Root asks for a key whatever a
# `Match` allows to others.
WITHOUT_PASSWORDS = (
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PermitRootLogin", "prohibit-password"),
)
STRICTER: Mapping[str, tuple[str, ...]] = {"PermitRootLogin": ("no", "forced-commands-only")}
JAIL = "/etc/fail2ban/jail.d/hawser.local"


def settings_file(host: Host) -> str:
    """Return the file of sshd with the application's settings: before those of others, for the first value counts."""
    return f"/etc/ssh/sshd_config.d/00-hawser-{host.app.name}.conf"


def sudoers_file(host: Host) -> str:
    """Return the file that says who of the team may become root."""
    # No application's name has an underscore: none has this file for its helper.
    return f"/etc/sudoers.d/hawser_team_{host.app.name}"


def deployers(host: Host) -> str:
    """Return the Unix group of the members with the role ``deploy``."""
    return f"{host.app.name}-deploy"


def closes(host: Host) -> bool:
    """Whether passwords shall count no more."""
    sshd = host.environment.sshd
    return sshd is not None and not sshd.passwords


def sshd_question(host: Host) -> dict[str, object]:
    """Return what a host is asked about its sshd: the same of all hosts of an environment."""
    keywords = [keyword for keyword, _value in WITHOUT_PASSWORDS]
    return {"application": host.app.name, "path": settings_file(host), "keywords": keywords}


def never_banned(host: Host) -> tuple[str, ...]:
    """Return the addresses and networks that are never banned: those of all hosts, and those of the settings."""
    sshd = host.environment.sshd
    return tuple(dict.fromkeys([*_addresses(host), *(sshd.never_banned if sshd else ())]))


def _addresses(host: Host) -> Iterator[str]:
    for name in host.environment.hosts:
        # One that has a name alone, fail2ban looks up.
        with contextlib.suppress(TemplateError):
            yield str(ip_of(host, name))
            continue
        yield host.addresses[name]


def ssh_port(host: Host) -> int:
    return host.environment.hosts[host.name].port or 22
