"""Commands of your own in a rollout: the table ``[[hooks]]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..base import Model
from ..values.types import Command, Groups, Seconds, UnixName

Phase = Literal["rollout", "prepare", "migrate", "switch", "batch", "finish"]


class Hook(Model):
    """A command of your own before or after a phase of a rollout; variables tell it what is released."""

    before: Phase | None = Field(default=None, description="The phase before which it runs; a failure stops there.")
    after: Phase | None = Field(
        default=None,
        description="The phase after which it runs, when that went well; a failure is reported. After `rollout` it "
        "runs in any case, and `HAWSER_RESULT` says how it went.",
    )
    command: Command = Field(description="The command, for a shell.")
    on: Literal["hosts", "leader", "here"] = Field(
        default="hosts", description="Where: on the hosts of the phase, on the leader, or on the controlling machine."
    )
    groups: Groups = Field(default=(), description="Only on the hosts of these groups. Default: on all.")
    user: UnixName | None = Field(default=None, description="Its Unix user on a host. Default: `app.user`.")
    timeout: Seconds = Field(default=600, description="How long it may take.")
