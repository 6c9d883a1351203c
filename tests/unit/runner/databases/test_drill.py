"""A drill proves a backup that has left the host, and fails on every other one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from hawser.runner.databases import drill as drills
from hawser.runner.databases.drill import Drill
from hawser.runner.databases.offsite import outcome_of, run
from hawser.runner.system import Failure

from ..conftest import names, whole

QUESTION = {"database": "site", "query": "SELECT text FROM entries", "answer": "first"}


@pytest.fixture
def drill(system, job, tmp_path: Path):
    def drill(*questions: dict[str, str], **changes: object) -> str:
        (tmp_path / "job.json").write_text(json.dumps({**job, **changes}))
        fields = {"job": f"{tmp_path}/job.json", "folder": f"{tmp_path}/backups", "max_age": 30}
        resource = Drill(whole("drill", {**fields, "questions": list(questions)}), system)
        resource.apply(resource.check())
        return resource.output

    return drill


def test_a_good_backup_answers_as_it_should(system, job, drill, tmp_path: Path) -> None:
    run(job, system)
    assert drill(QUESTION) == "site: SELECT text FROM entries: first"
    assert "count(*)" in drill()
    # What is there stays, and nothing is left behind.
    with sqlite3.connect(tmp_path / "site.sqlite3") as link:
        assert link.execute("SELECT text FROM entries").fetchall() == [("first",)]
    assert not [name for name in names(tmp_path / "backups") if name.startswith(".")]
    assert outcome_of(system.state)["drilled_snapshot"] == outcome_of(system.state)["snapshot"][:8]


def test_another_answer_fails_and_is_told(system, job, drill) -> None:
    run(job, system)
    with pytest.raises(Failure, match="answers 'first', and not second"):
        drill({**QUESTION, "answer": "second"})
    with pytest.raises(
        Failure, match=r"site: it came back, and does not answer 'SELECT 1 FROM nowhere'; next: "
    ) as told:
        drill({**QUESTION, "query": "SELECT 1 FROM nowhere"})
    assert told.value.output == "no such table: nowhere"


def test_without_a_backup_it_fails(system, job, drill) -> None:
    run({**job, "host": "web2"}, system)
    with pytest.raises(Failure, match="no backup of this host"):
        drill(QUESTION)


def test_an_empty_database_fails(system, job, drill, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "site.sqlite3") as link:
        link.execute("DROP TABLE entries")
    run(job, system)
    with pytest.raises(Failure, match="answers '0'"):
        drill()


def test_a_backup_of_another_application_fails(system, job, drill, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "site.sqlite3") as link:
        link.execute("DROP TABLE entries")
        link.execute("CREATE TABLE others (text)")
    run(job, system)
    with pytest.raises(Failure):
        drill(QUESTION)
    other = {**job["databases"][0], "database": "shop"}
    with pytest.raises(Failure, match="the database shop is not in the backup"):
        drill(databases=[other])


def test_a_dump_that_was_altered_before_it_left_fails(system, job, drill, tmp_path: Path, monkeypatch) -> None:
    from hawser.runner.databases.offsite import Repository

    keep = Repository.keep

    def altered(self, paths):
        made = Path(paths[0])
        with made.open("r+b") as stream:
            stream.seek(100)
            stream.write(b"x")
        os.utime(f"{made}.json", (made.stat().st_mtime + 10,) * 2)
        return keep(self, paths)

    monkeypatch.setattr(Repository, "keep", altered)
    run(job, system)
    with pytest.raises(Failure, match="is damaged"):
        drill(QUESTION)


def test_an_old_backup_and_a_missing_folder_fail(system, job, drill, tmp_path: Path, own_time) -> None:
    run(job, system)
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "file").write_text("x")
    with pytest.raises(Failure, match="late is not in the backup"):
        drill(folders=[f"{tmp_path}/late"])
    own_time(drills, time=lambda: time.time() + 31 * 3600)
    with pytest.raises(Failure, match="is 31 hours old"):
        drill(QUESTION)


def test_a_wrong_password_and_a_full_disk_fail(system, job, drill, tmp_path: Path, monkeypatch) -> None:
    run(job, system)
    with pytest.raises(Failure, match="restic snapshots failed"):
        drill(QUESTION, env={**job["env"], "RESTIC_PASSWORD": "another one"})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(Failure, match="MiB free, and the backup has"):
        drill(QUESTION)


def test_a_question_only_reads(system, job, drill, tmp_path: Path) -> None:
    run(job, system)
    with pytest.raises(Failure, match="does not answer 'DELETE FROM entries'; next: ") as told:
        drill({**QUESTION, "query": "DELETE FROM entries"})
    assert "readonly" in told.value.output
    assert subprocess.run(["restic", "check"], env={**os.environ, **job["env"]}, capture_output=True).returncode == 0
