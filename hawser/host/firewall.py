"""The rules of one host's firewall, as the template needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..inventory.tables.firewall import FirewallRule
from .addresses import clients, ip_of
from .host import Host


@dataclass(frozen=True)
class Place:
    """Where an application's firewall lies on a host, and how its parts are called."""

    folder: ClassVar[str] = "/etc/hawser"
    application: str

    @property
    def unit(self) -> str:
        # Not APPLICATION-…: those are the units of processes.
        return f"hawser-firewall-{self.application}.service"

    @property
    def service(self) -> str:
        return f"/etc/systemd/system/{self.unit}"

    @property
    def rules(self) -> str:
        return f"{self.folder}/{self.application}.nft"

    @property
    def table(self) -> str:
        return "hawser_" + self.application.replace("-", "_")


def rules_of(host: Host) -> dict[str, object] | None:
    """Return the values of the firewall's template for a host; None where it has no firewall."""
    firewall = host.environment.firewall
    if firewall is None:
        return None
    rules = [rule for rule in firewall.rules if host.is_in(rule.groups)]
    if not rules and firewall.default == "accept":
        return None
    # Whatever the rules say, nobody is locked out.
    ssh = sorted({22, host.environment.hosts[host.name].port or 22})
    return {
        "default": firewall.default,
        "ssh": ssh,
        "rules": [_filter(host, rule) for rule in rules if rule.to is None],
        "redirects": [
            {"protocol": rule.protocol, "ports": _ports(rule), "to": rule.to} for rule in rules if rule.to is not None
        ],
    }


def _ports(rule: FirewallRule) -> str:
    return ", ".join(map(str, rule.ports))


def _filter(host: Host, rule: FirewallRule) -> dict[str, object]:
    networks = [f"{address}/{bits}" for address, bits in clients(host, rule.from_groups)] + list(rule.from_networks)
    limited = bool(rule.from_groups or rule.from_networks)
    if limited:
        networks.append(f"{ip_of(host, host.name)}")
    families = {
        "ip": [each for each in networks if ":" not in each],
        "ip6": [each for each in networks if ":" in each],
    }
    return {
        "protocol": rule.protocol,
        "ports": _ports(rule),
        "limited": limited,
        "sources": [
            {"family": family, "networks": sorted(set(members))} for family, members in families.items() if members
        ],
    }
