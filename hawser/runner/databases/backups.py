"""Backups of databases: taken, proven readable, and kept for a while."""

from __future__ import annotations

import calendar
import contextlib
import errno
import json
import os
import re
import shutil
import stat
import time

from ..files.disk import digest, digest_of, remove, write_atomically
from ..files.records import number
from ..system import Change, Failure, Kind
from .engines import ENGINES
from .restoring import BEFORE_MIGRATION, BEFORE_REMOVAL, BEFORE_RESTORE, BY_HAND, DAMAGED, Journal, details, journals
from .workplace import own_folder, workplace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Iterator, List, Mapping, Optional, Sequence, Tuple

    from ..specs.answers import Backup as BackupRow
    from ..specs.databases import BackupSpec, SavedSpec
    from ..system import System

NAME = re.compile(r"([^/]+)-([0-9]{8}T[0-9]{6}Z)\.(dump|sql\.gz|sqlite3)\Z")
# Good backups, and others, that go for their age when one is made: more would all go at once where a clock has jumped
# ahead.
AGED = 2


class Saving:
    """The making of one backup of a database."""

    def __init__(self, spec: SavedSpec, system: System) -> None:
        self.spec = spec
        self.system = system

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
        ordinal = 1 + max((each["number"] for each in listing(self.system, folder)), default=0)
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
            about.update(engine.details(), number=ordinal)
            write_atomically(os.path.join(folder, name + ".json"), json.dumps(about).encode() + b"\n", 0o600)
            os.rename(made, os.path.join(folder, name))
        return name

    def clear_records(self) -> None:
        """Remove the records of backups that never took their place, for the run was killed."""
        folder = self.spec["folder"]
        for name in os.listdir(folder):
            parts = NAME.match(name[: -len(".json")]) if name.endswith(".json") else None
            mine = parts is not None and parts.group(1) == self.spec["database"]
            if mine and not os.path.lexists(os.path.join(folder, name[: -len(".json")])):
                remove(os.path.join(folder, name))

    def new_name(self, suffix: str) -> str:
        """Return a name that no backup has yet: another one of the same second may be just about to be brought back."""
        while True:
            moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = "%s-%s.%s" % (self.spec["database"], moment, suffix)
            if not os.path.lexists(os.path.join(self.spec["folder"], name)):
                return name
            time.sleep(0.1)


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
        self.thin_out(Saving(self.spec, self.system).make(self.spec["why"]))

    def mine(self) -> List[BackupRow]:
        """Return the backups of this database, the youngest first: others of its name may be saved in that folder."""
        spec, found = self.spec, listing(self.system, self.spec["folder"])
        return [
            each
            for each in found
            if (each["database"], each["engine"]) == (spec["database"], spec["engine"])
            # An older version did not write down which file it was.
            and each["path"] in ("", spec["path"])
        ]

    def thin_out(self, made: str) -> None:
        """Remove superfluous backups: too old, or too many.

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

    def too_old(self, found: Sequence[BackupRow]) -> Iterator[BackupRow]:
        """Yield the backups that are too old, the oldest first.

        None is older than one that was made before it, whatever its clock said then.

        :param found: see `mine`.
        """
        oldest, made = time.time() - self.spec["days"] * 86400, 0.0
        for each in reversed(found):
            made = max(made, each["time"])
            if made < oldest:
                yield each


def reason(about: Mapping[str, object]) -> str:
    """Say why a backup was made; an older version wrote down the command that made it, and nothing else."""
    if about.get("why"):
        return str(about["why"])
    words = str(about.get("what", "")).split()
    known = {"db.restore": BEFORE_RESTORE, "remove": BEFORE_REMOVAL, "db.backup": BY_HAND}
    known.update(dict.fromkeys(("deploy", "resume", "rollback"), BEFORE_MIGRATION))
    return next((known[word] for word in words if word in known), "")


def good(path: str, status: os.stat_result, about: Mapping[str, object]) -> bool:
    """Tell whether a backup was proven, and is unchanged since."""
    if not about.get("proven") or about.get("size", status.st_size) != status.st_size:
        return False
    # Read once more only where somebody was at it since: its record was written after it.
    with contextlib.suppress(OSError):
        if status.st_mtime > os.stat(path + ".json").st_mtime and about.get("sha256"):
            return bool(about["sha256"] == digest(path))
    return True


def listing(system: System, folder: str) -> List[BackupRow]:
    """Return the backups in a folder, the youngest first, with or without details."""
    found: List[BackupRow] = []
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
                "number": number(about, "number"),
            }
        )
    return in_order(found)


def in_order(found: Sequence[BackupRow]) -> List[BackupRow]:
    """Sort backups, the youngest first, by the numbers of their records: a clock may have been wrong, and turned back.

    One without a number, of an older version or with a lost record, comes after those that its time is after.
    """

    def key(row: BackupRow) -> Tuple[int, bool, float, str]:
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
    """Open a backup that is unchanged since it was written.

    :raises Failure: it is not, or there is none.
    """
    stream = opened(folder, name)
    about = details(stream.name)
    if about.get("sha256") and about["sha256"] != digest_of(stream):
        stream.close()
        raise Failure("%s is damaged: it is not what was written then; next: another one of db.list" % stream.name)
    stream.seek(0)
    return stream
