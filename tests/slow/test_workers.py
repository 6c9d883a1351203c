"""The death of a worker, and of the scheduler, in each phase of a deploy by way of workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.conftest import Ferry, publish
from tests.faults.faults import PHASES
from tests.faults.matrix import survive
from tests.faults.workers import FAULTS, FarFerry, by_workers

OUTCOMES: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="module")
def far(ferry: Ferry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarFerry]:
    with by_workers(ferry, tmp_path_factory.mktemp("workers")) as made:
        yield made


def tell(name: str, phase: str, outcome: str) -> None:
    OUTCOMES[name, phase] = outcome
    rows = [(each, *(OUTCOMES.get((each, phase), "not tried") for phase in PHASES)) for each in FAULTS]
    publish("workers", "Faults of workers in each phase of a deploy", ("fault", *PHASES), rows)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", FAULTS)
def test_one_more_command_after_a_worker_or_the_scheduler_has_died_gets_there(
    far: FarFerry, name: str, phase: str
) -> None:
    tell(name, phase, "FAILED")
    tell(name, phase, survive(far, name, FAULTS[name](far, PHASES[phase], phase)))
