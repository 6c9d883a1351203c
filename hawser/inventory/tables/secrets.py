"""Where secrets are kept: the table ``[secrets]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Model
from ..values.types import Line, Seconds, matching, some, unique

SourceName = Literal["file", "age", "command", "variables"]
Prefix = Annotated[Line, AfterValidator(matching("[A-Za-z0-9_]*", "letters, digits and _, as in DEMO_", 100))]


class SecretsSettings(Model):
    """Where secrets are looked up; values stand in none of these settings."""

    sources: Annotated[tuple[SourceName, ...], AfterValidator(unique), AfterValidator(some)] = Field(
        default=("file",),
        description="Where secrets are looked up, in this order: what one has, those behind it are not asked for. "
        "`file`: `NAME.env` beside this file. `age`: `NAME.env.age`, which is encrypted and may lie in git. `command`: "
        "what a program of this machine prints. `variables`: those of the process, as CI sets them. What Hawser makes "
        "itself, it keeps in the first of `file` and `age` that stands here.",
    )
    command: tuple[Line, ...] = Field(
        default=(),
        description="The program and its arguments, for no shell: it prints lines of the form NAME=value, or a JSON "
        "object of texts. With `{name}` in an argument it is asked for one secret at a time, and prints its value "
        "alone.",
    )
    timeout: Seconds = Field(
        default=60, description="How long the command may take each time, with the time in which it asks for a PIN."
    )
    prefix: Prefix | None = Field(
        default=None,
        description="What stands before the name of a secret in that of its variable: with `DEMO_`, `SECRET_KEY` is "
        "the variable `DEMO_SECRET_KEY`. It may be empty, and must be written for `variables`.",
    )
