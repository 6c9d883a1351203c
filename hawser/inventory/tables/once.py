"""Commands that run once in the life of an environment: the table ``[once.NAME]``."""

from __future__ import annotations

from pydantic import Field

from ..base import Model
from ..values.types import Command, InstanceName, Template, VariableName


class OnceEntry(Model):
    """A command that runs once per environment, on the leader, after the migration and before the switch."""

    command: Command = Field(description="What, in the new release, as the app's user; without a terminal to ask on.")
    unless: Command | None = Field(
        default=None,
        description="A command that exits with 0 where it has been done already: by hand, or by a run that was killed "
        "before it could note it.",
    )
    environment: dict[VariableName, Template] = Field(
        default_factory=dict, description="More variables, for this command only; secrets may stand here."
    )
    instance: InstanceName | None = Field(
        default=None, description="The instance whose variables it gets. Default: the one that its name speaks of."
    )
