"""The JSON schema: every file that the reader takes, it takes as well."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from hawser.inventory.json_schema import json_schema

HOSTS = Path(__file__).resolve().parents[3] / "hosts"
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def refused(schema, value, place=""):
    """Return the places that a schema refuses, as an editor does (JSON Schema, draft 7)."""
    if "anyOf" in schema:
        found = [refused(each, value, place) for each in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [place]
    kind = KINDS.get(schema.get("type"))
    if kind and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        return [place]
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return [place]
    wrong = []
    if isinstance(value, dict):
        more = schema.get("additionalProperties", {})
        for key, each in value.items():
            inner = schema.get("properties", {}).get(key, more)
            wrong += [f"{place}.{key}"] if inner is False else refused(inner, each, f"{place}.{key}")
    if isinstance(value, list):
        wrong += [
            bad
            for number, each in enumerate(value)
            for bad in refused(schema.get("items", {}), each, f"{place}[{number}]")
        ]
    return wrong


@pytest.mark.parametrize("path", sorted(HOSTS.glob("*.toml")), ids=lambda path: path.name)
def test_shipped_environment_files_fit_the_schema(path):
    assert refused(json_schema(), tomllib.loads(path.read_text())) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[release]\nbiuld = ['x']", ".release.biuld"),
        ("[app]\nkeep = true", ".app.keep"),
        ("[site]\nserver = 'lighttpd'", ".site.server"),
        ("[processes.web]\ncomand = 'x'", ".processes.web.comand"),
        ("[python]\npackages = 'six'", ".python.packages"),
    ],
)
def test_keys_that_nobody_knows_and_values_of_another_kind_are_refused(text, place):
    assert refused(json_schema(), tomllib.loads(text)) == [place]


def test_every_setting_is_described():
    def undescribed(schema, place=""):
        for key, each in schema.get("properties", {}).items():
            if not each.get("description"):
                yield f"{place}.{key}"
            yield from undescribed(each, f"{place}.{key}")

    assert [*undescribed(json_schema())] == []
