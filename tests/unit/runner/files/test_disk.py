"""Files that appear whole, and folders that nobody leads us out of."""

from __future__ import annotations

import ast
import os
import shutil
import stat
from pathlib import Path

import pytest

from hawser.runner.files import disk
from hawser.runner.files.disk import (
    Noted,
    NotThere,
    clear_up,
    link_atomically,
    note,
    open_folder,
    parent_of,
    read,
    read_itself,
    remove,
    scratch,
    write_atomically,
)
from hawser.runner.system import Failure

from ..conftest import names

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="makes another user's links")
NOBODY = 65534


@pytest.fixture(autouse=True)
def no_note(monkeypatch):
    monkeypatch.setattr(Noted, "path", "")


def walk(path, make=False):
    """Return where the folder lies to which a path leads."""
    handle = open_folder(str(path), make)
    try:
        return str(Path(f"/proc/self/fd/{handle}").readlink())
    finally:
        os.close(handle)


class TestWriting:
    def test_a_file_has_its_content_and_mode_whatever_the_mask(self, tmp_path):
        before = os.umask(0o077)
        try:
            write_atomically(str(tmp_path / "a"), b"text", 0o644)
        finally:
            os.umask(before)
        assert (tmp_path / "a").read_bytes() == b"text"
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644

    @needs_root
    def test_a_written_file_belongs_to_its_owner_and_group(self, tmp_path):
        write_atomically(str(tmp_path / "a"), b"", 0o600, NOBODY, NOBODY)
        status = (tmp_path / "a").stat()
        assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)

    def test_a_reader_that_has_the_old_file_open_reads_on_in_it(self, tmp_path):
        (tmp_path / "a").write_text("old")
        with (tmp_path / "a").open() as reader:
            write_atomically(str(tmp_path / "a"), b"new", 0o644)
            assert reader.read() == "old"

    def test_the_longest_name_that_a_disk_takes_will_do(self, tmp_path):
        name = "ü" * 127 + "x"
        write_atomically(str(tmp_path / name), b"", 0o644)
        assert names(tmp_path) == [name]

    def test_a_link_in_the_way_is_replaced_and_its_target_left_alone(self, tmp_path):
        (tmp_path / "target").write_text("theirs")
        (tmp_path / "a").symlink_to("target")
        write_atomically(str(tmp_path / "a"), b"ours", 0o644)
        assert not (tmp_path / "a").is_symlink()
        assert (tmp_path / "target").read_text() == "theirs"

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(Failure, match=f"the folder {tmp_path}/no does not exist"):
            write_atomically(str(tmp_path / "no" / "a"), b"", 0o644)

    def test_a_link_is_turned_without_ever_being_gone(self, tmp_path):
        path = str(tmp_path / "link")
        link_atomically(path, "one")
        link_atomically(path, "two")
        assert (tmp_path / "link").readlink() == Path("two")
        assert names(tmp_path) == ["link"]


class TestReading:
    def test_a_file_that_is_not_there_reads_as_none(self, tmp_path):
        assert read(str(tmp_path / "no")) is None

    def test_a_link_is_never_read_as_a_file_of_ours(self, tmp_path):
        (tmp_path / "shadow").write_text("secret")
        (tmp_path / "a").symlink_to("shadow")
        with pytest.raises(Failure, match="is a link"):
            read_itself(str(tmp_path / "a"))

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "a")
        with pytest.raises(Failure, match="is no file"):
            read_itself(str(tmp_path / "a"))


