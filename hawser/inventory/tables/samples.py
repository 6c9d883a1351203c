"""Files made of those that the code brings along: ``[[settings]]`` and ``[[patches]]``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, model_validator

from ...resources import JSON
from ..base import InvalidValue, Model, Shape
from ..values.jinja import check_syntax
from ..values.types import (
    AnyPath,
    Count,
    Flag,
    Groups,
    InstanceName,
    Mode,
    RelativePath,
    Template,
    TemplatePath,
    Text,
    UnixName,
    unique,
)
from .files import ProcessNames

Format = Literal["json", "yaml", "ini", "python"]

_FORMATS: dict[str, Format] = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".ini": "ini",
    ".cfg": "ini",
    ".py": "python",
}


def _plain(value: object) -> JSON:
    if isinstance(value, str):
        return check_syntax(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    raise InvalidValue(
        f"a {type(value).__name__} is not what a settings file can hold", "text, numbers, lists and tables"
    )


def _format_of(path: str) -> Format:
    return _FORMATS.get(PurePosixPath(path).suffix, "json")


def _some(text: str) -> str:
    if not text:
        raise InvalidValue("must not be empty")
    return text


def _table(value: object) -> dict[str, JSON]:
    plain = _plain(value)
    if not isinstance(plain, dict):
        raise InvalidValue("must be a table")
    return plain


if TYPE_CHECKING:
    Table = dict[str, JSON]
else:
    # Pydantic would follow a type that holds itself for ever; `_table` is what checks it.
    Table = dict[str, object]
Values = Annotated[
    Table,
    PlainValidator(_table),
    PlainSerializer(lambda value: value),
    Shape("table: text (Jinja2), numbers, true or false, lists, tables"),
]
SomeText = Annotated[Text, AfterValidator(_some), Shape("text")]
Keys = Annotated[tuple[Text, ...], AfterValidator(unique), Shape("list: key")]


class SettingsEntry(Model):
    """A settings file made from the sample that the code brings along: its keys and types, the values from here."""

    path: AnyPath = Field(description="Where it goes: absolute, or relative to the code.")
    sample: TemplatePath = Field(
        default_factory=lambda data: f"{data['path']}.sample",
        description="The sample: relative to the code, or absolute, as `{{ builds.NAME.prefix }}/…` is; may be the "
        "file itself. Default: `path` with `.sample` at its end.",
    )
    format: Format = Field(
        default_factory=lambda data: _format_of(data["path"]),
        description="Its format. Default: by the extension of `path`, JSON for one that says nothing.",
    )
    values: Values = Field(
        default_factory=dict,
        description="The values that differ from the sample's, nested as there; each takes the type that it has there.",
    )
    template: RelativePath | None = Field(
        default=None,
        description="A template for the whole file, instead of `values`. A key that the sample has and the file lacks "
        "is an error.",
    )
    optional: Keys = Field(default=(), description="With `template`: keys of the sample that the file may lack.")
    new_keys: Flag = Field(default=False, description="Keys that the sample lacks are allowed.")
    mode: Mode = Field(default=0o640, description="Its mode.")
    owner: UnixName = Field(
        default="",
        validate_default=False,
        description="Its owner. Default: root for an absolute path, else `app.user`.",
    )
    group: UnixName = Field(default="", validate_default=False, description="Its group. Default: `app.group`.")
    restart: ProcessNames = Field(default=(), description="The processes that must restart when it changes.")
    early: Flag = Field(
        default=False,
        description="Write a file outside of the code before packages are installed and commands of `[release]` run, "
        "which may read it. What serves then may see it before it is replaced. Default: with the switch.",
    )
    groups: Groups = Field(default=(), description="The groups whose hosts get it. Default: every host.")
    instance: InstanceName | None = Field(default=None, description="What `{{ instance }}` in its template stands for.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.template and self.values:
            raise InvalidValue("has both values and a template", "remove one of the two")
        if self.optional and not self.template:
            raise InvalidValue("has optional keys, which are for a template", "remove optional")
        return self


class PatchEntry(Model):
    """A change to a file of the code, for programs that have to be edited; one that does not fit is an error."""

    path: RelativePath = Field(description="The file, relative to the code.")
    old: SomeText = Field(description="The exact text to replace.")
    new: Template = Field(description="What takes its place.")
    count: Count = Field(default=1, description="How often `old` must be there; all of them are replaced.")
    groups: Groups = Field(default=(), description="The groups whose hosts get it. Default: every host.")
