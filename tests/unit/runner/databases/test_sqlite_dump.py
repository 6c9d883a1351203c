"""Copies of SQLite's files: what the service user puts in their place leads root nowhere."""

from __future__ import annotations

import contextlib
import os
import pwd
import sqlite3
import stat
from pathlib import Path

import pytest

from hawser.runner.databases.backups import Backup, listing
from hawser.runner.databases.removal import DatabaseGone
from hawser.runner.databases.restores import NoOpenRestore, Restore
from hawser.runner.databases.restoring import Journal
from hawser.runner.system import Failure

SECRET = "known to root alone"
USER = "nobody"
GONE = "site-20200101T000000Z.sqlite3"

root = pytest.mark.skipif(os.getuid() != 0, reason="acts as two users")


def write(path, text, mode=0o644):
    """Make a database with one row."""
    with contextlib.closing(sqlite3.connect(path)) as link, link:
        link.execute("CREATE TABLE IF NOT EXISTS entries (text)")
        link.execute("DELETE FROM entries")
        link.execute("INSERT INTO entries VALUES (?)", (text,))
    path.chmod(mode)


def read(path):
    with contextlib.closing(sqlite3.connect(path)) as link:
        return [row[0] for row in link.execute("SELECT text FROM entries")]


@pytest.fixture
def spec(tmp_path):
    for folder in (*tmp_path.parents, tmp_path):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    data = tmp_path / "data"
    data.mkdir()
    write(data / "site.sqlite3", "first", 0o640)
    if os.getuid() == 0:
        account = pwd.getpwnam(USER)
        for path in (data, data / "site.sqlite3"):
            os.chown(path, account.pw_uid, account.pw_gid)
    return {
        "database": "site",
        "engine": "sqlite",
        "owner": USER if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name,
        "path": str(data / "site.sqlite3"),
        "folder": str(tmp_path / "backups"),
        "keep": 100,
        "days": 30,
        "entry": {},
        "may_lack": False,
        "why": "",
    }


@pytest.fixture
def act(system):
    def act(kind, **spec):
        resource = kind(spec, system)
        change = resource.check()
        resource.apply(change)
        return resource

    return act


def pages(path):
    with contextlib.closing(sqlite3.connect(path)) as link:
        return {
            name: link.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "user_version", "application_id", "page_size")
        }


@pytest.mark.parametrize("journal", ["delete", "wal", "truncate"])
def test_everything_of_a_database_file_is_there_after_a_restore_as_before(spec, act, system, journal):
    path = Path(spec["path"])
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute("PRAGMA user_version = 7")
        link.execute("PRAGMA application_id = 9")
    act(Backup, **spec)
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute(f"PRAGMA journal_mode = {journal}")
    before, status = pages(path), path.stat()
    name = listing(system, spec["folder"])[0]["name"]
    act(Restore, **spec, name=name)
    assert pages(path) == before
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_ino) == (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_ino,
    )


def test_a_copy_with_other_pages_is_brought_back_into_a_file_with_a_log(spec, act, system):
    path = Path(spec["path"])
    act(Backup, **spec)
    name = listing(system, spec["folder"])[0]["name"]
    with contextlib.closing(sqlite3.connect(path)) as link:
        link.execute("PRAGMA page_size = 8192")
        link.execute("VACUUM")
        link.execute("PRAGMA journal_mode = wal")
    act(Restore, **spec, name=name)
    assert read(path) == ["first"]
    assert pages(path)["journal_mode"] == "wal"


def test_a_file_that_is_gone_comes_back_as_it_was(spec, act, system):
    act(Backup, **spec)
    path = Path(spec["path"])
    status = path.stat()
    path.unlink()
    act(Restore, **spec, name=listing(system, spec["folder"])[0]["name"])
    assert read(path) == ["first"]
    assert (path.stat().st_mode, path.stat().st_uid) == (status.st_mode, status.st_uid)
    assert len(listing(system, spec["folder"])) == 1


def test_a_restore_that_was_broken_off_is_finished_and_its_journal_closed(spec, act, system):
    act(Backup, **spec)
    name = listing(system, spec["folder"])[0]["name"]
    path = Path(spec["path"])
    write(path, "second", 0o640)
    journal = Journal(system.state, "sqlite", "site")
    journal.note(phase="replacing", backup=name)
    with pytest.raises(Failure, match=f"the restore of site from {name} is not complete"):
        act(Backup, **spec)
    assert act(NoOpenRestore, **spec).output == f"finished: site is as in {name}"
    assert read(path) == ["first"]
    assert not Journal(system.state, "sqlite", "site").found
    assert NoOpenRestore(spec, system).check() is None


def test_a_restore_whose_backup_is_gone_brings_back_what_was_there(spec, act, system):
    act(Backup, **spec)
    name = listing(system, spec["folder"])[0]["name"]
    write(Path(spec["path"]), "half", 0o640)
    Journal(system.state, "sqlite", "site").note(phase="replacing", backup="site-20200101T000000Z.sqlite3", safety=name)
    assert act(NoOpenRestore, **spec).output == "undone: site is as it was"
    assert read(Path(spec["path"])) == ["first"]


