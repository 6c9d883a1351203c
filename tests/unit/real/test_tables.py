"""Stand-ins are what the tables of facts say of the real code, and tables are written as they are read."""

from __future__ import annotations

import tomllib

import pytest

from tests.real.tables import APPS, Table, beyond, differences, kept, names, of_stand_in, written

WITH_STAND_IN = [name for name in names() if (APPS / name).is_dir()]


@pytest.mark.parametrize("name", WITH_STAND_IN)
def test_a_stand_in_has_nothing_that_the_real_code_has_not(name: str) -> None:
    assert beyond(of_stand_in(name), kept(name)) == []


def test_a_difference_is_said_with_its_section_and_key() -> None:
    ours: Table = {"ports": {"http": 80}, "reads": {"names": ["a"]}}
    assert differences(ours, {"ports": {"http": 81}, "reads": {"names": ["a"]}}) == ["[ports] http: 80 is 81"]
    assert differences(ours, {"ports": {"http": 80}}) == ["[reads] names: ['a'] is None"]


def test_a_stand_in_may_have_less_of_a_list_but_nothing_else() -> None:
    real: Table = {"reads": {"names": ["a", "b"], "file": "x"}}
    assert beyond({"reads": {"names": ["b"], "file": "x"}}, real) == []
    assert beyond({"reads": {"names": ["c"]}}, real) == ["[reads] names: only the stand-in has 'c'"]
    assert beyond({"reads": {"file": "y"}}, real) == ["[reads] file: 'y' in the stand-in, 'x' in the real code"]


def test_a_table_is_read_as_it_was_written() -> None:
    table: Table = {"one": {"a": 'it\'s "quoted"', "with space": 3}, "two": {"list": ["x", "ü"], "none": []}}
    assert tomllib.loads(written("name", table)) == table
