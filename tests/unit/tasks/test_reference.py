"""The reference of tasks says of each what `--help` says."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hawser import namespace
from hawser.named import SUBJECTS
from hawser.steps import Step
from hawser.tasks.collection import PLACES
from hawser.tasks.reference import members

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def reference() -> str:
    """The reference, of a process of its own: Invoke tells the help of an option once."""
    argv = [sys.executable, "-m", "hawser.tasks.reference"]
    return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def section(reference: str, typed: str) -> str:
    return reference.partition(f"\n### {typed}")[2].partition("\n##")[0]


def test_the_reference_of_commands_in_docs_is_up_to_date(reference: str) -> None:
    stale = "run `python -m hawser.tasks.reference > docs/commands.md`"
    assert (PROJECT / "docs/commands.md").read_text() == reference, stale


def test_every_task_has_its_section_below_its_subject(reference: str) -> None:
    assert re.findall(r"^## (.*)$", reference, re.M) == [*SUBJECTS]
    for subject in SUBJECTS:
        below = reference.partition(f"\n## {subject}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^### (\S+)", below, re.M) == [*members(subject)]
    assert sorted(re.findall(r"^### (\S+)", reference, re.M)) == sorted(PLACES)


def test_a_task_stands_there_with_words_options_defaults_and_its_other_name(reference: str) -> None:
    lines = reference.splitlines()
    assert "### db.restore NAME" in lines
    assert "| `--lines …`, `-l` | `20` | how many entries of each host |" in lines
    assert "| `--partial`, `-p` |  | leave hosts that -H does not name on another commit |" in lines
    assert "Also typed as `lock`." in lines
    assert any(line.startswith("| `--command …`, `-c` | *required* | a shell command line") for line in lines)
    assert ":param" not in reference


@pytest.mark.parametrize("typed", PLACES)
def test_every_option_stands_there_but_what_steps_give_one_another(reference: str, typed: str) -> None:
    task = namespace[typed].load()
    _, *parameters = inspect.signature(task.body).parameters
    flags = [f"`--{name.replace('_', '-')}" for name in parameters]
    missing = [flag for flag in flags if flag not in section(reference, typed)]
    assert not missing or isinstance(task, Step)
