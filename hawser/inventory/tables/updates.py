"""Updates of the hosts' own packages: the table ``[updates]``."""

from __future__ import annotations

from pydantic import Field

from ..base import Model
from ..values.types import Flag


class Updates(Model):
    """How hosts get security updates by themselves."""

    unattended: Flag = Field(
        description="Whether every host installs them by itself, each night, with Debian's `unattended-upgrades`; it "
        "boots nothing. `false`: it does not, also where that package is installed."
    )
