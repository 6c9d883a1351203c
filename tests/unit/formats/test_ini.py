"""INI values against configparser, from a file and with its default settings."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from hawser.formats import NotRepresentable, ini_value

from .strategies import any_text


def read(folder: Path, written: str) -> str:
    (folder / "x.ini").write_text(f"[x]\nkey = {written}\nlast = 1\n", encoding="utf-8", newline="")
    parser = ConfigParser()
    parser.read(folder / "x.ini", encoding="utf-8")
    assert parser["x"]["last"] == "1"
    return parser["x"]["key"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=any_text)
@example("")
@example("100% # ; 'x' \"y\" = : [z] \\ $A")
@example("# first")
@example("a\n\n[b]\nc = d")
def test_configparser_reads_every_value_back_or_it_is_refused(tmp_path: Path, value: str) -> None:
    try:
        written = ini_value(value)
    except NotRepresentable:
        assert value != value.strip() or any(mark in value for mark in ("\r", "\n", "\0"))
        return
    assert read(tmp_path, written) == value


@pytest.mark.parametrize("value", [" a", "a ", "\na", "a\n", "a \nb", "a\n b", "a\n#b", "a\n;b", "a\rb", "a\xa0"])
def test_what_configparser_would_change_is_refused(value: str) -> None:
    with pytest.raises(NotRepresentable):
        ini_value(value)
