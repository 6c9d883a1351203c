"""The shipped file of E-mission fits what the table says of the real code."""

from __future__ import annotations

import pytest

from hawser.inventory import read_environment
from hawser.inventory.schema import Environment
from tests.hosts.conftest import PROJECT
from tests.real.tables import Table, kept


@pytest.fixture(scope="module")
def shipped() -> Environment:
    return read_environment(PROJECT / "hosts" / "emission.toml")


@pytest.fixture(scope="module")
def real() -> Table:
    return kept("emission")


def test_a_patch_fits_the_code_once(shipped: Environment, real: Table) -> None:
    assert real["patched"] == {f"{each.path}: {each.old.strip()}": 1 for each in shipped.patches}


def test_settings_are_made_from_samples_that_are_there(shipped: Environment, real: Table) -> None:
    assert {f"{each.path}.sample" for each in shipped.settings} <= set(real["tracks"]["samples"])


def test_variables_protect_the_server_where_its_settings_are_missing(shipped: Environment, real: Table) -> None:
    values = next(each.values for each in shipped.settings if each.path == "conf/net/api/webserver.conf")
    places = dict(line.split() for line in real["reads"]["without its settings"])
    given = shipped.env.variables
    for name in ("WEBSERVER_PORT", "WEBSERVER_AUTH", "WEBSERVER_AGGREGATE_CALL_AUTH"):
        table, _, key = places[name].partition(".")
        assert str(values[table][key]) == given[name]
    assert {"DB_HOST", *real["reads"]["of the study"]} <= set(given)


def test_the_study_is_served_under_the_name_that_is_asked_for(shipped: Environment, real: Table) -> None:
    name = f"/{shipped.app.name}" + real["reads"]["a study's file ends with"]
    assert shipped.processes["study"].health.path == name
    assert any(each.path.endswith(f"/study{name}") for each in shipped.files)


def test_the_server_listens_where_only_the_web_server_reaches_it(shipped: Environment, real: Table) -> None:
    assert (real["listens"]["address"], real["listens"]["as its settings say"]) == ("0.0.0.0", "no")
    (patch,) = (each for each in shipped.patches if "WEBSERVER_HOST" in each.old)
    assert "127.0.0.1" in patch.new


def test_tokens_go_where_the_server_looks_for_them(shipped: Environment, real: Table) -> None:
    assert real["tokens"]["lie in"] == "the database"
    assert any("/etc/emission/tokens.py" in line for line in shipped.release.lines("migrate"))


def test_every_value_of_a_push_is_given_but_the_format(shipped: Environment, real: Table) -> None:
    given = next(each.values for each in shipped.settings if each.path == "conf/net/ext_service/push.json")
    assert set(real["samples"]["conf/net/ext_service/push.json"]) - set(given) == {"ios_token_format"}
