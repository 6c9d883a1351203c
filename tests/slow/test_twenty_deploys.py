"""Twenty deploys in a row, with a random fault in each."""

from __future__ import annotations

import os
import random
import secrets

import pytest

from tests.faults.conftest import HOSTS, Ferry, publish
from tests.faults.faults import FAULTS, PHASES, PUT_BACK
from tests.faults.matrix import survive

SEED = os.environ.get("HAWSER_SEED") or secrets.token_hex(4)
DEPLOYS = 20
ROWS: list[list[object]] = []


@pytest.mark.parametrize("number", range(1, DEPLOYS + 1))
def test_a_deploy_with_a_random_fault_gets_there(ferry: Ferry, number: int) -> None:
    chance = random.Random(f"{SEED}-{number}")
    name, phase = chance.choice(list(FAULTS)), chance.choice(list(PHASES))
    # The leader alone has a part in some phases, and in the two batches each has its own hosts.
    hosts = {"switch 1/2": HOSTS[:2], "switch 2/2": HOSTS[2:], "prepare": HOSTS, "finish": HOSTS, PUT_BACK: HOSTS[:2]}
    victim = chance.choice(hosts.get(phase, (PHASES[phase],)))
    ROWS.append([number, f"{name} in {phase} on {victim}", "FAILED"])
    publish("random", f"Random faults (HAWSER_SEED={SEED})", ("deploy", "fault", "outcome"), ROWS)
    ROWS[-1][-1] = survive(ferry, name, FAULTS[name](ferry, victim, phase))
    publish("random", f"Random faults (HAWSER_SEED={SEED})", ("deploy", "fault", "outcome"), ROWS)
