"""The shipped file of Stechec2 fits what the table says of the real code."""

from __future__ import annotations

import pytest

from hawser.inventory import read_environment
from hawser.inventory.schema import Environment
from tests.hosts.conftest import PROJECT
from tests.real.tables import Table, kept


@pytest.fixture(scope="module")
def shipped() -> Environment:
    return read_environment(PROJECT / "hosts" / "stechec2.toml")


@pytest.fixture(scope="module")
def real() -> Table:
    return kept("stechec2")


def values(shipped: Environment, name: str) -> dict:
    return next(each.values for each in shipped.settings if each.path == f"/etc/stechec/{name}.yml")


def test_the_state_of_the_code_is_that_of_the_table(shipped: Environment, real: Table) -> None:
    assert shipped.app.branch == real["source.stechec2-8c8130a"]["commit"]
    assert shipped.python.interpreter == "/opt/python2.7/bin/python2.7"


def test_settings_that_the_master_reads_and_its_sample_forgets_are_given(shipped: Environment, real: Table) -> None:
    missing = set(real["reads"]["master.* of the master's settings"]) - set(real["samples"]["master-node master"])
    assert missing == {"contest"}
    assert missing <= set(values(shipped, "master-node")["master"])


def test_a_worker_is_told_where_its_settings_are(shipped: Environment, real: Table) -> None:
    assert real["reads"]["a worker's settings without -c"] == "below the prefix"
    assert shipped.processes["worker"].command.endswith(" -c /etc/stechec/worker-node.yml")


def test_the_game_of_the_contest_is_built(shipped: Environment, real: Table) -> None:
    assert real["build"]["options"] == ["--with-games"]
    assert "--with-games={{ vars.game }}" in shipped.builds["stechec2"].commands[0]
    assert shipped.vars["game"] in real["tracks"]["games"]


def test_ports_of_stechec2_are_those_of_the_samples(shipped: Environment, real: Table) -> None:
    assert shipped.processes["master"].port == real["ports"]["master"]
    assert shipped.processes["worker"].port == real["ports"]["worker"]
