"""The runner runs on hosts' own Pythons, from 3.8 on, and is quick to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .interpreters import interpreters

SLOW = {"typing", "http.client", "xmlrpc.client", "email", "ssl", "tempfile", "traceback", "ast", "difflib", "shutil"}
RUNNER = Path(__file__).parents[3] / "hawser" / "runner"


def test_no_call_of_the_runner_needs_more_than_python_3_8():
    argv = [str(Path(sys.executable).with_name("vermin")), "--target=3.8-", "--violations", "--no-tips", str(RUNNER)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_syntax_of_the_runner_is_that_of_python_3_8():
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--target-version=py38", "--select=E9", str(RUNNER)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_start_of_the_runner_loads_nothing_that_most_runs_do_without():
    program = "import sys; before = set(sys.modules); import hawser.runner.main; print(*(set(sys.modules) - before))"
    for interpreter in interpreters().values():
        result = subprocess.run(
            [interpreter, "-c", program], cwd=RUNNER.parents[1], capture_output=True, text=True, check=True
        )
        assert SLOW.isdisjoint(result.stdout.split())
