"""The shipped file of SADM fits what the table says of the real code."""

from __future__ import annotations

import pytest

from hawser.inventory import read_environment
from hawser.inventory.schema import Environment
from tests.hosts.conftest import PROJECT
from tests.real.tables import Table, kept


@pytest.fixture(scope="module")
def shipped() -> Environment:
    return read_environment(PROJECT / "hosts" / "sadm.toml")


@pytest.fixture(scope="module")
def real() -> Table:
    return kept("sadm")


def ways(values: dict, at: str = "") -> list[str]:
    """Return the keys of nested tables, with those above them."""
    found = []
    for key, value in values.items():
        found += ways(value, f"{at}{key}.") if isinstance(value, dict) else [at + key]
    return found


def test_a_patch_fits_the_code_once(shipped: Environment, real: Table) -> None:
    assert real["patched"] == {f"{each.path}: {each.old.strip()}": 1 for each in shipped.patches}


def test_settings_lie_where_the_programs_look_and_have_keys_of_their_samples(shipped: Environment, real: Table) -> None:
    assert real["reads"]["folder of settings"] in shipped.env.variables
    for each in shipped.settings:
        assert each.path == f"{shipped.env.variables['CFG_DIR']}/{each.sample.rpartition('/')[2]}"
        assert set(ways(each.values)) <= set(real["samples"][each.sample])


def test_everything_that_is_still_a_placeholder_in_a_sample_is_given(shipped: Environment, real: Table) -> None:
    given = {each.sample: set(ways(each.values)) for each in shipped.settings}
    assert {
        "db.default.PASSWORD",
        "master.shared_secret",
        "contest.game",
        "secret_key",
        "website.static_path",
    } <= given["debugconfig/concours.yml"]
    assert {"sql.password", "master.shared_secret", "contest.game"} <= given["debugconfig/masternode.yml"]
    assert {"master.shared_secret", "path.rules", "path.player_env"} <= given["debugconfig/workernode.yml"]


def test_ports_are_those_of_the_samples_and_those_of_prometheus_are_closed(shipped: Environment, real: Table) -> None:
    assert shipped.processes["master"].port == real["ports"]["masternode"]
    assert shipped.processes["worker"].port == real["ports"]["workernode"]
    closed = {port for rule in shipped.firewall.rules for port in rule.ports}
    assert {real["ports"][f"{name} tells Prometheus"] for name in ("masternode", "workernode")} <= closed


def test_the_versions_that_matter_are_those_of_the_code(shipped: Environment, real: Table) -> None:
    ours = {each.partition("==")[0]: each for each in shipped.python.packages}
    for pin in real["needs"]["pins"]:
        if pin.partition("==")[0] in ("Django", "aiohttp", "djangorestframework", "gunicorn"):
            assert ours[pin.partition("==")[0]] == pin
    (repository,) = real["needs"]["from git"]
    assert any(repository in each for each in shipped.python.packages)
