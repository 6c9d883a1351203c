"""PostgreSQL: ``[services.postgresql]``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from ...values.types import DatabaseName, Flag, Groups, Line
from .server import Access, DatabaseServer, Owned


class Database(Owned):
    """A database with the role that owns it."""

    extensions: tuple[Line, ...] = Field(default=(), description="Extensions to create in it, such as `hstore`.")
    logins: Flag = Field(
        default=False,
        description="The application logs in as a role that is made for each password and acts as `owner`. So two are "
        "good at the same time, and `secrets.rotate` can change it. `{{ login('postgresql', 'NAME') }}` is its name, "
        "and stands where the application finds its database. Default: as `owner`, which has one password alone.",
    )
    clients: Groups = Field(default=(), description="Groups whose hosts may connect to it. Default: only its own host.")


class Postgresql(DatabaseServer):
    """A PostgreSQL server."""

    PORT = 5432
    PROGRAM = "postgres"
    UNIT = "postgresql"
    LOGS = "/var/log/postgresql/*.log"
    PACKAGES = ("postgresql",)

    databases: dict[DatabaseName, Database] = Field(default_factory=dict, description="Its databases.")

    def access(self) -> Iterator[Access]:
        for name, database in self.databases.items():
            yield Access(("databases", name), database.clients, database.password)
