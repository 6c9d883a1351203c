"""What our `fab` does before and after our executor, in projects of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FABFILE = """
import os, signal, time
from invoke import task
from hawser.errors import HawserError
from hawser.steps import session_task

EVIL = "\\x1b]0;owned\\x07\\x1b[2J\\x00"

@session_task()
def failing(session):
    session.report.set_masks(["s3cret"])
    raise HawserError(f"web1: {EVIL}" + "x" * 100_000 + "\\n  next: look")

@session_task()
def defect(session):
    raise LookupError(EVIL)

@session_task()
def waiting(session):
    print("waiting", flush=True)
    time.sleep(60)

@task
def plain(c):
    c.run("true")
"""
SHOP = '[app]\nname = "shop"\nrepo = "."\n[hosts.web1]\naddress = "127.0.0.1"\n'


@pytest.fixture
def fab(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return what starts our `fab` in a project with tasks of its own."""
    (tmp_path / "fabfile.py").write_text(FABFILE)
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts" / "shop.toml").write_text(SHOP)

    def fab(*words: str, settings: str = "", output: str = "plain") -> subprocess.Popen[str]:
        (tmp_path / "fabric.yaml").write_text(settings)
        return subprocess.Popen(
            [sys.executable, "-c", "from hawser.program import main; main()", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "HAWSER_OUTPUT": output, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return fab


def test_a_command_after_two_dashes_reaches_no_host(fab: Callable[..., subprocess.Popen[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        running = fab("-H", f"root@127.0.0.1:{port}", "--", "touch 'a b'")
        _output, errors = running.communicate(timeout=60)
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert running.returncode == 2
    assert f"next: fab -H root@127.0.0.1:{port} run " in errors and "Traceback" not in errors


def test_ctrl_c_at_the_start_ends_it_as_it_ends_a_run(
    fab: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    text = "import time\nprint('loads', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "fabfile.py").write_text(f"{text}from hawser import namespace\n")
    running = fab("--list")
    assert running.stdout is not None and running.stdout.readline() == "loads\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130


@pytest.mark.parametrize("words", [("--list",), ("--help",), ("--version",), ("--list", "--list-format=json")])
def test_a_reader_that_goes_away_ends_what_it_read(
    fab: Callable[..., subprocess.Popen[str]], words: tuple[str]
) -> None:
    running = fab(*words)
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert (running.wait(60), running.stderr.read()) == (128 + signal.SIGPIPE, "")


def test_an_executor_that_checks_no_keys_is_refused(fab: Callable[..., subprocess.Popen[str]]) -> None:
    running = fab("-H", "web1", "plain", settings="tasks:\n  executor_class: fabric.executor.Executor\n")
    _output, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "tasks.executor_class is fabric.executor.Executor, which does not check the keys of hosts" in errors


def test_the_executor_is_ours_without_settings(fab: Callable[..., subprocess.Popen[str]]) -> None:
    running = fab("plain")
    _output, errors = running.communicate(timeout=60)
    assert running.returncode == 2 and "no hosts are named with -H" in errors


def test_the_last_message_does_nothing_to_the_terminal_and_can_be_read(
    fab: Callable[..., subprocess.Popen[str]],
) -> None:
    _output, errors = fab("failing").communicate(timeout=60)
    assert not set(errors) & {"\x1b", "\x07", "\x00"} and "owned" not in errors
    assert len(errors) < 3000 and errors.rstrip().endswith("next: look")


def test_the_traceback_of_a_defect_does_nothing_to_the_terminal(fab: Callable[..., subprocess.Popen[str]]) -> None:
    running = fab("--debug", "defect")
    _output, errors = running.communicate(timeout=60)
    assert running.returncode == 1 and "LookupError" in errors
    assert not set(errors) & {"\x1b", "\x07", "\x00"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_fab_with_a_last_word(
    fab: Callable[..., subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    running = fab("waiting")
    assert running.stdout is not None and running.stdout.readline() == "waiting\n"
    running.send_signal(number)
    _output, errors = running.communicate(timeout=10)
    assert running.returncode == code
    assert "the same command can be given again" in errors and "Traceback" not in errors


def test_bin_venv_makes_our_program_the_fab_of_the_environment(tmp_path: Path) -> None:
    """Also where a folder has a blank in its name; nothing is installed here, so what it imports is this project's."""
    folder = tmp_path / "a project"
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copytree(PROJECT / "bin", folder / "bin")
    (folder / "requirements.txt").touch()
    python = folder / ".venv" / "bin" / "python"
    # Takes the place of the environment's Python, pip and all.
    python.write_text(f'#!/bin/sh\ncase "$*" in *pip*) exit 0;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    subprocess.run(["sh", "bin/venv", sys.executable], cwd=folder, check=True)
    made = subprocess.run(
        [folder / ".venv" / "bin" / "fab", "--version"],
        cwd=PROJECT / "docs",
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.startswith("Hawser ")


def test_the_last_json_line_says_what_the_run_ended_with(fab: Callable[..., subprocess.Popen[str]]) -> None:
    output, _errors = fab("failing", output="json").communicate(timeout=60)
    last = json.loads(output.splitlines()[-1])
    assert (last["t"], last["ok"], last["code"]) == ("finish", False, 1)
    assert last["error"].startswith("web1: ") and last["error"].endswith("next: look")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_last_json_line_knows_the_signal(
    fab: Callable[..., subprocess.Popen[str]], number: signal.Signals, code: int
) -> None:
    running = fab("waiting", output="json")
    assert running.stdout is not None and running.stdout.readline() == "waiting\n"
    running.send_signal(number)
    output, _errors = running.communicate(timeout=10)
    last = json.loads(output.splitlines()[-1])
    assert (last["ok"], last["code"]) == (False, code) and "can be given again" in last["error"]


def test_without_a_task_it_says_in_three_lines_what_it_is_and_the_next_move(
    fab: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "fabfile.py").write_text("from hawser import namespace\n")
    running = fab()
    output, errors = running.communicate(timeout=60)
    assert (running.returncode, errors, len(output.splitlines())) == (0, "", 3)
    assert output.startswith("Hawser ") and "Environments: shop; next: fab -H shop status" in output
    (tmp_path / "hosts/shop.toml").unlink()
    output, _errors = fab().communicate(timeout=60)
    assert "next: hawser new" in output and len(output.splitlines()) == 3


def test_a_name_of_a_file_does_nothing_to_the_terminal(
    fab: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "fabfile.py").write_text("from hawser import namespace\n")
    (tmp_path / "hosts/\x1b]0;owned\x07.toml").touch()
    output, _errors = fab().communicate(timeout=60)
    assert not set(output) & {"\x1b", "\x07"}


def test_tasks_are_listed_by_subject_and_the_teams_own_first(
    fab: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    own = "from invoke import task\nfrom hawser import namespace as ns\n@task\ndef mine(c):\n    'Do mine.'\n"
    (tmp_path / "fabfile.py").write_text(f"{own}ns.add_task(mine)\n")
    output, _errors = fab("--list").communicate(timeout=60)
    lines = output.splitlines()
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads[:4] == ["Available tasks:", "Of this project", "Begin", "Deploy"]
    assert lines[lines.index("Of this project") + 1].split() == ["mine", "Do", "mine."]
    assert "  deploy " in output and "  lock.status (lock) " in output
