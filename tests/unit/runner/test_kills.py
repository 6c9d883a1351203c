"""Whenever a run is killed, the next one makes everything as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .interpreters import interpreters

PROGRAM = str(Path(__file__).with_name("kills.py"))


def kill(interpreter, folder, first, step):
    """Kill runs at some of their moments; return what came of it."""
    folder.mkdir()
    argv = [interpreter, "-B", PROGRAM, str(folder), str(first), str(step)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_kill_at_any_moment_is_made_good_by_the_next_run(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda first: kill(sys.executable, tmp_path / str(first), first, 2), (1, 2)))
    assert [problem for half in halves for problem in half["problems"]] == []
    assert sum(half["tried"] for half in halves) == halves[0]["moments"] > 100


def test_kills_are_made_good_under_every_python_of_this_machine(tmp_path):
    def some(version):
        return version, kill(interpreters()[version], tmp_path / version, 1 + int(version.split(".")[1]), 20)

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(some, interpreters()))
    assert {version: result["problems"] for version, result in found.items() if result["problems"]} == {}
    assert all(result["tried"] >= 5 for result in found.values())
    assert found, "there is no python3 from 3.8 on here"
