"""The namespace of all tasks, of which names and docstrings are known before they are loaded.

`HAWSER_UPDATE=1` writes the docstrings anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.parser import Parser
from invoke.tasks import Task

from hawser import namespace
from hawser.named import SUBJECTS, Named
from hawser.program import OwnProgram, Settings, make_executor
from hawser.tasks import collection

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "hawser/tasks/docstrings.json"


def test_the_docstrings_that_are_kept_are_those_of_the_tasks() -> None:
    found = {typed: namespace[typed].load().__doc__ for typed in sorted(collection.PLACES)}
    text = json.dumps(found, indent=0, ensure_ascii=False) + "\n"
    if os.environ.get("HAWSER_UPDATE"):
        FILE.write_text(text)
    assert FILE.read_text() == text, "HAWSER_UPDATE=1 writes them anew"


@pytest.mark.parametrize("typed", collection.PLACES)
def test_a_task_bears_the_name_that_is_typed(typed: str) -> None:
    assert isinstance(namespace[typed], Named)
    task = namespace[typed].load()
    assert isinstance(task, Task) and not isinstance(task, Named)
    assert (task.name or task.__name__).replace("_", "-") == typed.rpartition(".")[2]
    assert task.__doc__


@pytest.mark.parametrize("words", [("--list",), ("--list", "db"), ("--list-format=json", "--list"), ("--version",)])
def test_a_list_loads_no_task(words: tuple[str, ...]) -> None:
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from hawser.program import main; main()"
    )
    argv = [sys.executable, "-c", program, *words]
    result = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = set(result.stderr.split())
    assert (
        result.stdout
        and "hawser.program" in loaded
        and not loaded & {"pydantic", "jinja2", "hawser.inventory", "hawser.tasks.deploy"}
    )


def test_all_steps_are_there_when_the_tasks_are_loaded_that_are_said_to_bring_them() -> None:
    program = (
        "from hawser import namespace; from hawser.named import load_steps; from hawser.steps import Step;"
        "load_steps(); brought = set(Step.registry);"
        "[each.load() for each in map(namespace.__getitem__, namespace.task_names)];"
        "print(*sorted(each.title for each in set(Step.registry) - brought))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout == "\n"


def contexts(*words: str) -> Parser:
    program = OwnProgram(version="x", executor_class=make_executor, config_class=Settings)
    program.create_config()
    program.parse_core(["hawser", *words])
    program.collection = namespace
    return program._make_parser()


def test_the_options_of_what_is_typed_are_known_as_if_all_were_loaded() -> None:
    whole = {context.name: context for context in namespace.to_contexts()}
    for typed in whole:
        [found] = contexts("-H", "web1", typed).contexts.values()
        assert found.name == typed
        assert found.args.keys() == whole[typed].args.keys()
        assert found.aliases == whole[typed].aliases
    assert set(contexts("-H", "web1", "run", "deploy", "db.list").contexts) == {"run", "deploy", "db.list"}
    assert set(contexts("--help", "deploy").contexts) == {"deploy"}
    assert not contexts("-H", "deploys", "deplo").contexts


@pytest.mark.parametrize("typed", collection.PLACES)
def test_a_task_is_listed_under_one_subject(typed: str) -> None:
    assert len(collection.subjects(typed)) == 1


def test_the_subjects_are_those_that_are_listed() -> None:
    assert (*collection.MEMBERS,) == SUBJECTS
