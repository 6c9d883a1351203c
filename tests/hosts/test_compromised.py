"""A host whose root lies: what it says is data, and it keeps no command waiting."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser.ssh import protocol

from .conftest import Fleet, wait_for
from .test_refusals import changed

OWNED = r"\\u001b]0;owned\\u0007\\u001b[2J"


@contextmanager
def in_place_of_python(fleet: Fleet, host: str, script: str) -> Iterator[None]:
    """Have a program of the host's root run where the runner asks for python3."""
    path = "/usr/local/bin/python3"
    fleet.inside(host, "sh", "-c", f"printf '#!/bin/sh\\n%s\\n' {shlex.quote(script)} > {path} && chmod 755 {path}")
    try:
        yield
    finally:
        fleet.inside(host, "rm", path)


def lies(*substitutions: str) -> str:
    """Return a program that lets the real runner speak, and alters what it says."""
    return f'/usr/bin/python3 "$@" | sed -u -E {shlex.quote(";".join(substitutions))}'


def harmless(result: subprocess.CompletedProcess[str]) -> str:
    """Return all that a command said, when nothing of it is a defect of ours or reaches the terminal."""
    said = result.stdout + result.stderr
    assert "Traceback" not in said and "bug in Hawser" not in said, said
    assert not set(said) & {"\x1b", "\x07", "\x00"}, said
    return said


def test_numbers_and_words_that_make_no_sense_are_shown_as_they_are(fleet: Fleet) -> None:
    script = lies(
        r's/"(since|built|time|clock|began)": [0-9.]+/"\1": 1e300/g',
        r's/"(seconds|result|who|from|what|state)": "[^"]*"/"\1": "' + OWNED + '"/g',
        r's/"text": "[^"]*"/"text": "' + OWNED + '"/g',
    )
    with in_place_of_python(fleet, "web2", script):
        for words in (["status"], ["releases.list"], ["history"], ["cron.list"], ["logs"], ["lock.status"]):
            harmless(fleet.fab("-H", f"{fleet.name}/web2", *words, code=None))


def test_an_answer_of_another_kind_is_a_breach_and_the_others_are_shown(fleet: Fleet) -> None:
    with in_place_of_python(fleet, "web2", lies(r's/"answers": .*/"answers": 7}/')):
        said = harmless(fleet.fab("-H", fleet.name, "status", code=1))
    assert "web2 broke the protocol: not one answer to each question; the line is cut" in said
    assert re.search("^web1 .*running", said, re.M)


def test_a_release_that_is_a_path_is_none(fleet: Fleet) -> None:
    with in_place_of_python(fleet, "web2", lies(r's/"current": "[^"]*"/"current": "..\/..\/etc"/')):
        said = harmless(fleet.fab("-H", fleet.name, "deploy", code=1))
        assert "web2 broke the protocol: facts: current: " in said
        with changed(fleet, {"[release]": '[release]\nunreachable = "skip"'}):
            said = harmless(fleet.fab("-H", fleet.name, "deploy"))
    assert "web2 broke the protocol: facts: current: " in said
    fleet.fab("-H", fleet.name, "deploy")


def test_files_that_get_brings_lie_nowhere_but_below_the_place_that_was_named(fleet: Fleet, tmp_path: Path) -> None:
    here = tmp_path / "a" / "here"
    here.mkdir(parents=True)
    for path in (f"{tmp_path}/taken", "../../taken"):
        with in_place_of_python(fleet, "web2", lies(rf's|"path": ""|"path": "{path}"|')):
            said = harmless(fleet.fab("-H", f"{fleet.name}/web2", "get", "/etc/hostname", str(here), code=1))
        assert f"web2: lists {path!r}" in said and "nothing was written" in said
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_flood_before_the_greeting_is_cut(fleet: Fleet) -> None:
    with in_place_of_python(fleet, "web2", "exec yes welcome"):
        said = harmless(fleet.fab("-H", f"{fleet.name}/web2", "status", code=1))
    assert "web2 broke the protocol: more than 1 MiB before a greeting" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_host_that_says_nothing_useful_keeps_nobody_who_wants_to_end(
    fleet: Fleet, number: signal.Signals, code: int
) -> None:
    fleet.inside("web2", "rm", "-f", "/tmp/asked")
    # Signs of life, so that nothing but the signal ends the run soon.
    alive = """touch /tmp/asked; while :; do echo '{"t": "beat"}'; sleep 1; done"""
    with in_place_of_python(fleet, "web2", alive):
        running = subprocess.Popen(
            fleet.command("-H", fleet.name, "status"),
            env=fleet.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for("the host was asked", lambda: "asked" in fleet.inside("web2", "ls", "/tmp"), 300, every=0.1)
        began = time.monotonic()
        running.send_signal(number)
        _output, errors = running.communicate(timeout=30)
        took = time.monotonic() - began
    assert running.returncode == code and took < protocol.GREETING / 2, (running.returncode, took, errors)
    assert "the same command can be given again" in errors and "Traceback" not in errors


def test_a_run_ended_by_a_signal_leaves_nothing_on_the_hosts(fleet: Fleet) -> None:
    running = subprocess.Popen(
        fleet.command("-H", f"{fleet.name}/web1", "run", "sleep 31415"), env=fleet.environ(), stderr=subprocess.PIPE
    )
    there = ("pgrep", "-f", "^sleep 31415")
    wait_for("it runs", lambda: fleet.inside("web1", *there, check=False), 300, every=0.1)
    running.terminate()
    _output, errors = running.communicate(timeout=30)
    assert running.returncode == 143 and b"ended by a signal" in errors
    wait_for("it is gone", lambda: not fleet.inside("web1", *there, check=False), every=0.1)
