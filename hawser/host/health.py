"""The questions with which processes are asked for their health."""

from __future__ import annotations

from collections.abc import Sequence

from .processes import ProcessInstance, can_be_asked, question


def questions(processes: Sequence[ProcessInstance]) -> list[dict[str, object]]:
    """Return the runner's questions about the health of processes, for those that can be asked."""
    return [
        {"name": each.name, "address": each.address, **question(each)}
        for each in processes
        if can_be_asked(each.setting)
    ]
