"""Facts that Hawser knows of any service, beside its settings: its port, its names, its logs.

It stands with the tables of the environment file, for they lie below all that asks for it: contradictions between
ports, hosts, checks, explanations and tasks. How a service is set up stands in `tasks/services/`, in a module of the
same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import Field, model_validator

from ...base import Loc, Model
from ...values.types import DatabaseName, Groups, Template


@dataclass(frozen=True)
class Access:
    """A part of a server to which clients connect.

    :param at: its place in the server's table; empty for all of it.
    :param clients: the groups whose hosts may connect.
    :param password: as the file says it; None where there is none.
    """

    at: Loc
    clients: tuple[str, ...]
    password: str | None = None


class Server(Model):
    """A service that Hawser installs and sets up: its settings, and the facts that every one of them names."""

    # The TCP port; None for one that nobody connects to.
    PORT: ClassVar[int | None]
    # The program that listens there, as the kernel calls it: the name in /proc/PID/stat.
    PROGRAM: ClassVar[str]
    # Its service of systemd, without `.service`.
    UNIT: ClassVar[str]
    # Its log files, as a pattern of glob(7); empty for one that writes to the journal alone.
    LOGS: ClassVar[str]
    # The Debian packages that bring it.
    PACKAGES: ClassVar[tuple[str, ...]]
    # Whether it runs on every host when no groups are named; others have to say where they run.
    EVERYWHERE: ClassVar[bool] = False

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: the only host.")

    @classmethod
    def units(cls) -> tuple[str, ...]:
        """Return the units of systemd that are this service, as patterns: itself, and the instances of its template."""
        return (f"{cls.UNIT}.service", f"{cls.UNIT}@*.service")

    @classmethod
    def is_unit(cls, name: str) -> bool:
        """Whether a unit of systemd is this service."""
        return any(fnmatchcase(name, unit) for unit in cls.units())

    def access(self) -> Iterator[Access]:
        """Yield the parts that clients connect to."""
        raise NotImplementedError


def named_after_key(table: dict[str, object], key: str) -> dict[str, object]:
    """Return `table` whose entries have `key` set to their own name where it is not given."""
    return {name: {key: name, **entry} if isinstance(entry, dict) else entry for name, entry in table.items()}


class Owned(Model):
    """A database with the role that owns it."""

    owner: DatabaseName = Field(
        default="", validate_default=False, description="The role. Default: the database's name."
    )
    password: Template = Field(description="The role's password, from the secrets.")


class DatabaseServer(Server):
    """A server whose databases belong to roles, each named after its database unless it says otherwise."""

    databases: Mapping[DatabaseName, Owned]

    @model_validator(mode="before")
    @classmethod
    def _name_owners(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("databases"), dict):
            return {**data, "databases": named_after_key(data["databases"], "owner")}
        return data
