"""Backups of SQLite and what holds for all: proven, kept by count and age, never half, and brought back whole."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from hawser.runner import backups
from hawser.runner.backups import Backup, Restore, listing
from hawser.runner.system import Failure

from .conftest import ME, names


@pytest.fixture
def base(tmp_path):
    """A database with one row, in use by a program that has it open."""
    tmp_path.chmod(0o755)
    path = tmp_path / "site.sqlite3"
    link = sqlite3.connect(path)
    link.execute("PRAGMA journal_mode=WAL")
    link.execute("CREATE TABLE entries (text)")
    link.execute("INSERT INTO entries VALUES ('first')")
    link.commit()
    yield link
    link.close()


@pytest.fixture
def spec(base, tmp_path):
    return {
        "database": "site",
        "engine": "sqlite",
        "owner": ME,
        "path": f"{tmp_path}/site.sqlite3",
        "folder": f"{tmp_path}/backups",
        "keep": 3,
        "days": 30,
        "entry": {"who": "ann", "release": "r1"},
        "may_lack": False,
    }


@pytest.fixture
def save(spec, system):
    def save(**changes):
        before = {each["name"] for each in listing(system, spec["folder"])}
        resource = Backup({**spec, **changes}, system)
        resource.apply(resource.check())
        return next(each["name"] for each in listing(system, spec["folder"]) if each["name"] not in before)

    return save


@pytest.fixture
def restore(spec, system):
    def restore(name):
        resource = Restore({**spec, "name": name}, system)
        change = resource.check()
        resource.apply(change)

    return restore


def rows(base):
    return [row[0] for row in base.execute("SELECT text FROM entries")]


def test_a_backup_is_whole_and_only_for_root_and_says_where_it_comes_from(save, spec, tmp_path, system):
    name = save()
    path = tmp_path / "backups" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sqlite3.connect(path).execute("SELECT text FROM entries").fetchall() == [("first",)]
    about = json.loads((tmp_path / "backups" / f"{name}.json").read_text())
    assert (about["who"], about["release"], about["proven"], about["size"]) == ("ann", "r1", True, path.stat().st_size)
    (found,) = listing(system, spec["folder"])
    assert (found["database"], found["proven"]) == ("site", True)
    assert abs(found["time"] - time.time()) < 60


def test_what_is_brought_back_is_seen_by_a_program_that_has_the_database_open(base, save, restore):
    name = save()
    base.execute("DELETE FROM entries")
    base.commit()
    restore(name)
    assert rows(base) == ["first"]
    base.execute("INSERT INTO entries VALUES ('second')")
    base.commit()


def test_a_damaged_backup_is_refused_and_the_database_stays(base, save, restore, tmp_path):
    name = save()
    with (tmp_path / "backups" / name).open("r+b") as stream:
        stream.seek(100)
        stream.write(b"damage")
    base.execute("INSERT INTO entries VALUES ('second')")
    base.commit()
    with pytest.raises(Failure, match="is damaged"):
        restore(name)
    assert rows(base) == ["first", "second"]


def test_two_backups_of_the_same_second_are_two(base, save, restore):
    # A restore saves what is there first: under the name of the backup that it is asked for, this would replace it.
    first = save()
    base.execute("DELETE FROM entries")
    base.commit()
    assert save() != first
    restore(first)
    assert rows(base) == ["first"]


def test_a_backup_that_is_not_there_is_refused(restore):
    with pytest.raises(Failure, match="there is no backup"):
        restore("site-20300101T000000Z.sqlite3")


def test_old_ones_and_too_many_go_but_never_the_youngest(save, spec, tmp_path, system):
    save()
    folder = tmp_path / "backups"

    def pretend(stamp):
        (folder / f"site-{stamp}.sqlite3").write_text("")

    for stamp in ("20200101T000000Z", "20200102T000000Z"):
        pretend(stamp)
    (folder / "other-20200101T000000Z.sqlite3").write_text("")
    resource = Backup(spec, system)
    resource.thin_out()
    assert [each["database"] for each in listing(system, str(folder))] == ["site", "other"]
    youngest = listing(system, str(folder))[0]["name"]
    for day in range(1, 5):
        pretend(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - day * 3600)))
    resource.thin_out()
    mine = [each["name"] for each in listing(system, str(folder)) if each["database"] == "site"]
    assert len(mine) == 3 and mine[0] == youngest
    os.utime(folder / youngest)


def test_a_backup_that_cannot_be_proven_is_none(save, spec, system, tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "SQLITE_COPY", "import sys; open(sys.argv[2], 'w'); sys.exit('no good')")
    with pytest.raises(Failure):
        save()
    assert listing(system, spec["folder"]) == []
    assert names(spec["folder"]) == []


def test_a_full_disk_is_told_before_anything_is_written(spec, system, monkeypatch):
    monkeypatch.setattr(backups.Sqlite, "size", lambda self: 1 << 60)
    resource = Backup(spec, system)
    with pytest.raises(Failure, match="MiB free, and a backup of site may need"):
        resource.apply(resource.check())
    assert names(spec["folder"]) == []


def test_what_a_killed_run_has_left_goes_with_the_next(save, spec):
    (Path(spec["folder"]) / ".making-1234").mkdir(parents=True)
    name = save()
    assert names(spec["folder"]) == [name, f"{name}.json"]


def test_a_backup_whose_details_are_lost_is_still_listed(save, spec, system, tmp_path):
    name = save()
    (tmp_path / "backups" / f"{name}.json").unlink()
    (found,) = listing(system, spec["folder"])
    assert (found["name"], found["proven"]) == (name, False)


def test_a_database_that_no_migration_has_made_yet_needs_no_backup(spec, system, tmp_path):
    missing = {**spec, "path": f"{tmp_path}/later.sqlite3"}
    assert Backup({**missing, "may_lack": True}, system).check() is None
    assert Backup({**spec, "may_lack": True}, system).check() is not None
    resource = Backup(missing, system)
    with pytest.raises(Failure, match="there is no database"):
        resource.apply(resource.check())
