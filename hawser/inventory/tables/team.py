"""Who works on the hosts: the tables ``[team.NAME]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..base import Model
from ..values.keys import LoginKeys


class Member(Model):
    """Somebody who logs in to the hosts, by the name of the user that Hawser makes there."""

    keys: LoginKeys = Field(
        description="The public keys to log in with, without options; no other key of theirs counts."
    )
    role: Literal["admin", "deploy"] = Field(
        description="`admin` becomes root by sudo, without a password, so can deploy. `deploy` is in the Unix group "
        "`APP-deploy`, and may do nothing by sudo but what `ssh.admin` leaves to it."
    )
