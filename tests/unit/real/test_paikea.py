"""The shipped file of Paikea fits what the table says of the real code."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from hawser.inventory import read_environment
from hawser.inventory.schema import Environment
from tests.hosts.conftest import PROJECT
from tests.real.tables import Table, kept


@pytest.fixture(scope="module")
def shipped() -> Environment:
    return read_environment(PROJECT / "hosts" / "paikea.toml")


@pytest.fixture(scope="module")
def real() -> Table:
    return kept("paikea")


def test_every_variable_that_the_code_reads_is_given(shipped: Environment, real: Table) -> None:
    env = shipped.env
    assert sorted(env.dotenv_keys) == real["document"]["variables of .env"]
    assert env.dotenv_variable == real["document"]["path of .env"]
    given = {*env.dotenv_keys, env.dotenv_variable, *env.required}
    assert set(real["reads"]["variables"]) <= given
    assert set(real["document"]["accounts"]) <= set(env.required)


def test_a_patch_fits_the_code_once(shipped: Environment, real: Table) -> None:
    assert real["patched"] == {f"{each.path}: {each.old}": 1 for each in shipped.patches}


def test_the_folder_of_the_log_is_there_and_survives(shipped: Environment, real: Table) -> None:
    folder = str(PurePosixPath(str(real["writes"]["log"])).parent)
    assert f"{folder}/" in real["tracks"]["ignores"]
    assert folder in shipped.persistent.linked


def test_generated_migrations_survive_releases_in_a_folder_that_can_log_in(shipped: Environment, real: Table) -> None:
    assert "the password is hidden" in str(real["migrations"]["env.py logs in with"])
    assert "migrations" in shipped.persistent.folders
    assert "migrations" not in shipped.persistent.linked
    commands = [line for line in shipped.release.lines("migrate") if "flask db" in line]
    assert commands
    assert all(line.endswith("-d {{ root }}/migrations") for line in commands)


def test_management_commands_are_those_of_flask(shipped: Environment, real: Table) -> None:
    assert "manage.py" not in real["tracks"]["programs"]
    assert shipped.release.manage == "flask"


def test_processes_have_the_port_and_the_keys_of_the_document(shipped: Environment, real: Table) -> None:
    web, celery = shipped.processes["web"], shipped.processes["celery"]
    assert web.port == real["document"]["port"]
    assert celery.command.split()[2] == f"celery_worker.{real['starts']['worker of celery_worker']}"
    written = {"Unit.After": "After", "Type": "Type", "Restart": "Restart"}
    assert {written[key] for key in web.extra} <= set(real["document"]["keys of the unit"])
    assert set(celery.extra) - {"startsecs"} <= set(real["document"]["keys of the program"])


def test_the_worker_finds_its_key_and_the_firmware(shipped: Environment, real: Table) -> None:
    assert real["reads"]["firmware with the key"] in [each.path for each in shipped.files]
    assert shipped.checkouts["firmware"].writable == ("upgrades",)
