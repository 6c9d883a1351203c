"""Commands that run once in the life of an environment: the table ``[once.NAME]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..base import Model
from ..values.types import Command, InstanceName, Template, VariableName


class OnceEntry(Model):
    """A command that runs once per environment, on the leader, before the switch and after the migration."""

    command: Command = Field(description="What, in the new release, as the app's user; without a terminal to ask on.")
    unless: Command | None = Field(
        default=None,
        description="A command that exits with 0 where it has been done already, by hand or by a run that was killed "
        "before it could note it, and with another status where it has not. One that cannot run, or ends with Python's "
        "traceback, is a failure and no answer.",
    )
    before: Literal["migrate"] | None = Field(
        default=None,
        description="`migrate`: it runs before the first migration, after the backup; for an application that must be "
        "installed before it can be migrated. Default: after it.",
    )
    environment: dict[VariableName, Template] = Field(
        default_factory=dict, description="More variables, for this command only; secrets may stand here."
    )
    instance: InstanceName | None = Field(
        default=None, description="The instance whose variables it gets. Default: the one that its name speaks of."
    )
