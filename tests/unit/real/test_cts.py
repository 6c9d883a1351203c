"""hosts/cts.toml says what the real code reads, needs and does."""

from __future__ import annotations

import re

import pytest

from hawser.inventory import read_environment
from tests.real.tables import HERE, kept

PROJECT = HERE.parent.parent
FACTS = kept("cts")
ENVIRONMENT = read_environment(PROJECT / "hosts" / "cts.toml")
CODE = "source.CTS-43eb3e3"
# Of which Django, celery or the shell read what they do not say themselves.
NOT_OF_THE_CODE = {"DJANGO_SETTINGS_MODULE"}


def facts(section: str, key: str) -> list[str]:
    value = FACTS[section][key]
    assert isinstance(value, list)
    return value


def given() -> set[str]:
    """Return the variables of the file; those of an instance end in ``_{code}``."""
    codes = "|".join(str(instance["code"]) for instance in ENVIRONMENT.instances.values())
    return {re.sub(rf"_(?:{codes})$", "_{code}", name) for name in ENVIRONMENT.env.variables}


def test_the_commit_of_cts_is_the_one_that_the_table_is_about() -> None:
    assert (ENVIRONMENT.app.branch, ENVIRONMENT.app.repo) == (FACTS[CODE]["commit"], FACTS[CODE]["url"])


def test_every_variable_is_one_that_the_code_reads() -> None:
    assert given() - NOT_OF_THE_CODE - set(facts("reads", "variables")) == set()


def test_every_variable_without_a_default_is_given() -> None:
    # Each settings module says itself which instance it is.
    assert set(facts("reads", "without a default")) - {"INSTANCE"} <= given()


def test_forms_that_an_instance_polls_are_given() -> None:
    assert {f"{name}_{{code}}" for name in facts("deployment", "form variables")} <= given()


def test_the_python_of_cts_is_the_one_of_its_deployment() -> None:
    assert f"python{FACTS['deployment']['python']}" in str(ENVIRONMENT.python.interpreter)
    assert set(ENVIRONMENT.python.requirements or ()) <= set(facts("tracks", "requirements"))


def test_patches_replace_pins_that_are_there() -> None:
    assert len(ENVIRONMENT.patches) == 2
    for patch in ENVIRONMENT.patches:
        assert patch.old in facts("needs", "pins")


@pytest.mark.parametrize("line", facts("deployment", "instances"))
def test_an_instance_is_the_one_of_its_deployment(line: str) -> None:
    name, title, prefix, currency, port = line.split()
    variables = ENVIRONMENT.instances[name]
    assert [str(variables[key]) for key in ("title", "prefix", "currency", "port")] == [title, prefix, currency, port]


def test_workers_are_restarted_every_night_at_the_time_of_the_deployment() -> None:
    times = {process.restart_at for process in ENVIRONMENT.processes.values() if process.restart_at}
    assert {str(each) for each in times} == {FACTS["deployment"]["restarts workers"]}


def test_commands_of_the_deployment_of_cts_run_in_a_rollout() -> None:
    lines = " ".join([*ENVIRONMENT.release.lines("build"), *ENVIRONMENT.release.lines("migrate")])
    assert all(f"manage.py {command}" in lines for command in facts("deployment", "commands"))


def test_folders_are_where_the_code_writes_them_down() -> None:
    assert ENVIRONMENT.app.root == FACTS["document"]["root"]
    assert str(FACTS["writes"]["public"]).removeprefix(f"{ENVIRONMENT.app.root}/") == "public"
    assert {"public/static", "public/media"} <= set(ENVIRONMENT.persistent.folders)
