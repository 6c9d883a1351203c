"""Backups of SQLite and what holds for all: proven, kept by count and age, never half, and brought back whole."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from hawser.runner.databases import backups, sqlite_dump
from hawser.runner.databases.backups import Backup, Saving, listing
from hawser.runner.databases.restores import NoOpenRestore, Restore, left
from hawser.runner.databases.restoring import Journal, journals
from hawser.runner.system import Failure

from ..conftest import ME, names


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
        "why": "",
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


def stamp_of(age):
    """Return how a backup's name writes a moment some seconds ago."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - age))


def pretend(folder, stamp, end="sqlite3", **about):
    """Make what looks like a backup, and its record."""
    name = f"site-{stamp}.{end}"
    (folder / name).write_text("x")
    record = {"size": 1, "proven": True, "sha256": hashlib.sha256(b"x").hexdigest(), **about}
    (folder / f"{name}.json").write_text(json.dumps(record))
    return name


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


def test_a_restored_database_is_seen_by_a_program_that_has_it_open(base, save, restore):
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


def test_old_backups_and_too_many_go_but_never_the_youngest(save, spec, tmp_path, system):
    save()
    folder = tmp_path / "backups"

    for stamp in ("20200101T000000Z", "20200102T000000Z"):
        pretend(folder, stamp)
    (folder / "other-20200101T000000Z.sqlite3").write_text("")
    resource = Backup(spec, system)
    resource.thin_out("")
    assert [each["database"] for each in listing(system, str(folder))] == ["site", "other"]
    youngest = listing(system, str(folder))[0]["name"]
    for day in range(1, 5):
        pretend(folder, stamp_of(day * 3600))
    resource.thin_out("")
    mine = [each["name"] for each in listing(system, str(folder)) if each["database"] == "site"]
    assert len(mine) == 3 and mine[0] == youngest


@pytest.fixture
def clock(own_time):
    """Have the host's clock go wrong by some days; a second passes whenever it is looked at."""
    wrong = [0.0]

    def now():
        return time.time() + wrong[0]

    def gmtime():
        wrong[0] += 1
        return time.gmtime(now())

    own_time(backups, time=now, gmtime=gmtime)

    def turn(days):
        wrong[0] = days * 86400.0 + wrong[0] % 86400

    return turn


def test_a_clock_that_was_ahead_does_not_remove_what_is_made_after_it(save, spec, system, clock):
    clock(30)
    ahead = [save(), save(), save()]
    clock(0)
    made = [save(), save()]
    assert [each["name"] for each in listing(system, spec["folder"])] == [made[1], made[0], ahead[2]]


def test_a_clock_that_jumps_ahead_removes_few_by_age(save, spec, system, clock):
    spec["keep"] = 100
    made = [save() for _number in range(6)]
    clock(3650)
    made.append(save())
    assert [each["name"] for each in listing(system, spec["folder"])] == made[:1:-1]


