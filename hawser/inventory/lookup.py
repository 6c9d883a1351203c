"""Finds the model behind a place in an environment file, for suggestions and for the reference."""

from __future__ import annotations

import types
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from .base import Loc, Model, Shape


def plain(annotation: object) -> object:
    """Return a type without its ``Annotated`` and its ``| None``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return plain(members[0]) if len(members) == 1 else annotation
    return annotation


def entry_type(annotation: object) -> object:
    """Return the type of the entries of a ``dict`` or ``tuple`` type, or None for any other."""
    bare = plain(annotation)
    arguments = get_args(bare)
    if get_origin(bare) is dict:
        return arguments[1]
    return arguments[0] if get_origin(bare) is tuple else None


def model_of(annotation: object) -> type[Model] | None:
    """Return the model that a type is, or None."""
    bare = plain(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Model) else None


def model_at(root: type[Model], loc: Loc) -> type[Model] | None:
    """Return the model of the table at `loc`, or None when there is no such table."""
    current: object = root
    for part in loc:
        model = model_of(current)
        if model is not None:
            field = keys_of(model).get(str(part))
            current = field.annotation if field else None
        else:
            current = entry_type(current)
    return model_of(current)


def keys_of(model: type[Model]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the keys that users write, without the fields that the loader fills in."""
    return {
        field.alias or name: field
        for name, field in model.model_fields.items()
        if not (model.__name__ == "Environment" and name in ("name", "path", "written", "contents"))
    }


def shape_of(field: FieldInfo) -> str:
    """Say in words which values a key takes."""
    return next((item.text for item in reversed(field.metadata) if isinstance(item, Shape)), "") or _shape(
        field.annotation
    )


def _shape(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((item.text for item in reversed(arguments) if isinstance(item, Shape)), "") or _shape(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_shape(member) for member in arguments if member is not type(None))
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in arguments)
    if origin is tuple:
        return f"list: {_shape(arguments[0])}"
    if origin is dict:
        entry = arguments[1]
        return f"table: {_shape(arguments[0])} = {'table' if model_of(entry) else _shape(entry)}"
    return "table" if model_of(annotation) else getattr(annotation, "__name__", str(annotation))
