"""Every fault in every phase of a deploy."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Ferry
from tests.faults.faults import FAULTS, PHASES
from tests.faults.matrix import gets_there


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", FAULTS)
def test_one_more_command_after_a_fault_gets_there(ferry: Ferry, name: str, phase: str) -> None:
    gets_there(ferry, name, phase)
