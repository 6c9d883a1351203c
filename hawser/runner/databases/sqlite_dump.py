"""Copies of SQLite databases, by SQLite's own online backup, also while programs use them.

The file lies in a folder of the service user, who may put a link or a pipe in its place at any moment. So all that
opens it runs as that user; root sees nothing but a stream of bytes.
"""

from __future__ import annotations

import os
import stat

from ..files.disk import NotThere, parent_of, stat_at
from ..files.records import parsed
from ..system import Failure
from .restoring import unanswered
from .workplace import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, List, Optional, Sequence

    from ..system import System
    from .restoring import Journal

PYTHON = "/usr/bin/python3"
# Bytes that a copy may have beyond what lies on the disk: a program goes on writing meanwhile.
GROWTH = 64 << 20
# Seconds for any copy, and the fewest bytes of it a second: its user could stop the program that makes it for ever.
PATIENCE, PACE = 600, 1 << 20

SAVE = """
import pathlib, shutil, sqlite3, sys
path, place = map(pathlib.Path, sys.argv[1:3])
made = place / "copy"
if not path.is_file():
    sys.exit(f"{path} is no file")
source, target = sqlite3.connect(path.as_uri() + "?mode=rw", timeout=60, uri=True), sqlite3.connect(made)
with target:
    source.backup(target)
said = target.execute("PRAGMA integrity_check").fetchone()[0]
source.close(), target.close()
if said != "ok":
    sys.exit(said)
with made.open("rb") as stream:
    shutil.copyfileobj(stream, sys.stdout.buffer)
"""
# Into the very file, in one transaction: whoever has it open goes on with what was brought back.
RESTORE = """
import os, pathlib, shutil, sqlite3, sys
path, place, mode = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
made, new = place / "copy", not os.path.lexists(path)
if not new and not path.is_file():
    sys.exit(f"{path} is no file")
with made.open("wb") as stream:
    shutil.copyfileobj(sys.stdin.buffer, stream)
if new:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.chmod(path, mode)
source, target = sqlite3.connect(made), sqlite3.connect(path.as_uri() + "?mode=rw", timeout=60, uri=True)
ask = lambda link, name: link.execute("PRAGMA " + name).fetchone()[0]
journal = ask(target, "journal_mode")
if journal == "wal" and ask(source, "page_size") != ask(target, "page_size"):
    ask(target, "journal_mode=DELETE")
with target:
    source.backup(target)
# Of the copy's header, this is no content.
if not new and ask(target, "journal_mode") != journal:
    ask(target, "journal_mode=" + journal)
said = ask(target, "integrity_check")
sys.exit(0 if said == "ok" else said)
"""

# On a copy that goes again, as the user whose database it is: what a query makes the program do, it may do anyway.
REHEARSE = """
import json, pathlib, shutil, sqlite3, sys
made = pathlib.Path(sys.argv[1]) / "copy"
with made.open("wb") as stream:
    shutil.copyfileobj(sys.stdin.buffer, stream)
link = sqlite3.connect(made.as_uri() + "?mode=ro", uri=True)
said = link.execute("PRAGMA integrity_check").fetchone()[0]
if said != "ok":
    sys.exit(said)
text = lambda rows: "\\n".join("|".join("" if each is None else str(each) for each in row) for row in rows)
answers = []
for query in sys.argv[2:]:
    try:
        answers.append(text(link.execute(query).fetchall()))
    except (sqlite3.Error, sqlite3.Warning) as error:
        answers.append({"error": str(error)})
print(json.dumps(answers))
"""


class Dump:
    """The copies of one file.

    :param user: the Unix user that it belongs to.
    """

    def __init__(self, system: System, path: str, user: str) -> None:
        self.system, self.path, self.user = system, path, user

    def status(self) -> Optional[os.stat_result]:
        """Return the status of the entry in the file's place, not of a link's target; None when there is no entry."""
        try:
            with parent_of(self.path) as (folder, name):
                return stat_at(name, folder)
        except NotThere:
            return None

    def there(self) -> bool:
        return self.status() is not None

    def size(self) -> int:
        found = [
            self.system.run(["stat", "-Lc", "%s", self.path + end], self.user, check=False) for end in ("", "-wal")
        ]
        return sum(int(each.output) for each in found if each.code == 0)

    def mode(self) -> int:
        found = self.status()
        return stat.S_IMODE(found.st_mode) if found and stat.S_ISREG(found.st_mode) else 0o644

    def save(self, target: BinaryIO, place: str) -> str:
        """Copy the file and prove that the copy is whole.

        :param place: a folder of the user.
        """
        if not self.there():
            raise Failure("there is no database %s on this host" % self.path)
        size = self.size()
        argv = [PYTHON, "-I", "-c", SAVE, self.path, place]
        receive(self.system, target, argv, self.user, {}, 2 * size + GROWTH, PATIENCE + size / PACE)
        return "SQLite"

    def restore(self, source: BinaryIO, journal: Journal, place: str, mode: int) -> str:
        """Give the file the contents of a copy; a missing file is made.

        :param mode: that of a new file.
        """
        journal.note(phase="replacing")
        source.seek(0)
        argv = [PYTHON, "-I", "-c", RESTORE, self.path, place, str(mode)]
        size = os.fstat(source.fileno()).st_size
        self.system.run(argv, self.user, timeout=PATIENCE + size / PACE, source=source.fileno())
        return ""

    def rehearse(self, source: BinaryIO, place: str, queries: Sequence[str]) -> List[str]:
        """Read a copy as its user would, somewhere else; return the answers.

        :param place: a folder of the user.
        """
        source.seek(0)
        argv = [PYTHON, "-I", "-c", REHEARSE, place, *queries]
        size = os.fstat(source.fileno()).st_size
        ended = self.system.run(
            argv, self.user, timeout=PATIENCE + size / PACE, source=source.fileno(), apart=True, whole=True
        )
        found = parsed(ended.output.encode(), list) or []
        for query, answer in zip(queries, found):
            if isinstance(answer, dict):
                raise unanswered(query, str(answer.get("error", "")))
        return [str(each) for each in found]
