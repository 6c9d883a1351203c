"""Backups, their place, and how long they stay: the table ``[backup]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import Model, Shape
from ..values.types import AbsolutePath, DatabaseName, Flag, Integer, RelativePath, unique


class Backup(Model):
    """Backups of the databases of `services.postgresql` and `services.mariadb`, and of files of SQLite."""

    sqlite: Annotated[tuple[RelativePath, ...], AfterValidator(unique), Shape("list: relative path")] = Field(
        default=(), description="Databases of SQLite, relative to `app.root`, in one of `persistent.folders`."
    )
    names: dict[RelativePath, DatabaseName] = Field(
        default_factory=dict,
        description="Names for those of `sqlite` that cannot be called as their file is, up to its first dot: "
        '`"jobs/db.sqlite3" = "jobs"`. Backups have the name that was given when they were made.',
    )
    folder: AbsolutePath | None = Field(
        default=None,
        description="Where backups lie, on the host of the database. Default: `/var/backups/hawser/NAME`.",
    )
    keep: Integer = Field(default=7, ge=1, le=1000, description="How many backups of a database stay.")
    days: Integer = Field(
        default=30,
        ge=1,
        le=3650,
        description="How old a backup may become, in days. The youngest of a database always stays, and when one is "
        "made, two good ones and two others go for their age at most.",
    )
    before_migrate: Flag | None = Field(
        default=None,
        description="Whether a deploy takes a backup before it migrates. Default: where there is a database that can "
        "be saved, unless nothing is pending or nothing has been deployed yet; `true`: every time.",
    )

    def name_of(self, path: str) -> str:
        """Return the name of one of `sqlite` in commands, and in the names of its backups."""
        return self.names.get(path) or path.rpartition("/")[2].partition(".")[0]
