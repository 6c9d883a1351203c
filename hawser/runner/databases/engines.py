"""The ways to save a database and to bring it back, one for each engine."""

from __future__ import annotations

import os

from ..files.records import number
from . import mariadb_dump, postgres_dump, sqlite_dump
from .restoring import details
from .workplace import LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Dict, List, Optional, Sequence, Union

    from ..specs.databases import DatabaseSpec
    from ..system import System
    from .restoring import Journal


class Engine:
    """One way to save a database.

    :param spec: database, owner, path.
    """

    suffix = ""
    user = ""

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        self.spec = spec
        self.system = system

    def there(self) -> bool:
        """Tell whether there is such a database."""
        raise NotImplementedError

    def size(self) -> int:
        """Return about how many bytes a backup may take."""
        raise NotImplementedError

    def save(self, target: BinaryIO, place: str) -> str:
        """Write a backup and prove that it can be read; return the name and version of the server."""
        raise NotImplementedError

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        """Bring a backup back; return a note on the fate of the former database."""
        raise NotImplementedError

    def find_out(self, journal: Journal) -> None:
        """Write down that the database may be half restored where the server alone knows."""

    def recover(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        """Finish a restore that was broken off, or undo it where nothing was replaced; return whether it is finished.

        :param source: what the database is made of where half of it may be replaced.
        """
        raise NotImplementedError

    # Asked where nobody has said what is to be asked: how many tables there are.
    tables = ""

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        """Bring a backup back into a place of its own, which goes again; return the answers to queries there."""
        raise NotImplementedError

    def details(self) -> Dict[str, object]:
        """Return the facts of the database for the record beside a backup."""
        return {}


class ServerEngine(Engine):
    """A database of a server, saved by a dump."""

    dump: Union[postgres_dump.Dump, mariadb_dump.Dump]

    def there(self) -> bool:
        return self.dump.there(self.spec["database"])

    def size(self) -> int:
        return self.dump.size()

    def save(self, target: BinaryIO, place: str) -> str:
        version = self.dump.save(target)
        target.flush()
        self.dump.prove(target)
        return version


class Postgresql(ServerEngine):
    """A database of PostgreSQL, by pg_dump and pg_restore."""

    suffix = "dump"
    user = "postgres"
    tables = (
        "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    dump: postgres_dump.Dump

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.dump = postgres_dump.Dump(system, spec["database"], spec["owner"], LONGEST)

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        return self.dump.restore(source, journal, place)

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        return self.dump.rehearse(source, place, queries)

    def recover(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        return self.dump.recover(journal.found)


class Mariadb(ServerEngine):
    """A database of MariaDB, by mariadb-dump."""

    suffix = "sql.gz"
    user = "root"
    tables = "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = database()"
    dump: mariadb_dump.Dump

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.dump = mariadb_dump.Dump(system, spec["database"], LONGEST)

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        return self.dump.restore(source, journal)

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        return self.dump.rehearse(source, queries)

    def find_out(self, journal: Journal) -> None:
        self.dump.find_out(journal)

    def recover(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        return self.dump.recover(journal.found, source)


class Sqlite(Engine):
    """A file of SQLite."""

    suffix = "sqlite3"
    tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table'"

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.user = spec["owner"]
        self.dump = sqlite_dump.Dump(system, spec["path"], spec["owner"])

    def there(self) -> bool:
        return self.dump.there()

    def size(self) -> int:
        return self.dump.size()

    def save(self, target: BinaryIO, place: str) -> str:
        return self.dump.save(target, os.path.join(place, "own"))

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        mode = number(details(source.name), "mode", 0o644)
        return self.dump.restore(source, journal, os.path.join(place, "own"), mode)

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        return self.dump.rehearse(source, os.path.join(place, "own"), queries)

    def recover(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        if journal.found.get("phase") != "replacing" or source is None:
            return False
        self.restore(source, journal, place)
        return True

    def details(self) -> Dict[str, object]:
        return {"mode": self.dump.mode(), "path": self.spec["path"]}


ENGINES = {"postgresql": Postgresql, "mariadb": Mariadb, "sqlite": Sqlite}
