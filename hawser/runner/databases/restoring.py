"""Shared parts of all restores: the record of a backup, the journal of a restore, and names beside a database's."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time

from ..files.disk import read, remove, write_atomically
from ..files.records import parsed
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence

    from ..system import System

# What a backup is made for, as `db.list` shows it.
BEFORE_RESTORE, BEFORE_REMOVAL, BEFORE_MIGRATION = "before a restore", "before removal", "before a migration"
BY_HAND = "by hand"
START = "restore-"
# The phase that stands for a journal of which nothing can be read.
DAMAGED = "damaged"
# How far a restore has come, and what is true of the database then.
PHASES = {
    "saving": "the database is as it was",
    "loading": "the database is as it was",
    "swapping": "the database is as it was, or as in the backup",
    "replacing": "the database may be half restored",
    "finishing": "the database is as in the backup",
    DAMAGED: "how far it came is not known, for its record is damaged",
}


class Journal:
    """The journal of a restore, from before anything is touched until nothing is left to do.

    :param state: the application's folder of records.
    """

    def __init__(self, state: str, engine: str, database: str) -> None:
        self.path = os.path.join(state, "%s%s-%s.json" % (START, engine, database))
        self.about = {"engine": engine, "database": database}
        self.found: Dict[str, object] = entries(read(self.path))

    def note(self, **more: object) -> None:
        """Write down how far it has come."""
        self.found.update(more, **self.about)
        write_atomically(self.path, json.dumps(self.found).encode(), 0o600)

    def close(self) -> None:
        self.found = {}
        remove(self.path)

    def summary(self) -> str:
        """Return the restore and its phase in words."""
        found = self.found
        where = PHASES.get(str(found.get("phase")), "how far it came is not known")
        backup = found.get("backup", "a backup that is not known")
        return "the restore of %s from %s is not complete (%s)" % (self.about["database"], backup, where)

    def damaged(self) -> bool:
        return self.found.get("phase") == DAMAGED

    def refusal(self) -> Failure:
        """Return the failure of everything else that is to be done with the database, with the next move."""
        if self.damaged():
            way = "restore a backup; or, where the database is as it should be, remove %s" % self.path
        else:
            way = "resume, or the same restore again"
        return Failure("%s; next: %s" % (self.summary(), way))


def entries(data: Optional[bytes]) -> Dict[str, object]:
    """Return the entries of a journal; none where there is no journal."""
    if data is None:
        return {}
    found = parsed(data, dict)
    return found if found and found.get("phase") and found.get("backup") else {"phase": DAMAGED}


def journals(state: str) -> List[Mapping[str, object]]:
    """Return the journals of the restores that were not completed."""
    try:
        names = sorted(os.listdir(state))
    except FileNotFoundError:
        return []
    found: List[Mapping[str, object]] = []
    for name in names:
        if name.startswith(START) and name.endswith(".json"):
            engine, _, database = name[len(START) : -len(".json")].partition("-")
            found.append({"engine": engine, "database": database, **entries(read(os.path.join(state, name)))})
    return found


def details(path: str) -> Mapping[str, object]:
    """Return the record beside a backup; an empty one where that is lost."""
    try:
        return parsed(read(path + ".json"), dict) or {}
    except (OSError, Failure):
        return {}


def beside(name: str, word: str, end: str) -> str:
    """Name a database beside another one; a name too long for that ends with its hash, for others begin alike."""
    if len(name) > 40:
        name = "%s_%s" % (name[:31], hashlib.sha256(name.encode()).hexdigest()[:8])
    return "%s_%s_%s" % (name, word, end)


def is_rehearsal(found: str, name: str) -> bool:
    """Tell whether a drill of another database has made this one."""
    return re.fullmatch(re.escape(beside(name, "drill", "")) + "[0-9a-f]{6}", found) is not None


def answered(system: System, argv: Sequence[str], query: str, user: str, env: Mapping[str, str]) -> str:
    """Return the answer of a database that has come back, by a program that takes the query last.

    :raises Failure: there is none.
    """
    ended = system.run([*argv, query], user, env=env, apart=True, check=False)
    if ended.code:
        raise unanswered(query, ended.errors)
    return ended.output.strip()


def unanswered(query: str, said: str) -> Failure:
    """Return the failure of a question to a database that has come back.

    :param said: the reason, in its words.
    """
    told = "it came back, and does not answer %r" % query
    return Failure("%s; next: see whether the question is right, and the backup has what it asks for" % told, said)


def new_former(name: str, formers: Sequence[str]) -> str:
    """Return a new name for the database that a restore sets aside; that of this second may be taken."""
    while True:
        former = beside(name, "before", time.strftime("%Y%m%dt%H%M%S", time.gmtime()))
        if former not in formers:
            return former
        time.sleep(0.1)


def is_former(found: str, name: str) -> bool:
    """Tell whether a restore of another database has set this one aside; the start of the name would fit others too."""
    return re.fullmatch(re.escape(beside(name, "before", "")) + "[0-9]{8}t[0-9]{6}", found) is not None