def break_off(spec, act, system, safety):
    """Leave half a restore from a backup that is there no more; return the backup that there is."""
    act(Backup, **spec)
    (name,) = [each["name"] for each in listing(system, spec["folder"])]
    write(Path(spec["path"]), "half", 0o640)
    more = {"safety": name} if safety else {}
    Journal(system.state, "sqlite", "site").note(phase="replacing", backup=GONE, **more)
    return name


@pytest.mark.parametrize("safety", [True, False])
def test_a_file_that_is_half_restored_is_made_whole_by_any_other_backup(spec, act, system, safety):
    name = break_off(spec, act, system, safety)
    said = act(Restore, **spec, name=name).output
    assert said == f"what was broken off is complete: the database is as in {name}"
    assert read(Path(spec["path"])) == ["first"]
    assert not Journal(system.state, "sqlite", "site").found


def test_the_same_restore_again_undoes_it_when_the_backup_is_gone(spec, act, system):
    break_off(spec, act, system, safety=True)
    with pytest.raises(Failure, match=f"there is no backup .*{GONE}; next: db.list"):
        act(Restore, **spec, name=GONE)
    assert read(Path(spec["path"])) == ["first"]
    assert not Journal(system.state, "sqlite", "site").found


def test_a_restore_is_not_finished_from_a_damaged_backup(spec, act, system):
    break_off(spec, act, system, safety=True)
    gone = Path(spec["folder"]) / GONE
    gone.write_bytes(b"x")
    Path(f"{gone}.json").write_text('{"sha256": "of something else"}')
    assert act(NoOpenRestore, **spec).output == "undone: site is as it was"
    assert read(Path(spec["path"])) == ["first"]


@root
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_thing_in_the_place_of_a_database_file_is_no_backup(spec, act, system, tmp_path, kind):
    secret, path = tmp_path / "secret", Path(spec["path"])
    write(secret, SECRET, 0o600)
    act(Backup, **spec)
    name = listing(system, spec["folder"])[0]["name"]
    path.unlink()
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    for resource, more in ((Backup, {}), (Restore, {"name": name})):
        with pytest.raises(Failure):
            act(resource, **spec, **more)
    assert len(listing(system, spec["folder"])) == 1
    assert read(secret) == [SECRET]


@root
def test_removing_the_file_follows_nobody(spec, system, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "site.sqlite3-wal").write_text("of somebody else")
    data = Path(spec["path"]).parent
    gone = DatabaseGone(spec, system)
    change = gone.check()
    server = gone.server()
    data.rename(tmp_path / "away")
    data.symlink_to(elsewhere)
    os.chown(data, pwd.getpwnam(USER).pw_uid, -1, follow_symlinks=False)
    assert change is not None
    with pytest.raises(Failure, match="is a link that root does not own"):
        server.drop()
    assert (elsewhere / "site.sqlite3-wal").exists()


@root
@pytest.mark.parametrize("change", ["owner", "mode", "above"])
def test_backups_lie_only_where_root_alone_may_exchange_them(spec, act, system, tmp_path, change):
    folder = tmp_path / "outer" / "backups"
    folder.mkdir(parents=True)
    place = folder.parent if change == "above" else folder
    if change == "mode":
        place.chmod(0o777)
    else:
        os.chown(place, pwd.getpwnam(USER).pw_uid, -1)
    with pytest.raises(Failure, match="others than root may exchange what lies in"):
        act(Backup, **{**spec, "folder": str(folder)})
    assert list(folder.iterdir()) == []


@root
@pytest.mark.parametrize("owner", ["root", USER])
def test_a_link_on_the_way_to_the_backups_is_root_s(spec, act, system, tmp_path, owner):
    safe, link = tmp_path / "safe", tmp_path / "link"
    safe.mkdir()
    link.symlink_to(safe)
    os.chown(link, pwd.getpwnam(owner).pw_uid, -1, follow_symlinks=False)
    if owner == "root":
        act(Backup, **{**spec, "folder": f"{link}/backups"})
        assert len(listing(system, f"{safe}/backups")) == 1
        assert stat.S_IMODE((safe / "backups").stat().st_mode) == 0o711
        return
    with pytest.raises(Failure, match="link is a link that root does not own"):
        act(Backup, **{**spec, "folder": f"{link}/backups"})
    assert list(safe.iterdir()) == []


@root
def test_a_link_of_root_s_does_not_make_a_folder_of_others_safe(spec, act, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, pwd.getpwnam(USER).pw_uid, -1)
    (theirs / "link").symlink_to(tmp_path)
    with pytest.raises(Failure, match=f"others than root may exchange what lies in {theirs},"):
        act(Backup, **{**spec, "folder": f"{theirs}/link/backups"})
    assert not (tmp_path / "backups").exists()
