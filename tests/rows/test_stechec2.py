"""Stechec2: without its setting, each need's test fails."""

from __future__ import annotations

import pytest

from tests.hosts.conftest import Fleet
from tests.hosts.systems import test_stechec2 as tests
from tests.hosts.systems.test_stechec2 import fleet

from .conftest import Row, take_away

__all__ = ["fleet"]

ROWS = [
    Row(
        "T2",
        (('clients = ["web", "master"]', 'clients = ["web", "master", "worker"]'),),
        tests.test_the_database_is_open_to_the_website_and_the_master_alone,
        "connected",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_is_noticed(row: Row, fleet: Fleet, request: pytest.FixtureRequest) -> None:
    take_away(row, fleet, request)
