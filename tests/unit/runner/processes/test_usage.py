"""What programs use of a host, under a real supervisord, and of this machine."""

from __future__ import annotations

import sys

import pytest

from hawser.answers.kinds import adapter
from hawser.answers.rows import HostUsage
from hawser.runner.processes.systemd import Systemd
from hawser.runner.processes.usage import usage

from ..daemons import until

# A master with two workers, who share what it holds, and of whom one computes.
FAMILY = """
import os, time
held = bytearray(os.urandom(64 << 20))
if os.fork() == 0:
    while True:
        sum(range(10_000))
os.fork()
time.sleep(1000)
"""
PROCESSES = {"web": {"unit": "demo-web", "manager": "supervisor"}, "none": {"unit": "demo-no", "manager": "supervisor"}}


@pytest.fixture
def served(supervisor, system, tmp_path):
    program = tmp_path / "family.py"
    program.write_text(FAMILY)
    supervisor.run("demo-web", f"{sys.executable} {program}")
    return system


def test_a_process_is_its_whole_family_and_what_they_share_counts_once(served):
    def web():
        return usage(served, PROCESSES)["processes"]["web"]

    until(lambda: web()["programs"] == 3)
    first = web()
    until(lambda: web()["cpu"] > first["cpu"] + 0.2)
    assert 64 << 20 < web()["memory"] < 128 << 20
    # Supervisor does not count them.
    assert web()["restarts"] is None


def test_what_does_not_run_uses_nothing(served):
    assert usage(served, PROCESSES)["processes"]["none"] == {"cpu": 0.0, "memory": 0, "programs": 0, "restarts": None}


def test_the_answer_is_one_that_is_taken_and_measures_the_machine(served):
    told = adapter(HostUsage).validate_python(usage(served, {}))
    again = usage(served, {})
    assert told["processes"] == {} and again["moment"] > told["moment"] and again["busy"] >= told["busy"] > 0
    assert told["memory"]["total"] > told["memory"]["free"] > 0
    assert sorted(again["others"]["rows"], key=lambda row: -row["memory"]) == again["others"]["rows"]


def test_systemd_counts_how_often_it_has_started_a_process_again(system):
    block = "ActiveState=active\nLoadState=loaded\nSubState=running\nMainPID=7\nNRestarts=14"
    assert Systemd(system).parse("demo-web", block).restarts == 14
    assert Systemd(system).parse("demo-web", "LoadState=not-found").restarts == 0
