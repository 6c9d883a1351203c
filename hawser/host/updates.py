"""Updates that hosts wait for, in words."""

from __future__ import annotations

from ..answers.rows import Upgrades
from ..runner.rows import some


def waiting(found: Upgrades) -> str:
    """Say which security updates wait on a host; empty: none."""
    names = [each["name"] for each in found["packages"] if each["security"]]
    if not names:
        return ""
    return f"{len(names)} security update{'s wait' if len(names) > 1 else ' waits'}: {some(names)}"
