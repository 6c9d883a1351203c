"""What all ways to bring a backup back share: the journal of a restore, and names of databases beside another one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time

from .disk import read, remove, write_atomically

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping

START = "restore-"
# How far a restore has come, and what is true of the database then.
PHASES = {
    "saving": "the database is as it was",
    "loading": "the database is as it was",
    "swapping": "the database is as it was, or as in the backup",
    "replacing": "the database may be half restored",
    "finishing": "the database is as in the backup",
}


class Journal:
    """What is written down of a restore, from before anything is touched until nothing is left to do.

    :param state: the application's folder of records.
    """

    def __init__(self, state: str, engine: str, database: str) -> None:
        self.path = os.path.join(state, "%s%s-%s.json" % (START, engine, database))
        self.about = {"engine": engine, "database": database}
        self.found: Dict[str, Any] = parsed(read(self.path))

    def note(self, **more: Any) -> None:
        """Write down how far it has come."""
        self.found.update(more, **self.about)
        write_atomically(self.path, json.dumps(self.found).encode(), 0o600)

    def close(self) -> None:
        self.found = {}
        remove(self.path)

    def told(self) -> str:
        """Say what was begun and how far it came."""
        found = self.found
        where = PHASES.get(str(found.get("phase")), "how far it came is not known")
        return "the restore of %s from %s is not complete (%s)" % (found["database"], found.get("backup"), where)


def parsed(data: Any) -> Dict[str, Any]:
    try:
        found = json.loads((data or b"{}").decode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def journals(state: str) -> List[Mapping[str, Any]]:
    """Return the journals of the restores that were not completed."""
    try:
        names = sorted(os.listdir(state))
    except FileNotFoundError:
        return []
    ours = [name for name in names if name.startswith(START) and name.endswith(".json")]
    found = [parsed(read(os.path.join(state, name))) for name in ours]
    return [each for each in found if each]


def beside(name: str, word: str, end: str) -> str:
    """Name a database beside another one; a name too long for that ends with its hash, for others begin alike."""
    if len(name) > 40:
        name = "%s_%s" % (name[:31], hashlib.sha256(name.encode()).hexdigest()[:8])
    return "%s_%s_%s" % (name, word, end)


def moment() -> str:
    return time.strftime("%Y%m%dt%H%M%S", time.gmtime())


def is_former(found: str, name: str) -> bool:
    """Tell whether a database is what a restore of another one has set aside: the start alone would fit others too."""
    return re.match(re.escape(beside(name, "before", "")) + r"\d{8}t\d{6}$", found) is not None
