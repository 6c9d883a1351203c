"""Encrypted volumes: the tables ``[volumes.NAME]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import AbsolutePath, Groups, MountOptions, Template, UnitName, UnixNameOrNone, unique


class Volume(Model):
    """A device that is encrypted with LUKS and mounted once somebody has opened it with its passphrase."""

    device: AbsolutePath = Field(description="The device, such as `/dev/xvdc` or one under `/dev/disk/by-id`.")
    mount: AbsolutePath = Field(
        description="Where it is mounted. None of the application's programs starts on a host of `groups` before."
    )
    passphrase: Template = Field(description="What opens it, from the secrets.")
    groups: Groups = Field(default=(), description="The groups whose hosts have it. Default: every host.")
    filesystem: Literal["ext4", "xfs"] = Field(default="ext4", description="What `volumes.format` makes on it.")
    options: MountOptions = Field(default="nodev,nosuid", description="Options of the mount, as in `/etc/fstab`.")
    owner: UnixNameOrNone = Field(default="", description="The owner of its top folder. Default: `app.user`.")
    units: Annotated[tuple[UnitName, ...], AfterValidator(unique), Shape("list: unit")] = Field(
        default=(),
        description="Services of the system that do not start without it either, such as `mongod.service`; "
        "`volumes.open` starts them.",
    )