class TestFolders:
    def test_our_own_links_are_followed(self, tmp_path):
        (tmp_path / "real" / "deep").mkdir(parents=True)
        (tmp_path / "absolute").symlink_to(tmp_path / "real")
        (tmp_path / "real" / "up").symlink_to("./../absolute/deep")
        assert walk(tmp_path / "absolute" / "up") == str(tmp_path / "real" / "deep")

    def test_dots_in_a_link_go_up_from_where_the_link_really_leads(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "c").mkdir()
        (tmp_path / "b").symlink_to("a/b")
        (tmp_path / "c").symlink_to("b/../c")
        assert walk(tmp_path / "c") == str(tmp_path / "a" / "c")

    @needs_root
    def test_the_links_of_others_are_not_followed(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "theirs").symlink_to("real")
        os.lchown(tmp_path / "theirs", NOBODY, NOBODY)
        for path in (tmp_path / "theirs", tmp_path / "theirs" / "x"):
            with pytest.raises(Failure, match=f"{tmp_path}/theirs is a link that root does not own"):
                walk(path)
        with pytest.raises(Failure, match="root does not own"):
            write_atomically(str(tmp_path / "theirs" / "a"), b"", 0o644)
        with pytest.raises(Failure, match="root does not own"):
            remove(str(tmp_path / "theirs" / "a"))

    def test_links_in_a_circle_end(self, tmp_path):
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(Failure, match="is a link"):
            walk(tmp_path / "a")

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "a").write_text("")
        with pytest.raises(Failure, match=f"{tmp_path}/a: Not a directory"):
            walk(tmp_path / "a" / "b")

    def test_a_missing_folder_is_named_by_its_path(self, tmp_path):
        with pytest.raises(NotThere, match=f"the folder {tmp_path}/no does not exist"):
            walk(tmp_path / "no" / "such")

    def test_missing_folders_are_made_with_the_usual_mode(self, tmp_path):
        before = os.umask(0o077)
        try:
            assert walk(tmp_path / "a" / "b", make=True) == str(tmp_path / "a" / "b")
        finally:
            os.umask(before)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o755] * 2

    def test_no_descriptor_of_a_folder_is_left_open(self, tmp_path):
        before = names("/proc/self/fd")
        (tmp_path / "link").symlink_to(tmp_path)
        walk(tmp_path / "link")
        for path in ("no", "link/no"):
            with pytest.raises(NotThere):
                walk(tmp_path / path)
        assert names("/proc/self/fd") == before


class TestRemoving:
    def test_a_file_that_is_gone_already_is_removed_without_a_word(self, tmp_path):
        remove(str(tmp_path / "no"))
        remove(str(tmp_path / "no" / "such"))

    def test_a_removed_link_goes_and_its_target_stays(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        remove(str(tmp_path / "link"), recursive=True)
        assert names(tmp_path) == ["real"]

    def test_a_folder_goes_with_its_contents_only_when_that_is_said(self, tmp_path):
        (tmp_path / "full" / "deep").mkdir(parents=True)
        with pytest.raises(Failure, match=f"{tmp_path}/full cannot be removed: Directory not empty"):
            remove(str(tmp_path / "full"))
        remove(str(tmp_path / "full" / ""), recursive=True)
        assert names(tmp_path) == []

    def test_a_tree_goes_although_something_in_it_vanishes_meanwhile(self, tmp_path, monkeypatch):
        (tmp_path / "tree").mkdir()
        for name in "abc":
            (tmp_path / "tree" / name).write_text("")
        unlink = os.unlink

        def faster(path, **options):
            monkeypatch.setattr(os, "unlink", unlink)
            unlink(path, **options)
            unlink(path, **options)

        monkeypatch.setattr(os, "unlink", faster)
        remove(str(tmp_path / "tree"), recursive=True)
        assert names(tmp_path) == []

    def test_links_inside_a_tree_lead_nowhere(self, tmp_path):
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "precious").write_text("")
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "link").symlink_to("../outside")
        remove(str(tmp_path / "tree"), recursive=True)
        assert (tmp_path / "outside" / "precious").exists()


