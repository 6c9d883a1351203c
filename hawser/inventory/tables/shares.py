"""Folders that several hosts share: the tables ``[shares.NAME]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ..base import InvalidValue, Model
from ..values.types import AbsolutePath, Filesystem, GroupName, Groups, Line, MountOptions


class Share(Model):
    """A folder that is mounted on every host that needs it: by us, or by somebody else."""

    path: AbsolutePath = Field(
        description="Where it is mounted. The application's programs do not start on `clients` where it is not."
    )
    clients: Groups = Field(default=(), description="The groups whose hosts need it. Default: every host.")
    server: GroupName | None = Field(
        default=None,
        description="The host, or the group of one host, that exports it over NFS. Default: somebody else has it "
        "(`source`), or even mounts it; then it is only checked.",
    )
    folder: AbsolutePath | None = Field(
        default=None, description="The folder on the server, owned by `app.user`. Default: `/srv/shares/NAME`."
    )
    source: Line | None = Field(
        default=None, description="What to mount, where no host of ours has it: as in `nas.example.org:/contest`."
    )
    type: Filesystem = Field(default="nfs4", description="The kind of filesystem; `none` with `bind` for a folder.")
    options: MountOptions = Field(default="", description="Options of the mount, as in `/etc/fstab`.")

    @property
    def mounts(self) -> bool:
        """Whether we mount it."""
        return self.server is not None or self.source is not None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.server and self.source:
            raise InvalidValue("has both a server and a source", "remove one of the two")
        if self.folder and not self.server:
            raise InvalidValue("has a folder, which is for a server of ours", "add server, or remove folder")
        if self.server and self.type not in ("nfs", "nfs4"):
            raise InvalidValue(f"has a server, which exports over NFS, and the type {self.type}", 'write type = "nfs4"')
        # What a release keeps holds every key.
        if not self.mounts and (self.options or self.type != "nfs4"):
            raise InvalidValue("says how to mount it, but not what", "add server or source")
        return self