def test_bad_backups_do_not_keep_good_ones_from_going_for_their_age(spec, tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    bad = [pretend(folder, stamp_of(90 * 86400 - number), proven=False) for number in range(4)]
    good = [pretend(folder, stamp_of(80 * 86400 - number)) for number in range(4)]
    Backup({**spec, "keep": 100}, system).thin_out("")
    left = {each["name"] for each in listing(system, str(folder))}
    assert [name for name in good if name in left] == good[2:]
    assert [name for name in bad if name in left] == bad[2:]


def test_a_clock_that_was_behind_makes_nothing_old(save, spec, system, clock):
    made = [save()]
    clock(-5000)
    made.append(save())
    clock(0)
    made.append(save())
    assert [each["name"] for each in listing(system, spec["folder"])] == made[::-1]


def test_a_backup_without_a_number_is_ordered_by_its_time(save, spec, system, tmp_path, clock):
    spec["keep"] = 4
    first = save()
    older, between = (pretend(tmp_path / "backups", stamp_of(age)) for age in (3600, -3600))
    clock(1)
    last = save()
    assert [each["name"] for each in listing(system, spec["folder"])] == [last, between, first, older]


def test_bad_backups_neither_count_nor_push_out_good_ones(save, spec, tmp_path, system):
    folder = tmp_path / "backups"
    made, good = save(), f"site-{stamp_of(7200)}.sqlite3"
    (folder / made).rename(folder / good)
    (folder / f"{made}.json").rename(folder / f"{good}.json")
    for number in range(5):
        pretend(folder, stamp_of(600 * (number + 1)), proven=number % 2 == 0, size=number)
    damaged = pretend(folder, stamp_of(60))
    (folder / damaged).write_text("y")
    os.utime(folder / damaged, (time.time() + 60, time.time() + 60))
    Backup({**spec, "keep": 1}, system).thin_out("")
    found = {each["name"]: each["proven"] for each in listing(system, str(folder))}
    assert [name for name, proven in found.items() if proven] == [good]
    assert len(found) == 7


def test_backups_made_before_a_restore_count_for_themselves(spec, tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    by_hand = [pretend(folder, stamp_of(86400 + 60 * number), why="by hand") for number in range(3)]
    for number in range(5):
        pretend(folder, stamp_of(60 * (number + 1)), why="before a restore")
    Backup(spec, system).thin_out("")
    found = [each["name"] for each in listing(system, str(folder))]
    assert found[3:] == by_hand and len(found) == 6


def test_no_backup_goes_that_a_restore_is_at(spec, tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    oldest = pretend(folder, "20200101T000000Z")
    for number in range(5):
        pretend(folder, stamp_of(60 * (number + 1)))
    Journal(system.state, "sqlite", "site").note(phase="loading", backup=oldest)
    Backup(spec, system).thin_out("")
    assert oldest in [each["name"] for each in listing(system, str(folder))]


def test_a_database_of_another_kind_with_the_same_name_keeps_its_backups(spec, tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    for number in range(5):
        pretend(folder, stamp_of(60 * (number + 1)))
        pretend(folder, stamp_of(60 * (number + 1)), end="dump")
    Backup(spec, system).thin_out("")
    assert len([each for each in listing(system, str(folder)) if each["name"].endswith(".dump")]) == 5


def test_a_file_of_another_application_with_the_same_name_keeps_its_backups(save, tmp_path, system):
    save()
    theirs = [
        pretend(tmp_path / "backups", stamp_of(60 * (number + 1)), path="/srv/other/site.db") for number in range(5)
    ]
    save()
    assert set(theirs) < {each["name"] for each in listing(system, f"{tmp_path}/backups")}


def test_the_backup_that_is_brought_back_stays_whatever_is_kept(base, save, restore, spec, tmp_path, system):
    first = save(keep=1)
    base.execute("DELETE FROM entries")
    base.commit()
    restore(first)
    assert rows(base) == ["first"]
    found = {each["name"]: each["why"] for each in listing(system, spec["folder"])}
    assert found.pop(first) == ""
    assert list(found.values()) == ["before a restore"]


def test_an_older_version_wrote_down_what_was_typed(tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    for number, what in enumerate(("db.restore latest", "bootstrap deploy", "db.backup", "remove --yes")):
        pretend(folder, stamp_of(60 * (number + 1)), what=what)
    whys = [each["why"] for each in listing(system, str(folder))]
    assert whys == ["before a restore", "before a migration", "by hand", "before removal"]


def test_a_backup_that_cannot_be_proven_is_none(save, spec, system, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_dump, "SAVE", "import sys; print('half'); sys.exit('no good')")
    with pytest.raises(Failure):
        save()
    assert listing(system, spec["folder"]) == []
    assert names(spec["folder"]) == []


def test_a_full_disk_is_told_before_anything_is_written(spec, system, monkeypatch):
    monkeypatch.setattr(sqlite_dump.Dump, "size", lambda self: 1 << 60)
    resource = Backup(spec, system)
    with pytest.raises(Failure, match="MiB free, and a backup of site may need"):
        resource.apply(resource.check())
    assert names(spec["folder"]) == []


def test_a_half_backup_of_a_killed_run_goes_with_the_next_one(save, spec):
    (Path(spec["folder"]) / ".making-12345678").mkdir(parents=True)
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


class Killed(BaseException):
    """Stands for SIGKILL: nothing that follows is done."""


def test_a_restore_begins_with_nothing_of_the_one_before_in_its_journal(save, restore, spec, system, monkeypatch):
    one, other = save(), save()
    Journal(system.state, "sqlite", "site").note(phase="loading", backup=one, safety=one, former="site_before_x")

    def killed(self, why):
        raise Killed

    monkeypatch.setattr(Saving, "make", killed)
    with pytest.raises(Killed):
        restore(other)
    found = Journal(system.state, "sqlite", "site").found
    assert set(found) == {"phase", "backup", "by", "engine", "database"}
    assert (found["phase"], found["backup"]) == ("saving", other)


@pytest.mark.parametrize("text", ["", '{"phase": "replac', "[]", '{"phase": "replacing"}', "null"])
def test_a_damaged_journal_of_a_restore_is_not_a_closed_one(base, save, restore, spec, system, text):
    name = save()
    journal = Journal(system.state, "sqlite", "site")
    Path(journal.path).write_text(text)
    told = "site from a backup that is not known is not complete .*; next: restore a backup; or, .*, remove "
    for resource in (Backup(spec, system), NoOpenRestore(spec, system)):
        with pytest.raises(Failure, match=told + journal.path):
            resource.check()
    (row,) = left(system, [{"database": "site", "engine": "sqlite"}])
    assert "its record is damaged" in row["what"] and row["backup"] == ""
    assert [each["database"] for each in journals(system.state)] == ["site"]
    base.execute("DELETE FROM entries")
    base.commit()
    restore(name)
    assert rows(base) == ["first"]
    assert NoOpenRestore(spec, system).check() is None


def test_no_backup_goes_while_nobody_knows_what_a_restore_is_at(spec, tmp_path, system):
    folder = tmp_path / "backups"
    folder.mkdir()
    for number in range(5):
        pretend(folder, stamp_of(60 * (number + 1)))
    Path(Journal(system.state, "sqlite", "other").path).write_text("")
    Backup(spec, system).thin_out("")
    assert len(listing(system, str(folder))) == 5
