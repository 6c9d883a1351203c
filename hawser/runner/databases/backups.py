"""Backups of databases: taken, proven readable, and kept for a while."""

from __future__ import annotations

import calendar
import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time

from ..files.disk import FOLDER, digest, digest_of, open_folder, read, remove, write_atomically
from ..files.records import parsed
from ..system import Change, Failure, Kind, account_of, how_it_ended, kill_group
from . import mariadb_dump, postgres_dump, sqlite_dump
from .restoring import BEFORE_MIGRATION, BEFORE_REMOVAL, BEFORE_RESTORE, BY_HAND, DAMAGED, Journal, journals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

    from ..specs.databases import BackupSpec, DatabaseSpec
    from ..system import System

# Seconds for one dump or one restore.
LONGEST = 6 * 3600
MAKING = ".making-"
NAME = re.compile(r"([^/]+)-([0-9]{8}T[0-9]{6}Z)\.(dump|sql\.gz|sqlite3)\Z")
# Good backups, and others, that go for their age when one is made: more would all go at once where a clock has jumped
# ahead.
AGED = 2
# Characters of a program's errors that are kept.
ERRORS = 64 * 1024


@contextlib.contextmanager
def own_folder(folder: str) -> Iterator[int]:
    """Yield an open folder of backups, which is made where there is none.

    Once it is open, its path may be used as well: it is root alone who could have it lead elsewhere.

    :raises Failure: somebody but root could exchange what lies there, the folder itself, or what leads to it.
    """

    def judge(handle: int, place: str) -> None:
        status = os.fstat(handle)
        others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid else 0)
        exchanged = status.st_mode & others and not status.st_mode & stat.S_ISVTX
        if status.st_uid not in (0, os.getuid()) or exchanged:
            raise Failure(
                "others than root may exchange what lies in %s, so no backup is safe in %s; next: another folder as"
                " backup.folder, or chown root and chmod go-w" % (place, folder)
            )

    above = open_folder(os.path.dirname(os.path.abspath(folder)), make=True, judge=judge)
    try:
        # Its names are nobody's business, but what a user is given in it has to be reached.
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.basename(os.path.abspath(folder)), 0o711, dir_fd=above)
    finally:
        os.close(above)
    handle = open_folder(folder, judge=judge)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def workplace(folder: str, user: str, state: str) -> Iterator[str]:
    """Yield a folder inside another one, with a folder ``own`` of a user in it; what a killed run left goes first.

    :param state: the application's records, for others may keep their backups in the same folder.
    """
    mine = MAKING + hashlib.sha256(state.encode()).hexdigest()[:8] + "-"
    account = account_of(user)
    with own_folder(folder) as handle:
        for name in os.listdir(handle):
            # An older version gave them eight digits alone.
            if name.startswith(mine) or re.fullmatch(re.escape(MAKING) + "[0-9a-f]{8}", name):
                remove(os.path.join(folder, name), recursive=True)
        name = mine + os.urandom(4).hex()
        place = os.path.join(folder, name)
        os.mkdir(name, 0o711, dir_fd=handle)
        try:
            os.mkdir(name + "/own", 0o700, dir_fd=handle)
            own = os.open(name + "/own", FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            try:
                os.fchown(own, account.pw_uid, account.pw_gid)
            finally:
                os.close(own)
            yield place
        finally:
            remove(place, recursive=True)


def receive(
    system: System,
    target: BinaryIO,
    argv: Sequence[str],
    user: str,
    env: Mapping[str, str],
    limit: Optional[int] = None,
    longest: float = LONGEST,
) -> None:
    """Run a program as a user and write its output to a file of ours.

    :param limit: bytes that it may write.
    :param longest: seconds that it may take.
    :raises Failure: it failed, or wrote more.
    """
    errors, written = bytearray(), 0

    def heard(name: str, part: bytes) -> None:
        nonlocal written
        if name == "err":
            errors.extend(part)
            del errors[:-ERRORS]
            return
        written += len(part)
        if limit is not None and written > limit:
            name = os.path.basename(argv[0])
            raise Failure("%s wrote more than the %d MiB that were expected" % (name, limit >> 20))
        target.write(part)

    child = system.spawn(argv, user, "/", env)
    try:
        in_time = system.attend(child, b"", heard, longest)
    except BaseException:
        kill_group(child.pid)
        child.wait()
        raise
    if not in_time or child.returncode:
        why = how_it_ended(child.returncode) if in_time else "is not done after %d s" % longest
        raise Failure("%s %s" % (os.path.basename(argv[0]), why), errors.decode("utf-8", "replace"))


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
        """Write a backup and prove that it can be read; return the version of what wrote it."""
        raise NotImplementedError

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        """Bring a backup back; return what became of the database that was there."""
        raise NotImplementedError

    def find_out(self, journal: Journal) -> None:
        """Write down that the database may be half restored where the server alone knows."""

    def settle(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        """Finish a restore that was broken off, or undo it where nothing was replaced; return whether it is finished.

        :param source: what the database is made of where half of it may be replaced.
        """
        raise NotImplementedError

    def details(self) -> Dict[str, Any]:
        """Return what is written down of the database beside a backup."""
        return {}

    def receive(self, target: BinaryIO, *arguments: Any) -> None:
        receive(self.system, target, *arguments)


class Postgresql(Engine):
    """A database of PostgreSQL, by pg_dump and pg_restore."""

    suffix = "dump"
    user = "postgres"

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.dump = postgres_dump.Dump(system, spec["database"], spec["owner"], LONGEST)

    def there(self) -> bool:
        return self.dump.there(self.spec["database"])

    def size(self) -> int:
        return self.dump.size()

    def save(self, target: BinaryIO, place: str) -> str:
        version = self.dump.save(target, self.receive)
        target.flush()
        self.dump.prove(target)
        return version

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        return self.dump.restore(source, journal, place)

    def settle(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        return self.dump.settle(journal.found)


class Mariadb(Engine):
    """A database of MariaDB, by mariadb-dump."""

    suffix = "sql.gz"
    user = "root"

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.dump = mariadb_dump.Dump(system, spec["database"], LONGEST)

    def there(self) -> bool:
        return self.dump.there(self.spec["database"])

    def size(self) -> int:
        return self.dump.size()

    def save(self, target: BinaryIO, place: str) -> str:
        version = self.dump.save(target, self.receive)
        target.flush()
        self.dump.prove(target)
        return version

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        return self.dump.restore(source, journal)

    def find_out(self, journal: Journal) -> None:
        self.dump.find_out(journal)

    def settle(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        return self.dump.settle(journal.found, source)


class Sqlite(Engine):
    """A file of SQLite."""

    suffix = "sqlite3"

    def __init__(self, spec: DatabaseSpec, system: System) -> None:
        super().__init__(spec, system)
        self.user = spec["owner"]
        self.dump = sqlite_dump.Dump(system, spec["path"], spec["owner"])

    def there(self) -> bool:
        return self.dump.there()

    def size(self) -> int:
        return self.dump.size()

    def save(self, target: BinaryIO, place: str) -> str:
        return self.dump.save(target, self.receive, os.path.join(place, "own"))

    def restore(self, source: BinaryIO, journal: Journal, place: str) -> str:
        mode = details(source.name).get("mode", 0o644)
        return self.dump.restore(source, journal, os.path.join(place, "own"), int(mode))

    def settle(self, journal: Journal, source: Optional[BinaryIO], place: str) -> bool:
        if journal.found.get("phase") != "replacing" or source is None:
            return False
        self.restore(source, journal, place)
        return True

    def details(self) -> Dict[str, Any]:
        return {"mode": self.dump.mode(), "path": self.spec["path"]}


ENGINES = {"postgresql": Postgresql, "mariadb": Mariadb, "sqlite": Sqlite}


class Backup(Kind):
    """See `hawser.resources.Backup`."""

    spec: BackupSpec

    def check(self) -> Optional[Change]:
        spec = self.spec
        if spec["may_lack"] and not os.path.lexists(spec["path"]):
            return None
        journal = Journal(self.system.state, spec["engine"], spec["database"])
        if journal.found:
            raise journal.refusal()
        return Change("backs up %s" % spec["database"])

    def apply(self, change: Change) -> None:
        self.thin_out(self.make(self.spec["why"]))

    def make(self, why: str) -> str:
        """Make a backup and return its name; it appears when it is proven, and nothing goes for it.

        :param why: what it is made for.
        """
        spec, folder = self.spec, self.spec["folder"]
        engine = ENGINES[spec["engine"]](spec, self.system)
        with own_folder(folder) as handle:
            need, free = engine.size(), shutil.disk_usage(handle).free
        if need > free:
            sizes = (folder, free >> 20, spec["database"], need >> 20)
            raise Failure("%s has %d MiB free, and a backup of %s may need %d" % sizes)
        self.clear_records()
        name = self.new_name(engine.suffix)
        number = 1 + max((each["number"] for each in listing(self.system, folder)), default=0)
        with workplace(folder, engine.user, self.system.state) as place:
            made = os.path.join(place, name)
            handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w+b") as target:
                version = engine.save(target, place)
                target.flush()
                os.fsync(handle)
                size = os.fstat(handle).st_size
            if not size:
                raise Failure("the backup of %s is empty" % spec["database"])
            about = dict(spec["entry"], why=why, size=size, sha256=digest(made), made_by=version, proven=True)
            about.update(engine.details(), number=number)
            write_atomically(os.path.join(folder, name + ".json"), json.dumps(about).encode() + b"\n", 0o600)
            os.rename(made, os.path.join(folder, name))
        return name

    def mine(self) -> List[Dict[str, Any]]:
        """Return the backups of this database, the youngest first: others of its name may be saved in that folder."""
        spec, found = self.spec, listing(self.system, self.spec["folder"])
        return [
            each
            for each in found
            if (each["database"], each["engine"]) == (spec["database"], spec["engine"])
            # An older version did not write down which file it was.
            and each["path"] in ("", spec["path"])
        ]

    def clear_records(self) -> None:
        """Remove what a run has written down of a backup and was killed before that took its place."""
        folder = self.spec["folder"]
        for name in os.listdir(folder):
            parts = NAME.match(name[: -len(".json")]) if name.endswith(".json") else None
            mine = parts is not None and parts.group(1) == self.spec["database"]
            if mine and not os.path.lexists(os.path.join(folder, name[: -len(".json")])):
                remove(os.path.join(folder, name))

    def new_name(self, suffix: str) -> str:
        """Return a name that no backup has yet: one of the same second may be just what shall be brought back."""
        while True:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = "%s-%s.%s" % (self.spec["database"], moment, suffix)
            if not os.path.lexists(os.path.join(self.spec["folder"], name)):
                return name
            time.sleep(0.1)

    def thin_out(self, made: str) -> None:
        """Remove what is too old or too many.

        Only good ones count, and those made on the way to a restore for themselves: a few restores in a row must not
        push out what they were to bring back. The youngest good ones stay, and what a restore is at.

        :param made: the backup for which this is done, which stays.
        """
        spec, found = self.spec, self.mine()
        open_ones = journals(self.system.state)
        if any(each["phase"] == DAMAGED for each in open_ones):
            # It may be any of them that a restore is at.
            return
        stay = {each.get(key) for each in open_ones for key in ("backup", "safety")} | {made}
        gone: List[str] = []
        for way in (True, False):
            kind = [each["name"] for each in found if each["proven"] and (each["why"] == BEFORE_RESTORE) is way]
            stay.update(kind[:1])
            gone += kind[spec["keep"] :]
        aged = [each for each in self.too_old(found) if each["name"] not in {*stay, *gone}]
        for good_ones in (True, False):
            gone += [each["name"] for each in aged if each["proven"] is good_ones][:AGED]
        for name in gone:
            if name not in stay:
                path = os.path.join(spec["folder"], name)
                remove(path)
                remove(path + ".json")

    def too_old(self, found: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield those that are too old, the oldest first.

        None is older than one that was made before it, whatever its clock said then.

        :param found: see `mine`.
        """
        oldest, made = time.time() - self.spec["days"] * 86400, 0.0
        for each in reversed(found):
            made = max(made, each["time"])
            if made < oldest:
                yield each


def details(path: str) -> Mapping[str, Any]:
    """Return what was written down beside a backup; nothing where that is lost."""
    try:
        return parsed(read(path + ".json"), dict) or {}
    except (OSError, Failure):
        return {}


def reason(about: Mapping[str, Any]) -> str:
    """Say why a backup was made; an older version wrote down the command that made it, and nothing else."""
    if about.get("why"):
        return str(about["why"])
    words = str(about.get("what", "")).split()
    known = {"db.restore": BEFORE_RESTORE, "remove": BEFORE_REMOVAL, "db.backup": BY_HAND}
    known.update(dict.fromkeys(("deploy", "resume", "rollback"), BEFORE_MIGRATION))
    return next((known[word] for word in words if word in known), "")


def good(path: str, status: os.stat_result, about: Mapping[str, Any]) -> bool:
    """Tell whether a backup was proven, and is still what was written then."""
    if not about.get("proven") or about.get("size", status.st_size) != status.st_size:
        return False
    # Read once more only where somebody was at it since: its record was written after it.
    with contextlib.suppress(OSError):
        if status.st_mtime > os.stat(path + ".json").st_mtime and about.get("sha256"):
            return bool(about["sha256"] == digest(path))
    return True


def listing(system: System, folder: str) -> List[Dict[str, Any]]:
    """Return the backups in a folder, the youngest first, also those whose details are lost."""
    found: List[Dict[str, Any]] = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    for name in names:
        parts = NAME.match(name)
        path = os.path.join(folder, name)
        status = os.lstat(path)
        if not parts or not stat.S_ISREG(status.st_mode):
            continue
        about = details(path)
        try:
            made = calendar.timegm(time.strptime(parts.group(2), "%Y%m%dT%H%M%SZ"))
        except ValueError:
            continue
        found.append(
            {
                "name": name,
                "database": parts.group(1),
                "engine": next(name for name, each in ENGINES.items() if each.suffix == parts.group(3)),
                "path": str(about.get("path", "")),
                "time": made,
                "size": status.st_size,
                "release": str(about.get("release", "")),
                "who": str(about.get("who", "")),
                "why": reason(about),
                "proven": good(path, status, about),
                "number": about["number"] if isinstance(about.get("number"), int) else 0,
            }
        )
    return in_order(found)


def in_order(found: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Sort backups, the youngest first, by the numbers of their records: a clock may have been wrong, and turned back.

    One without a number, of an older version or with a lost record, comes after those that its time is after.
    """

    def key(row: Mapping[str, Any]) -> Tuple[int, bool, float, str]:
        number = row["number"] or max(each["number"] for each in found if each["time"] <= row["time"])
        return (-number, bool(row["number"]), -row["time"], row["name"])

    return sorted(found, key=key)


def opened(folder: str, name: str) -> BinaryIO:
    """Open a backup that a name stands for.

    :raises Failure: there is none.
    """
    path = os.path.join(folder, name)
    if not NAME.match(name):
        raise Failure("%r is no name of a backup; next: db.list" % name)
    try:
        return open(path, "rb", opener=lambda place, flags: os.open(place, flags | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            raise Failure("there is no backup %s; next: db.list" % path) from None
        raise


def opened_whole(folder: str, name: str) -> BinaryIO:
    """Open a backup that is what was written then.

    :raises Failure: it is not, or there is none.
    """
    stream = opened(folder, name)
    about = details(stream.name)
    if about.get("sha256") and about["sha256"] != digest_of(stream):
        stream.close()
        raise Failure("%s is damaged: it is not what was written then; next: another one of db.list" % stream.name)
    stream.seek(0)
    return stream
