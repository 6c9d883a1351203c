"""hosts/siegetank.toml and its templates say what the real code reads, needs and does."""

from __future__ import annotations

import ast
import re

import pytest

from hawser.inventory import read_environment
from tests.real.tables import HERE, kept

PROJECT = HERE.parent.parent
FACTS = kept("siegetank")
ENVIRONMENT = read_environment(PROJECT / "hosts" / "siegetank.toml")
# Values that only a host has, by what is read of them here.
VALUE = re.compile(r"\{\{.*?\}\}", re.S)


def template(program: str) -> dict[str, object]:
    """Return a settings file as its template writes it, each rendered value as the text ``rendered``."""
    text = (PROJECT / "conf_templates" / "siegetank" / f"{program}.conf.j2").read_text()
    text = VALUE.sub("'rendered'", re.sub(r"\{%.*?%\}", "", text, flags=re.S))
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(text).body}  # type: ignore[attr-defined]


def facts(section: str, key: str) -> list[str]:
    value = FACTS[section][key]
    assert isinstance(value, list)
    return value


def test_the_commit_of_siegetank_is_the_one_that_the_table_is_about() -> None:
    assert ENVIRONMENT.app.branch == FACTS["source.siegetank-backend-94e48f8"]["commit"]
    assert ENVIRONMENT.app.repo == FACTS["source.siegetank-backend-94e48f8"]["url"]


def test_packages_are_listed_as_the_code_brings_no_requirements() -> None:
    assert facts("tracks", "requirements") == []
    listed = {re.split(r"[<>=]", package)[0] for package in ENVIRONMENT.python.packages}
    assert set(facts("needs", "packages")) <= listed


@pytest.mark.parametrize("program", ["cc", "ws"])
def test_a_template_has_every_key_of_the_sample_and_none_that_the_code_does_not_read(program: str) -> None:
    given = template(program)
    sample = [line.partition(":")[0] for line in facts("settings", program)]
    for key in sample:
        table, _, name = key.partition(".")
        inside = given[table]
        assert not name or (isinstance(inside, dict) and name in inside), key
    assert set(given) <= set(facts("options", program))
    # `mongo_options` is read by the code itself, name by name; what is in redis_options goes to redis.
    assert set(given["mongo_options"]) == set(facts("mongodb", "reads"))  # type: ignore[call-overload]


@pytest.mark.parametrize("program", ["cc", "ws"])
def test_programs_have_the_ports_of_the_code(program: str) -> None:
    assert ENVIRONMENT.processes[program].port == FACTS["ports"][f"{program}-http"]
    assert template(program)["redis_options"]["port"] == FACTS["ports"][f"{program}-redis"]  # type: ignore[index]


def test_health_is_what_the_programs_answer_at_the_root() -> None:
    for program, process in ENVIRONMENT.processes.items():
        assert process.health is not None
        expected = 200 if "/" in facts("answers", program) else 404
        assert (process.health.path, process.health.ranges) == ("/", ((expected, expected),))


def test_children_are_told_to_end_where_one_of_them_says_goodbye() -> None:
    assert facts("starts", "says goodbye from") == ["0"]
    for process in ENVIRONMENT.processes.values():
        assert process.extra["KillMode"] == "control-group"


def test_builds_are_those_that_the_code_starts() -> None:
    (build,) = ENVIRONMENT.builds.values()
    assert list(build.outputs) == [FACTS["starts"]["redis"]]
    assert {path.split("/")[0] for path in facts("tracks", "makefiles")} == set(build.inputs)


def test_folders_that_the_programs_write_are_none_of_a_release() -> None:
    assert facts("writes", "folders") == ["streams", "targets"]
    for process in ENVIRONMENT.processes.values():
        assert process.directory is not None
        assert process.directory.removeprefix("{{ root }}/") in ENVIRONMENT.persistent.folders
