"""A worker that dies in the middle of a switch is like hosts that are cut off.

Every phase, and the scheduler's death, is a test of `tests/slow`.
"""

from __future__ import annotations

from pathlib import Path

from .conftest import Ferry
from .matrix import survive
from .workers import WorkerKilled, by_workers


def test_a_worker_killed_in_the_middle_of_a_switch_costs_no_request_and_one_more_command_gets_there(
    ferry: Ferry, tmp_path: Path
) -> None:
    with by_workers(ferry, tmp_path) as far:
        came = survive(far, "worker killed", WorkerKilled(far, "web2", "switch 1/2"))
    assert "exit 0" not in came
