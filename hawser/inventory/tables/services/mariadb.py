"""MariaDB: ``[services.mariadb]``."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from ...values.types import Charset, DatabaseName, Groups
from .server import Access, DatabaseServer, Owned


class MariadbDatabase(Owned):
    """A database of MariaDB with the role that may do everything in it."""

    charset: Charset = Field(default="utf8mb4", description="The character set of new tables.")
    clients: Groups = Field(default=(), description="Groups whose hosts may connect to it. Default: only its own host.")


class Mariadb(DatabaseServer):
    """A MariaDB server, for programs that speak MySQL."""

    PORT = 3306
    PROGRAM = "mariadbd"
    UNIT = "mariadb"
    LOGS = "/var/log/mysql/error.log"
    PACKAGES = ("mariadb-server",)

    databases: dict[DatabaseName, MariadbDatabase] = Field(default_factory=dict, description="Its databases.")

    def access(self) -> Iterator[Access]:
        for name, database in self.databases.items():
            yield Access(("databases", name), database.clients, database.password)

    def clients_of(self, owner: str) -> tuple[str, ...]:
        """Return the groups from whose hosts a role connects to any of its databases."""
        groups = (group for each in self.databases.values() if each.owner == owner for group in each.clients)
        return tuple(dict.fromkeys(groups))
