"""Files, blocks in files, folders and links: as wanted afterwards, and only what differs is touched."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from hawser.runner.files import deletion, files
from hawser.runner.files.files import Absent, Block, Directory, File, Link, OnlyFiles, unified
from hawser.runner.files.patches import Patch
from hawser.runner.files.validate import VALIDATORS, Validator
from hawser.runner.system import Failure

from ..conftest import ME, MY_GROUP, names, whole

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="acts as another user")
NOBODY = 65534


def put(resource):
    """Bring a resource to its state as the engine does, and see that it then holds; return what changed."""
    change = resource.check()
    if change is not None:
        resource.apply(change)
        assert resource.check() is None
    return change


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def file(system, tmp_path):
    def make(**changes):
        spec = {"path": f"{tmp_path}/a", "content": "text\n", "mode": 0o644, "owner": ME, "group": MY_GROUP}
        return File(whole("file", {**spec, **changes}), system)

    return make


class TestFile:
    def test_a_new_file_is_shown_and_made(self, file, tmp_path):
        change = put(file(mode=0o640))
        assert change.note == "new"
        assert change.diff == f"--- {tmp_path}/a\n+++ {tmp_path}/a\n@@ -0,0 +1 @@\n+text"
        assert (tmp_path / "a").read_text() == "text\n"
        assert mode(tmp_path / "a") == 0o640

    def test_a_file_that_is_as_wanted_is_left_alone(self, file, tmp_path):
        put(file())
        before = (tmp_path / "a").stat()
        assert put(file()) is None
        assert (tmp_path / "a").stat() == before

    def test_another_content_is_shown_as_a_diff(self, file, tmp_path):
        (tmp_path / "a").write_text("one\ntext\n")
        change = put(file())
        assert change.diff.splitlines()[2:] == ["@@ -1,2 +1 @@", "-one", " text"]

    def test_a_missing_line_end_of_a_file_is_shown(self, file, tmp_path):
        (tmp_path / "a").write_text("text")
        assert put(file()).diff.splitlines()[3:] == ["-text (no line end)", "+text"]

    def test_another_mode_is_put_right_and_the_content_stays(self, file, tmp_path):
        put(file())
        (tmp_path / "a").chmod(0o666)
        assert put(file()).note == "mode 0666 -> 0644"

    @needs_root
    def test_another_owner_is_put_right(self, file, tmp_path):
        put(file())
        os.chown(tmp_path / "a", NOBODY, NOBODY)
        assert put(file()).note == f"owner -> {ME}, group -> {MY_GROUP}"

    def test_bytes_of_a_file_arrive_as_they_are(self, file, tmp_path):
        change = put(file(content={"base64": "/wAB"}))
        assert (tmp_path / "a").read_bytes() == b"\xff\x00\x01"
        assert "no text: 0 -> 3 bytes" in change.diff

    def test_a_link_in_place_of_a_file_is_replaced_and_its_target_left_alone(self, file, tmp_path):
        (tmp_path / "target").write_text("text\n")
        (tmp_path / "a").symlink_to("target")
        assert put(file(content="ours")).note == "replaces a link"
        assert (tmp_path / "target").read_text() == "text\n"

    def test_a_folder_in_place_of_a_file_is_not_removed(self, file, tmp_path):
        (tmp_path / "a").mkdir()
        with pytest.raises(Failure, match=f"{tmp_path}/a is a folder, not a file; next: move it away"):
            file().check()

    def test_a_pipe_in_place_of_a_file_is_neither_read_nor_removed(self, file, tmp_path):
        os.mkfifo(tmp_path / "a")
        with pytest.raises(Failure, match="is no file; next: move it away"):
            file().check()

    def test_a_missing_folder_shows_as_new_and_fails_when_it_is_still_missing(self, file, tmp_path):
        resource = file(path=f"{tmp_path}/no/a")
        change = resource.check()
        assert change.note == "new"
        with pytest.raises(Failure, match=f"the folder {tmp_path}/no does not exist"):
            resource.apply(change)

    def test_missing_folders_are_made_where_that_is_said(self, file, tmp_path):
        put(file(path=f"{tmp_path}/one/two/a", parents=True))
        assert (mode(tmp_path / "one"), mode(tmp_path / "one" / "two")) == (0o755, 0o755)

    @needs_root
    def test_the_link_of_another_is_not_followed(self, file, tmp_path):
        (tmp_path / "etc").mkdir()
        (tmp_path / "link").symlink_to("etc")
        os.lchown(tmp_path / "link", NOBODY, NOBODY)
        for path in ("link/a", "link/new/a"):
            with pytest.raises(Failure, match="link is a link that root does not own"):
                put(file(path=f"{tmp_path}/{path}", parents=True))
        assert names(tmp_path / "etc") == []

    def test_a_missing_owner_is_named(self, file):
        with pytest.raises(Failure, match="there is no user no-such-user on this host"):
            put(file(owner="no-such-user"))

    def test_a_secret_file_shows_no_content(self, file, tmp_path):
        change = put(file(content="BEGIN PRIVATE KEY", opaque=True, mode=0o600))
        assert (change.note, change.diff) == ("new", "")
        change = put(file(content="another KEY", opaque=True, mode=0o600))
        assert (change.note, change.diff) == ("new content", "")

    def test_content_that_its_reader_refuses_never_replaces_a_file(self, file, tmp_path):
        put(file(path=f"{tmp_path}/a.json", content="{}"))
        with pytest.raises(Failure, match=r"a\.json would not be valid JSON"):
            put(file(path=f"{tmp_path}/a.json", content="{", validate="json"))
        assert (tmp_path / "a.json").read_text() == "{}"
        assert names(tmp_path) == ["a.json", "state"]

    def test_a_star_in_the_folders_of_a_file_stands_for_the_one_that_fits(self, file, tmp_path):
        (tmp_path / "15" / "main").mkdir(parents=True)
        resource = file(path=f"{tmp_path}/*/main/a")
        put(resource)
        assert (tmp_path / "15" / "main" / "a").exists()
        (tmp_path / "16" / "main").mkdir(parents=True)
        with pytest.raises(Failure, match="stands for 2 folders, not one"):
            resource.check()


class TestKeptFile:
    def test_the_content_of_a_kept_file_stays_and_its_mode_is_put_right(self, file, tmp_path):
        (tmp_path / "a").write_text("theirs")
        (tmp_path / "a").chmod(0o666)
        assert put(file(keep=True)).note == "mode 0666 -> 0644"
        assert (tmp_path / "a").read_text() == "theirs"

    def test_a_kept_file_is_made_when_it_is_missing(self, file, tmp_path):
        put(file(keep=True))
        assert (tmp_path / "a").read_text() == "text\n"

    def test_a_link_in_place_of_a_kept_file_has_no_other_file_read(self, file, tmp_path):
        (tmp_path / "shadow").write_text("secret")
        (tmp_path / "a").symlink_to("shadow")
        resource = file(keep=True)
        with pytest.raises(Failure, match="is a link, not a file; next: move it away"):
            resource.check()
        with pytest.raises(Failure, match="is a link"):
            resource.apply(None)


class TestFileThatOnlyItsReaderCanJudgeInPlace:
    @pytest.fixture(autouse=True)
    def reader(self, monkeypatch):
        """Stand for nginx: takes any file that does not say ``bad``."""

        def check(system, copy, path):
            if "bad" in Path(path).read_text():
                raise Failure("refused")

        monkeypatch.setitem(VALIDATORS, "nginx", Validator(check, in_place=True))

    def test_a_file_judged_in_its_place_stays_when_it_is_accepted(self, file, tmp_path):
        put(file(validate="nginx"))
        assert (tmp_path / "a").read_text() == "text\n"
        assert names(tmp_path / "state" / "former") == []

    def test_a_refused_file_gives_way_to_the_one_before_just_as_it_was(self, file, tmp_path):
        (tmp_path / "a").write_text("good")
        (tmp_path / "a").chmod(0o600)
        with pytest.raises(Failure, match="refused"):
            put(file(content="bad", validate="nginx"))
        assert (tmp_path / "a").read_text() == "good"
        assert mode(tmp_path / "a") == 0o600

    def test_a_link_comes_back_as_a_link(self, file, tmp_path):
        (tmp_path / "target").write_text("good")
        (tmp_path / "a").symlink_to("target")
        with pytest.raises(Failure, match="refused"):
            put(file(content="bad", validate="nginx"))
        assert (tmp_path / "a").readlink().name == "target"

    def test_a_refused_file_that_was_new_is_gone_again(self, file, tmp_path):
        with pytest.raises(Failure, match="refused"):
            put(file(content="bad", validate="nginx"))
        assert names(tmp_path) == ["state"]

    def test_a_crash_of_the_check_counts_as_a_refusal(self, file, tmp_path, monkeypatch):
        def crash(system, copy, path):
            raise OSError("no memory")

        monkeypatch.setitem(VALIDATORS, "nginx", Validator(crash, in_place=True))
        with pytest.raises(OSError, match="no memory"):
            put(file(validate="nginx"))
        assert names(tmp_path) == ["state"]

    @pytest.mark.parametrize("text", ["", "[]", '{"path": "/etc/oth'])
    def test_a_damaged_record_of_what_was_there_before_removes_nothing(self, file, tmp_path, text):
        (tmp_path / "a").write_text("theirs")
        former = files.Former(file().system.state, f"{tmp_path}/a")
        former.keep()
        Path(former.copy).write_text(text)
        with pytest.raises(Failure, match=f"{former.copy} is damaged, so nobody knows what {tmp_path}/a was before"):
            former.put_back()
        assert (tmp_path / "a").read_text() == "theirs"

    def test_a_file_that_a_killed_run_has_left_unjudged_is_judged_by_the_next(self, file, tmp_path):
        (tmp_path / "a").write_text("good")
        resource = file(content="bad", validate="nginx")
        files.Former(resource.system.state, f"{tmp_path}/a").keep()
        (tmp_path / "a").write_text("bad")
        (tmp_path / "a").chmod(0o644)
        change = resource.check()
        assert change.note == "an interrupted run has not checked it"
        with pytest.raises(Failure, match="refused"):
            resource.apply(change)
        assert (tmp_path / "a").read_text() == "good"


class TestBlock:
    @pytest.fixture
    def block(self, system, tmp_path):
        def make(content="ours", **changes):
            return Block(
                whole("block", {"path": f"{tmp_path}/a", "name": "demo", "content": content, **changes}), system
            )

        return make

    OURS = "# BEGIN hawser demo\nours\n# END hawser demo\n"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("", OURS),
            ("theirs\n", "theirs\n" + OURS),
            ("theirs", "theirs\n" + OURS),
            ("theirs\n\n\n", "theirs\n\n\n" + OURS),
            ("one\n# BEGIN hawser demo\nold\nolder\n# END hawser demo\ntwo\n", "one\n" + OURS + "two\n"),
            ("# BEGIN hawser demo\n# END hawser demo", OURS[:-1]),
            ("# BEGIN hawser other\nx\n# END hawser other\n", "# BEGIN hawser other\nx\n# END hawser other\n" + OURS),
            ("a\n" + OURS + "b\n" + OURS + "c", "a\n" + OURS + "b\nc"),
            ("crlf\r\nform\x0cfeed\x85\u2028\n", "crlf\r\nform\x0cfeed\x85\u2028\n" + OURS),
        ],
    )
    def test_lines_of_a_block_stand_in_a_file_once_and_the_rest_stays_to_the_byte(self, block, tmp_path, before, after):
        (tmp_path / "a").write_bytes(before.encode())
        put(block())
        assert (tmp_path / "a").read_bytes() == after.encode()
        assert put(block()) is None

    @pytest.mark.parametrize("before", ["", "theirs", "theirs\n", "a\n\n", "\n"])
    def test_an_empty_block_takes_its_lines_out_and_leaves_the_rest(self, block, tmp_path, before):
        (tmp_path / "a").write_text(before)
        assert block("").check() is None
        put(block())
        put(block(""))
        assert (tmp_path / "a").read_text() == before + ("\n" if before == "theirs" else "")

    def test_a_new_block_may_come_to_the_top_and_an_old_one_stays_where_it_is(self, block, tmp_path):
        (tmp_path / "a").write_text("theirs\n")
        put(block(top=True))
        assert (tmp_path / "a").read_text() == self.OURS + "theirs\n"
        (tmp_path / "a").write_text("theirs\n" + self.OURS)
        assert put(block(top=True)) is None

    def test_several_lines_of_a_block_end_with_one_line_end(self, block, tmp_path):
        (tmp_path / "a").write_text("")
        put(block("one\n\ntwo\n"))
        assert (tmp_path / "a").read_text() == "# BEGIN hawser demo\none\n\ntwo\n# END hawser demo\n"

    @pytest.mark.parametrize(
        "text",
        [
            "# BEGIN hawser demo\ntheirs\n",
            "theirs\n# END hawser demo\n",
            "# BEGIN hawser demo\n# BEGIN hawser demo\ntheirs\n# END hawser demo\n",
            "# END hawser demo\ntheirs\n# BEGIN hawser demo\n",
        ],
    )
    def test_markers_that_do_not_pair_are_left_to_a_person(self, block, tmp_path, text):
        (tmp_path / "a").write_text(text)
        with pytest.raises(Failure, match="the lines # BEGIN hawser demo and # END hawser demo do not pair"):
            block().check()

    def test_a_file_in_another_encoding_keeps_it_around_a_block(self, block, tmp_path):
        (tmp_path / "a").write_bytes(b"caf\xe9\n")
        put(block())
        assert (tmp_path / "a").read_bytes() == b"caf\xe9\n" + self.OURS.encode()

    def test_mode_and_owner_stay(self, block, tmp_path):
        (tmp_path / "a").write_text("")
        (tmp_path / "a").chmod(0o640)
        if os.getuid() == 0:
            os.chown(tmp_path / "a", NOBODY, NOBODY)
        before = (tmp_path / "a").stat()
        put(block())
        after = (tmp_path / "a").stat()
        assert (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)

    def test_a_missing_file_is_named(self, block, tmp_path):
        with pytest.raises(Failure, match=f"{tmp_path}/a does not exist"):
            block().check()
        with pytest.raises(Failure, match="does not exist"):
            block(path=f"{tmp_path}/no/a").check()

    def test_a_link_that_root_has_made_stays_a_link(self, block, tmp_path):
        (tmp_path / "real").write_text("")
        (tmp_path / "a").symlink_to("real")
        put(block())
        assert (tmp_path / "a").is_symlink()
        assert (tmp_path / "real").read_text() == self.OURS

    def test_a_link_in_a_folder_behind_a_link_leads_where_it_does_for_everybody(self, block, tmp_path):
        (tmp_path / "large" / "etc").mkdir(parents=True)
        (tmp_path / "etc").symlink_to("large/etc")
        (tmp_path / "etc" / "a").symlink_to("../real")
        for folder in (tmp_path / "large", tmp_path):
            (folder / "real").write_text("")
        put(block(path=f"{tmp_path}/etc/a"))
        assert (tmp_path / "large" / "real").read_text() == self.OURS
        assert (tmp_path / "real").read_text() == ""

    @needs_root
    def test_the_link_of_another_is_not_followed(self, block, tmp_path):
        (tmp_path / "shadow").write_text("")
        (tmp_path / "a").symlink_to("shadow")
        os.lchown(tmp_path / "a", NOBODY, NOBODY)
        with pytest.raises(Failure, match="a is a link that root does not own"):
            block().check()


class TestDirectory:
    @pytest.fixture
    def directory(self, system, tmp_path):
        def make(path="a", **changes):
            spec = {"path": f"{tmp_path}/{path}", "mode": 0o750, "owner": ME, "group": MY_GROUP, **changes}
            return Directory(spec, system)

        return make

    def test_a_new_folder_has_its_mode_whatever_the_mask(self, directory, tmp_path):
        before = os.umask(0o077)
        try:
            assert put(directory("a/b/c", mode=0o2775)).note == "new"
        finally:
            os.umask(before)
        assert [mode(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o755, 0o755, 0o2775]

    def test_the_mode_of_a_folder_is_put_right_and_its_contents_stay(self, directory, tmp_path):
        (tmp_path / "a").mkdir(mode=0o777)
        (tmp_path / "a").chmod(0o1777)
        (tmp_path / "a" / "theirs").write_text("")
        assert put(directory()).note == "mode 1777 -> 0750"
        assert names(tmp_path / "a") == ["theirs"]

    def test_a_slash_at_the_end_of_a_folder_means_nothing(self, directory, tmp_path):
        put(directory("a/"))
        assert mode(tmp_path / "a") == 0o750

    def test_a_file_in_place_of_a_folder_is_not_removed(self, directory, tmp_path):
        (tmp_path / "a").write_text("")
        with pytest.raises(Failure, match=f"{tmp_path}/a: Not a directory"):
            directory().check()

    def test_a_link_that_root_has_made_to_a_larger_disk_is_as_good(self, directory, tmp_path):
        (tmp_path / "disk").mkdir(mode=0o700)
        (tmp_path / "a").symlink_to("disk")
        assert put(directory()).note == "mode 0700 -> 0750"
        assert (tmp_path / "a").is_symlink()

    def test_a_link_that_leads_nowhere_is_named(self, directory, tmp_path):
        (tmp_path / "a").symlink_to("no")
        with pytest.raises(Failure, match="a is a link that leads nowhere"):
            directory().check()

    @needs_root
    def test_the_link_of_another_leads_root_nowhere(self, directory, tmp_path):
        (tmp_path / "etc").mkdir()
        (tmp_path / "a").symlink_to("etc")
        os.lchown(tmp_path / "a", NOBODY, NOBODY)
        for path in ("a", "a/b"):
            with pytest.raises(Failure, match="a is a link that root does not own"):
                put(directory(path))
        assert names(tmp_path / "etc") == []


class TestLink:
    @pytest.fixture
    def link(self, system, tmp_path):
        return lambda target: Link(whole("link", {"path": f"{tmp_path}/a", "target": target}), system)

    def test_a_link_is_made_and_turned(self, link, tmp_path):
        assert put(link("one")).note == "-> one"
        assert put(link("two")).note == "one -> two"
        assert (tmp_path / "a").readlink().name == "two"
        assert names(tmp_path) == ["a", "state"]

    def test_a_link_takes_the_place_of_a_socket(self, link, tmp_path):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{tmp_path}/a")
            assert put(link("one")).note == "-> one"
        assert (tmp_path / "a").readlink().name == "one"

    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_a_file_or_folder_in_the_way_of_a_link_stays(self, link, tmp_path, what):
        (tmp_path / "a").write_text("") if what == "file" else (tmp_path / "a").mkdir()
        with pytest.raises(Failure, match="a is in the way of a link of ours; next: move it away"):
            link("one").check()


class TestAbsent:
    @pytest.fixture
    def absent(self, system, tmp_path):
        return lambda path="a", recursive=False: Absent(
            whole("absent", {"path": f"{tmp_path}/{path}", "recursive": recursive}), system
        )

    def test_a_file_that_shall_be_absent_goes(self, absent, tmp_path):
        (tmp_path / "a").write_text("")
        assert put(absent()).note == "removed"

    def test_a_link_that_leads_nowhere_goes(self, absent, tmp_path):
        (tmp_path / "a").symlink_to("no")
        assert put(absent()).note == "removed"

    def test_an_absent_path_is_as_wanted(self, absent):
        assert put(absent()) is None
        assert put(absent("no/such")) is None

    def test_a_folder_in_which_something_else_is_mounted_stays(self, absent, tmp_path, monkeypatch):
        (tmp_path / "a" / "b").mkdir(parents=True)
        mounts = ["/", f"{tmp_path}/ab", f"{tmp_path}/a/b"]
        monkeypatch.setattr(deletion, "mount_points", lambda: mounts)
        with pytest.raises(Failure, match=r"something else is mounted in it: .*/a/b; next: umount .*/a/b"):
            absent(recursive=True).check()
        mounts.pop()
        assert put(absent(recursive=True)).note == "removed"

    def test_a_pattern_that_fits_nothing_is_as_wanted(self, absent, tmp_path):
        assert absent("a*/c").check() is None
        (tmp_path / "a1").mkdir()
        (tmp_path / "a1" / "c").touch()
        assert put(absent("a*/c")).note == "removed"

    def test_a_full_folder_goes_only_when_that_is_said(self, absent, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        with pytest.raises(Failure, match="cannot be removed: Directory not empty"):
            put(absent())
        put(absent("a/", recursive=True))

    def test_an_empty_folder_that_shall_be_absent_goes(self, absent, tmp_path):
        (tmp_path / "a").mkdir()
        put(absent())


class TestFiles:
    @pytest.fixture
    def only(self, system, tmp_path):
        def make(*keep, pattern="demo-*", recursive=False):
            spec = {"folder": f"{tmp_path}/d", "pattern": pattern, "keep": keep, "recursive": recursive}
            return OnlyFiles(whole("files", spec), system)

        (tmp_path / "d").mkdir()
        for name in ("demo-a", "demo-b", "other", ".demo-c", ".hidden"):
            (tmp_path / "d" / name).write_text("")
        return make

    def test_files_that_fit_the_pattern_and_are_not_named_go(self, only, tmp_path):
        assert put(only("demo-a")).note == "removes demo-b"
        assert names(tmp_path / "d") == [".demo-c", ".hidden", "demo-a", "other"]

    def test_hidden_files_are_not_meant_unless_the_pattern_says_so(self, only, tmp_path):
        put(only(pattern="*"))
        assert names(tmp_path / "d") == [".demo-c", ".hidden"]
        put(only(pattern=".demo*"))
        assert names(tmp_path / "d") == [".hidden"]

    def test_folders_go_only_when_that_is_said(self, only, tmp_path):
        (tmp_path / "d" / "demo-f" / "full").mkdir(parents=True)
        with pytest.raises(Failure, match="Directory not empty"):
            put(only("demo-a", "demo-b"))
        put(only("demo-a", "demo-b", recursive=True))

    def test_a_missing_folder_holds_nothing(self, system, tmp_path):
        assert (
            OnlyFiles(whole("files", {"folder": f"{tmp_path}/no", "pattern": "*", "keep": []}), system).check() is None
        )


class TestDiff:
    def test_a_long_diff_is_cut(self):
        text = unified("a", b"", b"line\n" * 1000)
        assert len(text.splitlines()) == files.DIFF_LINES + 1
        assert text.endswith("(803 more lines)")

    def test_files_too_long_to_compare_are_only_counted(self):
        assert unified("a", b"x\n" * 30000, b"").endswith("(30000 -> 0 lines)")


@needs_root
class TestAFileOfOursWhereTheCodeHasSomething:
    """The links of a checkout are its user's, and root follows no such link by itself."""

    @pytest.fixture
    def code(self, tmp_path):
        code = tmp_path / "source"
        (code / "settings" / "deep").mkdir(parents=True)
        (code / "settings" / "base.py").write_text("DEBUG = True\n")
        (tmp_path / "outside").mkdir()
        for name, target in {
            "conf": "settings",
            "there": "settings/../conf/deep",
            "out": "../outside",
            "far": str(tmp_path / "outside"),
            "loop": "loop",
            "gone": "nowhere",
            "local.ini": "settings/base.py",
        }.items():
            (code / name).symlink_to(target)
            os.chown(code / name, NOBODY, NOBODY, follow_symlinks=False)
        (code / "VERSION").write_text("1\n")
        return code

    @pytest.mark.parametrize(
        ("path", "place"), [("conf/a.ini", "settings/a.ini"), ("there/a.ini", "settings/deep/a.ini")]
    )
    def test_it_goes_through_a_link_within_the_code(self, file, code, path, place):
        put(file(path=f"{code}/{path}", code=str(code)))
        assert (code / place).read_text() == "text\n"
        assert (code / path.split("/")[0]).is_symlink()

    def test_it_replaces_a_link_or_a_file_of_the_code(self, file, code):
        for name in ("local.ini", "VERSION"):
            put(file(path=f"{code}/{name}", code=str(code)))
            assert not (code / name).is_symlink() and (code / name).read_text() == "text\n"
        assert (code / "settings" / "base.py").read_text() == "DEBUG = True\n"

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("out/a.ini", "leads out of it"),
            ("far/a.ini", "leads out of it"),
            ("loop/a.ini", "leads out of it"),
            ("gone/a.ini", "does not exist"),
            ("VERSION/a.ini", "the code has a file at .*/VERSION, which is no folder"),
            ("settings", "the code has a folder at .*/settings, where a file is to be written"),
        ],
    )
    def test_what_cannot_be_is_said_of_the_code(self, file, code, tmp_path, path, said):
        made = file(path=f"{code}/{path}", code=str(code))
        with pytest.raises(Failure, match=said):
            made.apply(made.check())
        assert names(tmp_path / "outside") == []

    def test_a_link_of_ours_is_followed_wherever_it_leads(self, file, code, tmp_path):
        (code / "media").symlink_to(tmp_path / "outside")
        put(file(path=f"{code}/media/a.txt", code=str(code)))
        assert names(tmp_path / "outside") == ["a.txt"]

    def test_a_file_behind_a_link_of_the_code_is_patched(self, system, code, tmp_path):
        fields = {"path": f"{code}/conf/base.py", "source": str(code), "originals": str(tmp_path / "originals")}
        made = Patch(whole("patch", {**fields, "edits": [["True", "False", 1]]}), system)
        put(made)
        assert (code / "settings" / "base.py").read_text() == "DEBUG = False\n"
