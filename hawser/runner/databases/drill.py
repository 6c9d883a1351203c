"""A drill: the newest backup that has left the host is brought back, and asked what a good one would answer."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import time

from ..system import Change, Failure, Kind
from .backups import listing, opened_whole
from .engines import ENGINES
from .offsite import LONGEST, Repository, note, snapshots
from .workplace import workplace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Tuple

    from ..specs.databases import BackupSpec, DrillSpec
    from ..specs.messages import Details
    from ..specs.offsite import Job

# Longer answers are cut in messages.
LONGEST_ANSWER = 200


class Drill(Kind):
    """See `hawser.resources.Drill`."""

    spec: DrillSpec
    snapshot = ""

    def check(self) -> Change:
        return Change("brings the newest one back, somewhere else, and asks it")

    def apply(self, change: Change) -> None:
        with open(self.spec["job"], encoding="utf-8") as stream:
            job: Job = json.load(stream)
        found = snapshots(self.system, self.spec["job"])
        if not found:
            raise Failure("no backup of this host is in the repository; next: backup.run")
        newest = found[0]
        hours = round((time.time() - newest["time"]) / 3600)
        if hours > self.spec["max_age"]:
            raise Failure("the newest backup, %s, is %d hours old; next: backup.run" % (newest["name"], hours))
        self.snapshot = newest["name"]
        told: List[str] = []
        with workplace(self.spec["folder"], pwd.getpwuid(os.getuid()).pw_name, self.system.state) as place:
            back = self.brought_back(job, newest["name"], place)
            self.compare_folders(job, back)
            for database in job["databases"]:
                told += self.asked(database, back)
        note(self.system.state, drilled=int(time.time()), drilled_snapshot=newest["name"])
        self.output = "\n".join(told)

    def facts(self) -> Details:
        return {"facts": {"snapshot": self.snapshot}} if self.snapshot else {}

    def brought_back(self, job: Job, snapshot: str, place: str) -> str:
        """Have restic bring a snapshot back; return the folder that stands for the root of the host.

        :raises Failure: there is no room for it, or it is damaged.
        """
        repository, back = Repository(job, self.system), os.path.join(place, "back")
        size = json.loads(repository.restic("stats", "--json", snapshot)[1]).get("total_size", 0)
        free = shutil.disk_usage(place).free
        if size > free:
            raise Failure("%s has %d MiB free, and the backup has %d" % (self.spec["folder"], free >> 20, size >> 20))
        # What the host remembers of the repository proves nothing.
        repository.restic("restore", snapshot, "--target", back, "--verify", "--no-cache", timeout=LONGEST)
        return back

    def compare_folders(self, job: Job, back: str) -> None:
        """See that each folder that is there, and not empty, has come back.

        :raises Failure: names one that has not.
        """
        for folder in job["folders"]:
            if os.path.isdir(folder) and os.listdir(folder) and not os.path.isdir(back + folder):
                raise Failure("%s is not in the backup" % folder)

    def asked(self, database: BackupSpec, back: str) -> List[str]:
        """Bring one database back, and ask it; return the questions with their answers.

        :raises Failure: it is not in the backup, is damaged, or answers otherwise than the settings say.
        """
        name, folder = database["database"], back + database["folder"]
        mine = [
            each
            for each in listing(self.system, folder)
            if (each["database"], each["engine"]) == (name, database["engine"]) and each["proven"]
        ]
        if not mine:
            if database["may_lack"] and not os.path.lexists(database["path"]):
                return []
            raise Failure("the database %s is not in the backup" % name)
        engine = ENGINES[database["engine"]](database, self.system)
        questions = self.questions(name) or [(engine.tables, "[1-9][0-9]*")]
        queries = [query for query, _expected in questions]
        # Beside the place in which all lies that has come back.
        apart = workplace(database["folder"], engine.user, self.system.state + "-drill")
        with apart as place, opened_whole(folder, mine[0]["name"]) as source:
            try:
                answers = engine.rehearse(source, place, queries)
            except Failure as failure:
                raise Failure("%s: %s" % (name, failure.message), failure.output) from None
        told = []
        for (query, expected), answer in zip(questions, answers):
            if not re.fullmatch(expected, answer, re.DOTALL):
                shown = (name, query, answer[:LONGEST_ANSWER], expected)
                raise Failure("%s: %s answers %r, and not %s" % shown)
            told.append("%s: %s: %s" % (name, query, answer[:LONGEST_ANSWER]))
        return told

    def questions(self, name: str) -> List[Tuple[str, str]]:
        """Return what the settings ask a database, each with the answer."""
        rows: List[Dict[str, str]] = self.spec["questions"]
        return [(each["query"], each["answer"]) for each in rows if each["database"] == name]
