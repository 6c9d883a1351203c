"""Every seventh field of the matrix of faults and phases: each fault in one phase, and each phase with one fault.

The whole matrix is a test of `tests/slow`.
"""

from __future__ import annotations

import pytest

from .conftest import Ferry
from .faults import FAULTS, PHASES
from .matrix import gets_there

FIELDS = [
    (name, phase)
    for row, name in enumerate(FAULTS)
    for column, phase in enumerate(PHASES)
    if (row + column) % len(PHASES) == 0
]


@pytest.mark.parametrize(("name", "phase"), FIELDS)
def test_one_more_command_after_a_fault_gets_there(ferry: Ferry, name: str, phase: str) -> None:
    gets_there(ferry, name, phase)
