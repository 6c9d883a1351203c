"""supervisor's configuration against supervisor's own parser and its own way to a command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from supervisor.options import ServerOptions  # type: ignore[import-untyped]
from supervisor.process import Subprocess  # type: ignore[import-untyped]

from hawser.formats import (
    NotRepresentable,
    supervisor_command,
    supervisor_environment,
    supervisor_logfile,
    supervisor_value,
)

from .strategies import any_text, variables

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def program(folder: Path, *lines: str) -> Any:
    """Return supervisor's own view of a program with these lines in its section."""
    content = "\n".join(["[supervisord]", "nodaemon=true", "[program:demo]", *lines, "startsecs=0", ""])
    (folder / "supervisor.conf").write_text(content, encoding="utf-8", newline="")
    options = ServerOptions()
    options.realize(["-c", str(folder / "supervisor.conf")], doc="")
    (group,) = options.process_group_configs
    (process,) = group.process_configs
    return process


def read_environment(folder: Path, written: str) -> Mapping[str, str]:
    environment: Mapping[str, str] = program(folder, "command=/bin/true", f"environment={written}").environment
    return environment


@many
@given(wanted=variables)
def test_supervisor_reads_every_variable_back_or_it_is_refused(tmp_path: Path, wanted: dict[str, str]) -> None:
    carried = {}
    for name, value in wanted.items():
        try:
            supervisor_environment({name: value})
        except NotRepresentable:
            continue
        carried[name] = value
    assert read_environment(tmp_path, supervisor_environment(carried)) == carried


CARRIED = [
    "",
    "p#1",
    "a b",
    "100%",
    "%(x)s",
    "! https://user:p%40ss@host/?a=b&c;d",
    'q"d',
    "it's",
    '{"json": [1, "two"]}',
    "C:\\data\\",
    "ends with \\",
    "$HOME `id` ${X}",
    "Übermut €",
    "first\nsecond\n\nfourth\n",
    " spaces at both ends ",
    "\ttabs\t",
    "a'b\"c",
    "a\"'b/c.d+e-f:(g)",
    "a,b=c",
    "a;b#c",
]


@pytest.mark.parametrize("value", CARRIED)
def test_supervisor_carries_values_that_look_hard(tmp_path: Path, value: str) -> None:
    wanted = {"FIRST": "1", "KEY": value, "LAST": "x"}
    assert read_environment(tmp_path, supervisor_environment(wanted)) == wanted


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a 'b' \"c\"", "both kinds"),
        ("'quoted'", "begins or ends with a quote"),
        ('"quoted"', "begins or ends with a quote"),
        ("rock 'n roll'", "begins or ends with a quote"),
        ("a #b", "after white space"),
        ("a ;b", "after white space"),
        ("a\t#b", "after white space"),
        ("a\u2003;b", "after white space"),
        ("a\n#b", "after white space"),
        ("a \nb", "white space beside a newline"),
        ("a\n b", "white space beside a newline"),
        ("a\rb", "carriage return"),
        ("%(here)s", "always replaces"),
    ],
)
def test_a_value_that_supervisor_cannot_carry_is_refused_with_the_reason(value: str, reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason) as refusal:
        supervisor_environment({"FINE": "1", "KEY": value})
    assert refusal.value.name == "KEY"


def test_the_environment_of_supervisor_has_a_variable_a_line() -> None:
    assert supervisor_environment({"A": "50%", "B": 'q"d'}) == 'A="50%%",\n    B=\'q"d\''


def read_command(folder: Path, argv: list[str]) -> list[str]:
    process = program(folder, f"command={supervisor_command(argv)}")
    _, received = Subprocess(process).get_execv_args()
    return list(received)


@many
@given(arguments=st.lists(any_text.filter(lambda value: "\r" not in value), max_size=8))
def test_supervisor_runs_every_command_line(tmp_path: Path, arguments: list[str]) -> None:
    argv = ["/bin/sh", *arguments]
    assert read_command(tmp_path, argv) == argv


@pytest.mark.parametrize(
    "value", [*CARRIED, "a #b ;c", "%(here)s", "\n\n", "\n #x\n;y \n", "'\"'\"", "#", ";", "% (here)s"]
)
def test_a_command_line_carries_what_an_environment_cannot(tmp_path: Path, value: str) -> None:
    argv = ["/bin/sh", value, "--last"]
    assert read_command(tmp_path, argv) == argv


def test_a_plain_command_line_stays_as_it_is_written() -> None:
    argv = ["/srv/demo/env/bin/gunicorn", "demo.wsgi", "--bind=unix:/run/demo/web.sock"]
    assert supervisor_command(argv) == " ".join(argv)


def test_an_empty_command_line_is_refused() -> None:
    with pytest.raises(NotRepresentable, match="needs a program"):
        supervisor_command([])


@many
@given(name=any_text.filter(lambda value: "/" not in value))
def test_supervisor_reads_simple_options_back_or_they_are_refused(tmp_path: Path, name: str) -> None:
    path = f"/{name}"
    try:
        lines = [f"directory={supervisor_value(path)}", f"stdout_logfile={supervisor_logfile(path)}"]
    except NotRepresentable:
        return
    read = program(tmp_path, "command=/bin/true", *lines)
    assert read.directory == path
    assert read.stdout_logfile == path


@pytest.mark.parametrize("value", ["a #b", "a ;b", "#a", ";a", " a", "a ", "a\nb", "a\rb", "%(here)s/log"])
def test_a_simple_option_refuses_what_supervisor_would_change(value: str) -> None:
    with pytest.raises(NotRepresentable):
        supervisor_value(value)
