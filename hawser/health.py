"""The questions with which processes are asked for their health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .processes import ProcessInstance, question


def questions(processes: Sequence[ProcessInstance]) -> list[dict[str, Any]]:
    """Return what the runner needs to ask each of some processes that listens."""
    return [
        {"name": each.name, "address": each.address, **question(each)} for each in processes if each.setting.listens
    ]
