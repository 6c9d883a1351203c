"""Backups, their place, and how long they stay: the table ``[backup]``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ..base import InvalidValue, Model, Shape
from ..values.types import (
    AbsolutePath,
    DatabaseName,
    Flag,
    Groups,
    Integer,
    Line,
    Moments,
    PublicKey,
    RelativePath,
    SecretName,
    Template,
    VariableName,
    unique,
)

Kept = Annotated[int, Field(strict=True, ge=0, le=1000), Shape("number")]


def _answer(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise InvalidValue(f"{text!r} is no regular expression: {error}") from None
    return text


class Question(Model):
    """A question that `backup.drill` asks a database that was brought back."""

    database: DatabaseName = Field(description="The database, as backups name it.")
    query: Line = Field(description="SQL that reads.")
    answer: Annotated[str, AfterValidator(_answer), Shape("regular expression")] = Field(
        default=".+", description="What the whole answer has to fit: rows are lines, columns have `|` between them."
    )


class OffsiteKeep(Model):
    """How many of them stay, of each host."""

    daily: Kept = Field(default=7, description="How many days keep their last one.")
    weekly: Kept = Field(default=5, description="How many weeks keep their last one.")
    monthly: Kept = Field(default=12, description="How many months keep their last one.")


class Offsite(Model):
    """Backups that leave the host: encrypted, by restic, and made by a timer of the host."""

    repository: Template = Field(
        description="Where they lie, as restic writes it (Jinja2): `sftp:USER@HOST:/PATH`, "
        "`s3:https://HOST/BUCKET/PATH`, `rest:https://HOST/PATH`, or a folder. It is made when it is not there."
    )
    password: SecretName = Field(
        description="The secret that they are encrypted with. Keep it elsewhere, too: without it, nobody can read them."
    )
    variables: dict[VariableName, Template] = Field(
        default_factory=dict,
        description="Further variables of restic's (Jinja2), such as `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.",
    )
    host_key: PublicKey | None = Field(
        default=None,
        description="For SFTP: the public key of the server; any other key is refused. Who logs in is told by "
        "`backup.key`: each host has a key of its own.",
    )
    groups: Groups = Field(
        default=(),
        description="The hosts whose persistent folders are kept. Default: the leader's. Databases are kept on "
        "their own hosts.",
    )
    folders: Annotated[tuple[RelativePath, ...], AfterValidator(unique), Shape("list: relative path")] | None = Field(
        default=None, description="Of `persistent.folders`, those that are kept. Default: all."
    )
    schedule: Moments = Field(
        default="daily", description="When they are made (systemd.time), with up to half an hour of delay by chance."
    )
    keep: OffsiteKeep = Field(default=OffsiteKeep(), description="How many of them stay.")
    drill: tuple[Question, ...] = Field(
        default=(),
        description="What `backup.drill` asks. A database that is asked nothing has to have tables.",
    )
    max_age: Integer = Field(
        default=30,
        ge=1,
        le=10000,
        description="How old the last good one may be, in hours; `check` and `status` say so.",
    )


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

    offsite: Offsite | None = Field(default=None, description="Backups that leave the host. Default: none does.")

    def name_of(self, path: str) -> str:
        """Return the name of one of `sqlite` in commands, and in the names of its backups."""
        return self.names.get(path) or path.rpartition("/")[2].partition(".")[0]
