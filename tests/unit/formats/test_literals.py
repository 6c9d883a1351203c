"""Python, JSON, YAML and URLs against their own readers."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hawser.formats import NotRepresentable, json_text, python_literal, url_quote, yaml_text

from .strategies import any_text, json_data

python_data = st.recursive(
    st.one_of(json_data, st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(any_text, st.integers(), st.none(), st.booleans()), inner, max_size=3),
    ),
    max_leaves=4,
)


@given(python_data)
def test_python_reads_every_literal_back(value: object) -> None:
    literal = python_literal(value)
    assert ast.literal_eval(literal) == value
    assert repr(ast.literal_eval(literal)) == repr(value)
    literal.encode("utf-8")


@given(json_data)
def test_json_reads_everything_back(value: object) -> None:
    assert repr(json.loads(json_text(value))) == repr(value)
    assert repr(json.loads(json_text(value, indent=2))) == repr(value)


@given(json_data)
def test_yaml_reads_everything_back_in_any_version(value: object) -> None:
    written = yaml_text(value)
    assert "\n" not in written
    assert repr(yaml.safe_load(written)) == repr(value)
    assert repr(yaml.safe_load(f"key:\n  - {written}\n")) == repr({"key": [value]})
    assert repr(json.loads(written)) == repr(value)  # JSON is what YAML 1.2 contains


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@given(json_data)
def test_libyaml_reads_the_same_from_yaml(value: object) -> None:
    assert repr(yaml.load(yaml_text(value), Loader=yaml.CSafeLoader)) == repr(value)


@pytest.mark.parametrize(
    "value",
    ["no", "on", "~", "null", "1e3", "0o7", "012", "1:30", "2024-01-01", "<<", "=", "!x", "&a", "*a", "- a", "{", ""],
)
def test_text_stays_text_in_yaml(value: str) -> None:
    assert yaml.safe_load(f"{yaml_text({value: value})}\n") == {value: value}


@pytest.mark.parametrize("value", [1e16, -1e-7, 1e300, 5e-324, 0.1, -0.0, 1e22])
def test_numbers_stay_numbers_in_yaml(value: float) -> None:
    assert repr(yaml.safe_load(yaml_text(value))) == repr(value)
    assert repr(json.loads(yaml_text(value))) == repr(value)


def test_literals_are_readable_for_people() -> None:
    assert json_text({"Grüße": ["a", 1, None, True]}) == '{"Grüße": ["a", 1, null, true]}'
    assert json_text({"a": [1]}, indent=2) == '{\n  "a": [\n    1\n  ]\n}'
    assert yaml_text({"Grüße": ["a", 1, None, True]}) == '{"Grüße": ["a", 1, null, true]}'
    assert python_literal({"Grüße": ["a", 1, None, True]}) == "{'Grüße': ['a', 1, None, True]}"
    assert python_literal((1,)) == "(1,)"


@pytest.mark.parametrize("write", [json_text, yaml_text])
def test_tuples_and_read_only_tables_are_data(write: Callable[[object], str]) -> None:
    assert json.loads(write(MappingProxyType({"a": (1, 2)}))) == {"a": [1, 2]}


@pytest.mark.parametrize("write", [python_literal, json_text, yaml_text])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.inf]}])
def test_numbers_that_are_not_finite_are_refused(write: Callable[[object], str], value: object) -> None:
    with pytest.raises(NotRepresentable, match="not finite"):
        write(value)


@pytest.mark.parametrize("write", [python_literal, json_text, yaml_text])
@pytest.mark.parametrize("value", [b"hunter2", {"hunter2"}, SimpleNamespace(a="hunter2"), [object()], 1j])
def test_what_is_no_plain_data_is_refused(write: Callable[[object], str], value: object) -> None:
    with pytest.raises(NotRepresentable, match="plain data") as refusal:
        write(value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("write", [json_text, yaml_text])
@pytest.mark.parametrize("key", [1, None, True])
def test_a_key_that_is_no_text_is_refused(write: Callable[[object], str], key: object) -> None:
    with pytest.raises(NotRepresentable, match="key that is no text"):
        write({key: 1})


def test_a_long_key_is_carried_as_long_as_yaml_takes_it() -> None:
    longest = {"x" * 1022: 1}
    assert yaml.safe_load(yaml_text(longest)) == longest
    with pytest.raises(NotRepresentable, match="1024 characters"):
        yaml_text({"x" * 1023: 1})


@given(any_text, any_text)
def test_a_url_carries_every_user_and_password(user: str, password: str) -> None:
    url = urlsplit(f"postgresql://u{url_quote(user)}:{url_quote(password)}@db:5432/demo")
    assert unquote(url.username or "") == f"u{user}"
    assert unquote(url.password or "") == password
    assert (url.hostname, url.port, url.path) == ("db", 5432, "/demo")
