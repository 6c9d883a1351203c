"""Deploys that are killed at moments of every phase."""

from __future__ import annotations

import pytest

from tests.faults.test_kills import kill_fab, kill_runners
from tests.hosts.conftest import Fleet


@pytest.mark.parametrize("events", (6, 14, 22, 34, 40, 52, 58, 70))
def test_killing_fab_leaves_a_site_that_answers_and_the_next_deploy_succeeds(fleet: Fleet, events: int) -> None:
    kill_fab(fleet, events)


@pytest.mark.parametrize("events", (4, 32, 44, 66))
def test_killing_the_runners_leaves_a_site_that_answers_and_the_next_deploy_succeeds(fleet: Fleet, events: int) -> None:
    kill_runners(fleet, events)
