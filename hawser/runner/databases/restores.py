"""Databases brought back from backups, and the recovery from interrupted restores."""

from __future__ import annotations

import contextlib

from ..system import Change, Failure, Kind
from .backups import Saving, opened, opened_whole
from .engines import ENGINES
from .postgres import Cluster
from .restoring import BEFORE_RESTORE, Journal
from .workplace import workplace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence

    from ..specs.answers import Left
    from ..specs.databases import DatabaseSpec, NoOpenRestoreSpec, RestoreSpec
    from ..specs.questions import NamedDatabase
    from ..system import System
    from .engines import Engine


class Restore(Kind):
    """See `hawser.resources.Restore`.

    A journal says what is done from before anything is touched. While it is there, no backup that it names goes.
    """

    spec: RestoreSpec

    def journal(self) -> Journal:
        return Journal(self.system.state, self.spec["engine"], self.spec["database"])

    def check(self) -> Optional[Change]:
        spec = self.spec
        if not spec["name"].endswith("." + ENGINES[spec["engine"]].suffix):
            raise Failure("%s is no backup of a database of %s" % (spec["name"], spec["engine"]))
        try:
            opened_whole(spec["folder"], spec["name"]).close()
        except Failure:
            if self.journal().found.get("backup") != spec["name"]:
                raise
            return Change("undoes the restore of %s from %s, which is there no more" % (spec["database"], spec["name"]))
        return Change("replaces the database %s by %s" % (spec["database"], spec["name"]))

    def apply(self, change: Change) -> None:
        spec = self.spec
        if self.finished():
            self.output = "what was broken off is complete: the database is as in %s" % spec["name"]
            return
        journal = self.journal()
        journal.note(phase="saving", backup=spec["name"], by=dict(spec["entry"]))
        try:
            self.bring_back(journal)
        except (Failure, OSError):
            # With words for the user, and time to put all back; a run that is killed leaves the journal.
            recover(spec, self.system)
            raise
        journal.close()

    def finished(self) -> bool:
        """Finish or undo a restore that was broken off; tell whether the database is as in this backup by now."""
        journal = self.journal()
        if not journal.found:
            return False
        if journal.found["phase"] == "replacing":
            # Half of it is there: what is asked for now makes it whole, wherever the first half came from.
            journal.note(backup=self.spec["name"], by=dict(self.spec["entry"]))
        former = journal.found.get("backup")
        if recover_from(self.spec, self.system, journal) and former == self.spec["name"]:
            return True
        # The check lets one pass that is there no more, so that what it has left is undone.
        opened_whole(self.spec["folder"], self.spec["name"]).close()
        return False

    def bring_back(self, journal: Journal) -> None:
        spec = self.spec
        engine = ENGINES[spec["engine"]](spec, self.system)
        if engine.there():
            journal.note(safety=Saving(spec, self.system).make(BEFORE_RESTORE))
        folder = spec["folder"]
        with opened(folder, spec["name"]) as source, workplace(folder, engine.user, self.system.state) as place:
            said = engine.restore(source, journal, place)
        kept = journal.found.get("safety")
        self.output = "\n".join([*([said] if said else []), *(["what was there is in %s" % kept] if kept else [])])


class NoOpenRestore(Kind):
    """See `hawser.resources.NoOpenRestore`."""

    spec: NoOpenRestoreSpec

    def check(self) -> Optional[Change]:
        spec = self.spec
        journal = Journal(self.system.state, spec["engine"], spec["database"])
        if journal.damaged():
            raise journal.refusal()
        if journal.found:
            return Change("finishes or undoes the restore of %s from %s" % (spec["database"], journal.found["backup"]))
        return Change("lets connections to %s again" % spec["database"]) if closed(spec, self.system) else None

    def apply(self, change: Change) -> None:
        spec = self.spec
        backup = Journal(self.system.state, spec["engine"], spec["database"]).found.get("backup")
        if recover(spec, self.system):
            self.output = "finished: %s is as in %s" % (spec["database"], backup)
        else:
            self.output = "undone: %s is as it was" % spec["database"]


def recover(spec: DatabaseSpec, system: System) -> bool:
    """Finish a restore that was broken off where it has begun to replace the database, else undo it.

    :returns: whether it was finished.
    :raises Failure: it can be neither.
    """
    journal = Journal(system.state, spec["engine"], spec["database"])
    if journal.damaged():
        raise journal.refusal()
    return recover_from(spec, system, journal)


def recover_from(spec: DatabaseSpec, system: System, journal: Journal) -> bool:
    """See `recover`; where nothing is known of the restore, only the possible remains of any are removed."""
    engine = ENGINES[spec["engine"]](spec, system)
    with workplace(spec["folder"], engine.user, system.state) as place:
        engine.find_out(journal)
        if journal.found.get("phase") == "replacing":
            done = replaced(engine, journal, spec["folder"], place)
        else:
            done = engine.recover(journal, None, place)
    journal.close()
    return done


def replaced(engine: Engine, journal: Journal, folder: str, place: str) -> bool:
    """Make a half-restored database anew: from the backup, or else from the backup of its former state."""
    backup, safety = str(journal.found.get("backup", "")), str(journal.found.get("safety", ""))
    try:
        with opened_whole(folder, backup) as source:
            engine.recover(journal, source, place)
    except Failure as failure:
        if not safety:
            raise Failure("%s: %s" % (journal.summary(), failure.message), failure.output) from None
        with opened_whole(folder, safety) as source:
            engine.recover(journal, source, place)
        return False
    return True


def closed(spec: NamedDatabase, system: System) -> bool:
    """Tell whether nobody may connect to a database, as an older version left it when it was killed in a restore."""
    return spec["engine"] == "postgresql" and Cluster(system).refuses(spec["database"])


def left(system: System, databases: Sequence[NamedDatabase]) -> List[Left]:
    """Return the defects of databases after interrupted restores.

    :param databases: dicts with database and engine.
    :returns: dicts with database, backup (empty where it is not known) and what.
    """
    found: List[Left] = []
    for each in databases:
        journal = Journal(system.state, each["engine"], each["database"])
        if journal.found:
            found.append(
                {
                    "database": each["database"],
                    "backup": str(journal.found.get("backup", "")),
                    "what": journal.summary(),
                }
            )
            continue
        with contextlib.suppress(Failure):
            # A server that is down is found elsewhere.
            if closed(each, system):
                what = "nobody may connect to the database %s" % each["database"]
                found.append({"database": each["database"], "backup": "", "what": what})
    return found
