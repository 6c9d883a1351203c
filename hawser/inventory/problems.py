"""Turns pydantic's errors into findings that name the key, say it in words, and suggest a value."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .base import InvalidValue, Loc, SettingError, did_you_mean
from .documents import OF_A_FILE, Table
from .lookup import keys_of, model_at
from .schema import Environment

_KINDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number with a fraction"),
    (str, "a string"),
    (dict, "a table"),
    (list, "a list"),
)


def findings_of(error: ValidationError) -> list[SettingError]:
    """Return one finding for each thing that is wrong with the tables themselves."""
    # A default that needs a broken key says nothing that the broken key has not said.
    details = (detail for detail in error.errors() if detail["type"] != "default_factory_not_called")
    return [_finding(detail) for detail in details]


def _finding(detail: ErrorDetails) -> SettingError:
    loc: Loc = tuple(part for part in detail["loc"] if part != "[key]")
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return SettingError(loc, "unknown key", known_keys(loc))
    if kind == "missing":
        return SettingError(loc, "is missing", _purpose(loc))
    if kind in _KINDS:
        return SettingError(loc, f"must be {_KINDS[kind]}, not {_name_of(value)}", _instead(kind, value, loc))
    if isinstance(wrong := context.get("error"), InvalidValue):
        return SettingError(loc, wrong.message, wrong.hint)
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        return SettingError(loc, f"must be one of {', '.join(choices)}, not {_shown(value)}", near)
    if kind == "greater_than_equal":
        return SettingError(loc, f"must be at least {context['ge']}, not {value}")
    if kind == "less_than_equal":
        return SettingError(loc, f"must be at most {context['le']}, not {value}")
    return SettingError(loc, detail["msg"][:1].lower() + detail["msg"][1:])


def known_keys(loc: Loc) -> str:
    """Suggest a key for the unknown one at `loc`."""
    model = model_at(Environment, loc[:-1])
    if model is None:
        return ""
    keys = [*keys_of(model), *(OF_A_FILE if model is Environment else [])]
    return did_you_mean(str(loc[-1]), keys, "keys here: " + ", ".join(keys))


def _purpose(loc: Loc) -> str:
    model = model_at(Environment, loc[:-1])
    field = keys_of(model).get(str(loc[-1])) if model else None
    return (field.description or "").split(". ")[0].rstrip(".") if field else ""


def _instead(kind: str, value: object, loc: Loc) -> str:
    """Suggest the value in the wanted type, where there is no doubt."""
    key = loc[-1] if isinstance(loc[-1], str) else ""
    before = f"{key} = " if key else ""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'write {before}"{_shown(value)}"'
    if kind == "int_type" and isinstance(value, str) and value.strip().isdigit():
        return f"write {before}{value.strip()}"
    if kind == "bool_type" and isinstance(value, str) and value.lower() in ("true", "false", "yes", "no"):
        return f"write {before}{'true' if value.lower() in ('true', 'yes') else 'false'}"
    if kind == "tuple_type" and isinstance(value, str | int | float):
        return f"write {before}[{_shown(value)}]"
    if kind == "model_type" and len(loc) == 1 and isinstance(value, list):
        return f"write [{key}] instead of [[{key}]]"
    return ""


def _name_of(value: object) -> str:
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "a date or time")


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def without(table: Mapping[str, object], locs: list[Loc]) -> Table:
    """Return `table` without the values at `locs`; where a key is missing there, without the table that misses it."""
    pruned = {key: _copy(value) for key, value in table.items()}
    for loc in locs:
        holders: list[tuple[Table, str]] = []
        current: object = pruned
        for part in loc:
            if isinstance(current, dict) and part in current:
                holders.append((current, str(part)))
                current = current[part]
            elif isinstance(current, list) and isinstance(part, int) and part < len(current):
                current = current[part]
            else:
                break
        if holders:
            holder, key = holders[-1]
            holder.pop(key, None)
    return pruned


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copy(entry) for key, entry in value.items()}
    return [_copy(entry) for entry in value] if isinstance(value, list) else value
