"""Dotenv files against python-dotenv, with its default settings."""

from __future__ import annotations

import io
import os
from pathlib import Path
from unittest import mock

import pytest
from dotenv import dotenv_values, load_dotenv
from hypothesis import HealthCheck, given, settings

from hawser.formats import dotenv

from .strategies import variables


@given(wanted=variables)
def test_python_dotenv_reads_every_value_back(wanted: dict[str, str]) -> None:
    assert dotenv_values(stream=io.StringIO(dotenv(wanted))) == wanted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=variables)
def test_a_process_that_loads_the_file_has_every_value(tmp_path: Path, wanted: dict[str, str]) -> None:
    (tmp_path / ".env").write_text(dotenv(wanted), encoding="utf-8", newline="")
    with mock.patch.dict(os.environ, {"X": "interpolated"}, clear=True):
        load_dotenv(tmp_path / ".env")
        assert {name: os.environ[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", "''"),
        ("true", "true"),
        ("postgresql://demo:p%231@10.0.0.5:5432/demo", "postgresql://demo:p%231@10.0.0.5:5432/demo"),
        ("C:\\data\\", "C:\\data\\"),
        ("two words", "'two words'"),
        ("it's", r"'it\'s'"),
        ("p#1", "'p#1'"),
        ("a\\ b", r"'a\\ b'"),
        ("$HOME costs $5 {x}", "'$HOME costs $5 {x}'"),
        ("${HOME", "'${HOME'"),
        ("${HOME}", "'${:-$}{HOME}'"),
        ("ends with \\", r"'ends with ${:-\}'"),
        ("two\nlines\r", r'"two\nlines\r"'),
    ],
)
def test_values_stay_as_plain_as_they_can(value: str, written: str) -> None:
    assert dotenv({"KEY": value}) == f"KEY={written}\n"
    assert dotenv_values(stream=io.StringIO(f"KEY={written}\n")) == {"KEY": value}


def test_a_backslash_at_the_end_does_not_swallow_the_next_variable() -> None:
    wanted = {"A": "it's \\", "B": "it's next", "C": '"\n\\', "D": '"'}
    assert dotenv_values(stream=io.StringIO(dotenv(wanted))) == wanted


def test_variables_are_not_interpolated_into_each_other() -> None:
    wanted = {"A": "1", "B": "${A}", "C": "${B:-x}$${A}", "D": "${a${A}\\"}
    assert dotenv_values(stream=io.StringIO(dotenv(wanted))) == wanted