class TestWhatAKilledRunLeaves:
    def test_the_temporary_file_of_a_killed_run_goes_with_the_next(self, tmp_path, monkeypatch):
        state = str(tmp_path / "state")
        clear_up(state)
        monkeypatch.setattr(os, "rename", lambda *_names, **_folders: os._exit(9))
        child = os.fork()
        if not child:
            write_atomically(str(tmp_path / "a"), b"half", 0o644)
        os.waitpid(child, 0)
        assert [name for name in names(tmp_path) if name.startswith(".a.")]
        clear_up(state)
        assert names(tmp_path) == ["state"]

    def test_a_thing_in_the_way_to_a_temporary_file_stops_no_later_run(self, tmp_path):
        state, folder = str(tmp_path / "state"), tmp_path / "source" / "conf"
        folder.mkdir(parents=True)
        for made in (folder / ".a.12345678~", folder):
            clear_up(state)
            note(str(folder / ".a.12345678~"))
            if made == folder:
                shutil.rmtree(folder)
                folder.symlink_to("/nowhere")
                os.chown(folder, 65534, 65534, follow_symlinks=False)
            else:
                (made / "not-empty").mkdir(parents=True)
            clear_up(state)
            assert read(f"{state}/unfinished") == b""

    def test_no_temporary_file_is_noted_once_the_file_is_in_its_place(self, tmp_path):
        clear_up(str(tmp_path / "state"))
        write_atomically(str(tmp_path / "a"), b"", 0o644)
        assert read(f"{tmp_path}/state/unfinished") == b""

    def test_the_scratch_folders_of_a_killed_run_go_with_the_next(self, tmp_path):
        state = str(tmp_path / "state")
        kept = scratch(state)
        (path := kept.__enter__())
        shutil.copy(__file__, path)
        clear_up(state)
        assert not Path(disk.scratch_folder(state)).exists()

    def test_a_scratch_folder_is_closed_to_others_and_goes_after_use(self, tmp_path):
        with scratch(str(tmp_path)) as path:
            assert stat.S_IMODE(Path(path).stat().st_mode) == 0o700
        assert not Path(path).exists()

    @pytest.mark.parametrize("text", ["{}/a", "\0\0\0", "{}/.a.12345678", ""])
    def test_a_note_that_a_crash_of_the_host_has_cut_removes_nothing(self, tmp_path, text):
        (tmp_path / "state").mkdir()
        for name in ("a", ".a.12345678"):
            (tmp_path / name).write_text("")
        (tmp_path / "state" / "unfinished").write_text(text.format(tmp_path))
        clear_up(str(tmp_path / "state"))
        assert names(tmp_path) == [".a.12345678", "a", "state"]

    def test_a_note_of_something_that_is_in_its_place_by_now_does_no_harm(self, tmp_path):
        state = str(tmp_path / "state")
        clear_up(state)
        write_atomically(str(tmp_path / "a"), b"", 0o644)
        clear_up(state)
        assert (tmp_path / "a").exists()


def test_the_folder_of_a_path_is_its_own_even_with_a_slash_at_its_end(tmp_path):
    with parent_of(f"{tmp_path}/a/") as (folder, name):
        assert (Path(f"/proc/self/fd/{folder}").readlink(), name) == (tmp_path, "a")


# Who opens files past `disk`, and why that is no trouble.
OPENERS = {
    "backups": "folders of backups, which are root's",
    "checkout": "a working copy that is closed to everybody else",
    "cron": "/proc",
    "deletion": "/proc",
    "disk": "it is the one that judges",
    "facts": "the state folder, releases and /etc",
    "main": "the state folder, and releases",
    "drill": "the state folder",
    "offsite": "the state folder",
    "mountinfo": "/proc",
    "ports": "/proc",
    "postgres_dump": "folders of backups, which are root's",
    "probes": "/proc and /etc",
    "processes": "definitions in /etc",
    "procstat": "/proc",
    "removal": "/proc",
    "restarts": "/proc",
    "supervisor": "/proc",
    "scopes": "/proc, and control groups",
    "strays": "/proc",
    "system": "a file in memory",
    "transfers": "what was sent, in the state folder",
    "upgrades": "/proc, and the state folder",
    "uploads": "what was sent, in the state folder",
    "usage": "/proc",
    "validate": "copies in the scratch folder",
    "holders": "/proc",
    "jobs": "the state folder",
}


def test_only_the_module_disk_opens_files():
    """Whoever reads a file that a user may have swapped must not be able to forget it."""
    openers = set()
    for path in Path(disk.__file__).parents[2].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id == "open":
                openers.add(path.stem)
    assert openers == set(OPENERS)
