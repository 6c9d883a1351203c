"""Programs built from source on the hosts, once for each state of the source: the tables ``[builds.NAME]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import Command, Groups, RelativePath, Seconds, Template, VariableName, some, unique

Paths = Annotated[tuple[RelativePath, ...], AfterValidator(unique), Shape("list: relative path")]


class Build(Model):
    """A part of the code that is compiled or installed before it can be used."""

    commands: Annotated[tuple[Command, ...], AfterValidator(some), Shape("list: command (Jinja2)")] = Field(
        description="What to run, one after the other, in a copy of `inputs`, as the app's user. `{{ prefix }}`, and "
        "`$PREFIX`, is the folder to install into."
    )
    inputs: Paths = Field(
        default=(),
        description="The files and folders of the code that it is made of. It is built again when git has another "
        "state of them, or when the commands change. Default: all of the code.",
    )
    directory: RelativePath | None = Field(
        default=None, description="Where the commands run, relative to the code. Default: its top folder."
    )
    outputs: Paths = Field(
        default=(),
        description="Files and folders, relative to the code, that the commands leave there: each release gets them in "
        "its code. Default: none, and the commands install into `{{ prefix }}`.",
    )
    environment: dict[VariableName, Template] = Field(default_factory=dict, description="Variables for the commands.")
    timeout: Seconds = Field(default=3600, description="How long each command may take.")
    groups: Groups = Field(default=(), description="The groups whose hosts build it. Default: all that need the code.")
