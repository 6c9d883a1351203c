"""Every process manager is known to all that speaks of managers: one that is added without a part of it fails here."""

from __future__ import annotations

import pytest

from hawser.formats.filters import FILTERS
from hawser.inventory.tables.processes import Process
from hawser.inventory.values import types
from hawser.runner.files import validate
from hawser.runner.processes.managers import CLASSES, ProcessManager, class_of
from hawser.runner.processes.traits import MANAGERS, others
from hawser.steps import Step
from hawser.tasks.managers import PROCESS_MANAGERS, RELOAD

each_manager = pytest.mark.parametrize("name", MANAGERS)


def test_all_lists_of_managers_name_the_same_ones() -> None:
    assert list(MANAGERS) == list(CLASSES) == list(PROCESS_MANAGERS)


@each_manager
def test_a_manager_of_the_settings_has_steps_and_judges_its_definitions(name: str) -> None:
    assert Process(command="web", manager=name).manager == name
    assert isinstance(PROCESS_MANAGERS[name].reload, Step) and PROCESS_MANAGERS[name].reload in RELOAD
    assert name in types.VALIDATORS and name in validate.VALIDATORS
    assert any(key.startswith(name) for key in FILTERS)


@each_manager
def test_a_manager_has_all_verbs_on_hosts_and_the_places_of_its_traits(name: str) -> None:
    found = class_of(name)
    verbs = [verb for verb, function in vars(ProcessManager).items() if callable(function) and verb[0] != "_"]
    shared = ("state", "begin")
    missing = [verb for verb in verbs if verb not in shared and getattr(found, verb) is getattr(ProcessManager, verb)]
    assert missing == [] and len(verbs) == 11
    assert found.traits is MANAGERS[name]


@each_manager
def test_the_managers_that_a_process_may_have_had_before_are_all_others(name: str) -> None:
    assert set(others(name)) == set(MANAGERS) - {name}
