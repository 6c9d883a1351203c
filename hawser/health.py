"""The questions with which processes are asked for their health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .host import Host
from .processes import ProcessInstance


def questions(host: Host, processes: Sequence[ProcessInstance]) -> list[dict[str, Any]]:
    """Return what the runner needs to ask each of some processes that listens."""
    site = host.environment.site
    return [
        {
            "name": each.name,
            "address": each.address,
            "path": each.setting.health.path if each.setting.health else "",
            "host": site.domains[0] if site else "localhost",
            "statuses": each.setting.health.ranges if each.setting.health else (),
        }
        for each in processes
        if each.setting.listens
    ]
