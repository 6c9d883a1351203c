"""The JSON schema of an environment file, for editors that complete and check TOML while one writes."""

from __future__ import annotations

import types
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, PlainValidator

from .base import Model
from .documents import OF_A_FILE
from .lookup import entry_type, keys_of, model_of
from .schema import Environment

Schema = dict[str, object]
# A file with instances may write any value as an expression.
_EXPRESSION: Schema = {"type": "string", "pattern": r"\{\{"}
_KINDS: dict[object, Schema] = {
    str: {"type": "string"},
    bool: {"anyOf": [{"type": "boolean"}, _EXPRESSION]},
    int: {"anyOf": [{"type": "integer"}, _EXPRESSION]},
    float: {"anyOf": [{"type": "number"}, _EXPRESSION]},
}


def json_schema() -> Schema:
    """Return the schema of `hosts/NAME.toml`.

    It knows keys, kinds of values and their descriptions. Nothing is required, for a file may extend another one; what
    contradicts what, and what a text may say, `check --offline` tells.
    """
    table = _table(Environment)
    of_a_file = {key: {"type": "string", "description": meaning} for key, meaning in OF_A_FILE.items()}
    properties = table["properties"]
    assert isinstance(properties, dict)
    heading: Schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "An environment file of Hawser"}
    return {**heading, **table, "properties": {**of_a_file, **properties}}


def _table(model: type[Model]) -> Schema:
    properties = {
        key: {**_value(field.annotation, field.metadata), "description": field.description or _about(field.annotation)}
        for key, field in keys_of(model).items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _about(annotation: object) -> str:
    model = model_of(annotation) or model_of(entry_type(annotation))
    return (model.__doc__ or "").strip().partition("\n")[0] if model else ""


def _value(annotation: object, metadata: object = ()) -> Schema:
    """Return the schema of a type; one that reads values in its own way is described alone."""
    if any(isinstance(each, PlainValidator | BeforeValidator) for each in _listed(metadata)):
        return {}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        kinds = [_value(each) for each in arguments if each is not type(None)]
        return kinds[0] if len(kinds) == 1 else {} if {} in kinds else {"anyOf": kinds}
    if origin is Literal:
        return {"enum": list(arguments)}
    model = model_of(annotation)
    if model is not None:
        return _table(model)
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(arguments[1])}
    if origin is tuple:
        return _list(arguments[0])
    return dict(_KINDS.get(annotation, {}))


def _list(entry: object) -> Schema:
    """Return the schema of a list; a file that extends another one names the entries of its tables that it changes."""
    listed: Schema = {"type": "array", "items": _value(entry)}
    return listed if model_of(entry) is None else {"anyOf": [listed, {"type": "object"}]}


def _listed(metadata: object) -> tuple[object, ...]:
    return tuple(metadata) if isinstance(metadata, list | tuple) else ()
