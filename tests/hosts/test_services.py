"""All services on one host: what is said of each where it is looked for is what the real one is and does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hawser.inventory import Services

from .conftest import Fleet, own_environment

SETTINGS = """
[app]
name = "stock"
repo = "{repository}"

[hosts.data1]
sandbox = true

"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    tables = "".join(f"[services.{name}]\n" for name in Services.model_fields)
    with own_environment("stock", SETTINGS + tables) as fleet:
        fleet.fab("-H", "stock", "bootstrap")
        yield fleet


def test_the_program_of_each_service_listens_on_its_port(fleet: Fleet) -> None:
    said = fleet.fab("-H", "stock", "status").stdout
    assert "nobody listens" not in said and "on every address" not in said
    found = fleet.fab("-H", "stock", "check", code=None).stdout
    assert "is taken by" not in found and "cannot reach" not in found and "on every address" not in found


def test_logs_of_each_service_are_found_by_its_name(fleet: Fleet) -> None:
    lines = fleet.events("-H", "stock", "logs", "--only", "services", "--since", "1d")
    assert {line["source"] for line in lines if line["t"] == "log"} == set(Services.model_fields)


def test_tasks_that_wait_in_redis_are_listed_and_thrown_away(fleet: Fleet) -> None:
    fleet.inside("data1", "redis-cli", "-n", "1", "RPUSH", "mail", "one", "two")
    assert "mail" in fleet.fab("-H", "stock", "queue.list", "--db", "1").stdout
    fleet.fab("-H", "stock", "queue.purge", "mail", "--db", "1", "--yes")
    assert fleet.inside("data1", "redis-cli", "-n", "1", "LLEN", "mail").strip() == "0"
