"""What root opens in a folder of the service user is swapped while it is opened: nothing of others is read or changed.

Each race goes on until the user has swapped 2,000 times, and the code that it would win against is tried beside it.
"""

from __future__ import annotations

import base64
import contextlib
import grp
import hashlib
import os
import pwd
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hawser.runner.files import disk, transfers, walk
from hawser.runner.files.disk import contents, opened, read, read_beneath, read_itself
from hawser.runner.files.files import Directory, File, rewrite
from hawser.runner.files.patches import Patch
from hawser.runner.files.samples import Settings
from hawser.runner.processes import logs, managers
from hawser.runner.system import Failure

from .conftest import whole

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="races with another user")

PROGRAM = Path(__file__).parents[2] / "hostile" / "service_user.py"
NOBODY = pwd.getpwnam("nobody")
NOGROUP = grp.getgrgid(NOBODY.pw_gid).gr_name
SECRET = b"root:$6$only-root-may-read-this"
OWN = b'{"key": "value"}\n'
SWAPS = 2000


@pytest.fixture
def source(tmp_path):
    """A folder of the user that it may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    path = tmp_path / "source"
    path.mkdir()
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    return path


@pytest.fixture
def prey(tmp_path):
    path = tmp_path / "shadow"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def swapped(source, prey):
    """A file that the user swaps from now on."""
    path = source / "file"
    path.write_bytes(OWN)
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    switch = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    # The program itself may lie where that user may not look.
    argv = [*switch, "/usr/bin/python3", "-c", PROGRAM.read_text(), str(path), str(prey)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
        yield path
        child.kill()


def swaps(path):
    try:
        return int(Path(f"{path}.swaps").read_text() or 0)
    except FileNotFoundError:
        return 0


def race(path, work, won=None):
    """Do something again and again until the user has swapped often enough; what is refused is refused.

    :param won: tells of a control that the race was won, which takes more turns where others want the processors too.
    """
    deadline = time.monotonic() + 120
    while not (won() if won else swaps(path) >= SWAPS):
        assert time.monotonic() < deadline, "the user does not swap, or the race cannot be won"
        with contextlib.suppress(Failure, OSError):
            work()


def unsafe_read(path):
    """Read as a program does that thinks of no user: the control that the race can be won."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


class TestReading:
    def test_the_race_can_be_won(self, swapped):
        got = []
        race(swapped, lambda: got.append(unsafe_read(swapped)), won=lambda: SECRET in got)
        assert SECRET in got

    def test_no_way_to_read_gives_what_the_user_may_not_read(self, swapped, source, system):
        path, got = str(swapped), []
        source_of_logs = {"name": "web", "path": path}
        ways = [
            lambda: got.append(read(path)),
            lambda: got.append(read_itself(path)),
            lambda: got.append(read_beneath(str(source), "file")),
            lambda: got.append(managers.tail(path).encode()),
            lambda: got.extend(
                row[2].encode() for row in logs.collect(system, source_of_logs, 5, 0, 0, 1000, None, 1000)
            ),
            lambda: got.extend(row["sha256"] for row in transfers.listing(system, str(source))),
            lambda: transfers.send(path, lambda message: got.append(message["data"]), 1000),
        ]

        def all_of_them():
            for way in ways:
                with contextlib.suppress(Failure, OSError):
                    way()

        race(swapped, all_of_them)
        assert OWN in got
        for form in (SECRET, hashlib.sha256(SECRET).hexdigest(), base64.b64encode(SECRET).decode()):
            assert form not in got

    def test_no_settings_file_is_made_of_a_file_the_user_may_not_read(self, swapped, source, system, prey):
        prey.write_bytes(b'{"key": "only root"}')
        target = source / "made.json"
        spec = {
            "path": str(target), "sample": str(swapped), "format": "json", "source": str(source), "values": {},
            "originals": str(source.parent / "originals"), "new_keys": True, "optional": [],
            "mode": 0o640, "owner": "nobody", "group": NOGROUP,
        }  # fmt: skip
        made = []

        def make():
            settings = Settings(whole("settings", spec), system)
            change = settings.check()
            if change is not None:
                settings.apply(change)
            made.append(target.read_bytes())

        race(swapped, make)
        assert made
        assert not any(b"only root" in each for each in made)


class TestWriting:
    def test_the_race_can_be_won(self, swapped, prey):
        race(
            swapped,
            lambda: os.chown(swapped, NOBODY.pw_uid, -1) if swapped.is_file() else None,
            won=lambda: prey.stat().st_uid == NOBODY.pw_uid,
        )
        assert prey.stat().st_uid == NOBODY.pw_uid

    def test_no_way_to_write_changes_what_is_not_the_users(self, swapped, source, system, prey):
        file = {"path": str(swapped), "content": "", "mode": 0o666, "owner": "nobody", "group": NOGROUP}
        patch = {
            "path": str(swapped), "source": str(source), "originals": str(source.parent / "originals"),
            "edits": [["value", "other", 1]],
        }  # fmt: skip

        def all_of_them():
            for work in (
                lambda: File(whole("file", {**file, "keep": True}), system).apply(None),
                lambda: Patch(whole("patch", patch), system).apply(None),
                lambda: rewrite(str(swapped), lambda old: old),
                lambda: Directory(whole("directory", {**file, "path": f"{swapped}/x"}), system).apply(None),
            ):
                with contextlib.suppress(Failure, OSError):
                    work()

        race(swapped, all_of_them)
        status = prey.stat()
        assert (prey.read_bytes(), status.st_uid, stat.S_IMODE(status.st_mode)) == (SECRET, 0, 0o600)


class TestSecondNames:
    """Where fs.protected_hardlinks is off, a user may give any file a second name in its own folder."""

    @pytest.fixture
    def planted(self, source, prey):
        os.link(prey, source / "file")
        return source / "file"

    def test_a_file_of_somebody_else_is_not_read(self, planted, source):
        for look in (read, read_itself, lambda path: read_beneath(str(source), path)):
            with pytest.raises(Failure, match="another name of a file that is not its folder's owner's"):
                look(str(planted))

    def test_a_file_with_a_second_name_does_not_become_the_users(self, planted, system, prey):
        spec = {"path": str(planted), "content": "", "mode": 0o644, "owner": "nobody", "group": NOGROUP}
        with pytest.raises(Failure, match="another name"):
            File(whole("file", {**spec, "keep": True}), system).apply(None)
        assert (prey.stat().st_uid, stat.S_IMODE(prey.stat().st_mode)) == (0, 0o600)

    def test_a_link_of_roots_with_a_second_name_is_not_followed(self, source, tmp_path):
        (tmp_path / "roots").symlink_to("/etc")
        os.link(tmp_path / "roots", source / "folder", follow_symlinks=False)
        with pytest.raises(Failure, match="is a link that root does not own"):
            read(f"{source}/folder/hostname")

    def test_files_of_the_user_with_several_names_are_no_trouble(self, source):
        (source / "one").write_bytes(OWN)
        os.chown(source / "one", NOBODY.pw_uid, NOBODY.pw_gid)
        os.link(source / "one", source / "two")
        assert read(f"{source}/two") == OWN


class TestWhatIsNoFile:
    def test_a_thing_that_is_no_file_is_not_waited_for_and_eats_no_memory(self, source):
        os.mkfifo(source / "pipe")
        os.mknod(source / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        for name in ("pipe", "zero"):
            for look in (read, read_itself, disk.digest, lambda path: read_beneath(str(source), path)):
                with pytest.raises(Failure, match="is no file"):
                    look(f"{source}/{name}")
        assert managers.tail(f"{source}/pipe") == ""

    def test_a_file_without_an_end_is_not_read_to_its_end(self, source):
        with (source / "file").open("wb") as stream:
            stream.truncate(1 << 40)
        with pytest.raises(Failure, match="has more than"):
            read(f"{source}/file")

    def test_a_file_that_its_owner_holds_a_lease_on_is_not_waited_for(self, source):
        (source / "file").write_bytes(OWN)
        program = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)"
        holder = [sys.executable, "-c", program + "; print('held', flush=True); sys.stdin.read()", str(source / "file")]
        with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "held\n"
            began = time.monotonic()
            with pytest.raises(Failure, match="Resource temporarily unavailable"):
                read(f"{source}/file")
            assert time.monotonic() - began < 5
            child.kill()

    def test_folders_thousands_deep_are_walked_as_far_as_a_path_says_and_removed(self, source, monkeypatch):
        handle = os.open(source, os.O_RDONLY)
        for _level in range(3000):
            os.mkdir("d", dir_fd=handle)
            deeper = os.open("d", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = deeper
        os.close(handle)
        opened, open_ = [], os.open
        monkeypatch.setattr(os, "open", lambda *words, **more: opened.append(words) or open_(*words, **more))
        found = [path for path, _folders, _files in walk.walk(str(source))]
        assert len(found) > 1000 and max(map(len, found)) < walk.LONGEST_PATH
        # Not from the top for each: that takes as long as all that is above it.
        assert len(opened) < 3 * len(found)
        monkeypatch.undo()
        disk.remove(str(source), recursive=True)
        assert not source.exists()

    def test_a_folder_that_is_moved_away_meanwhile_ends_the_walk(self, source, prey):
        (source / "a" / "b").mkdir(parents=True)
        (source / "c").mkdir()
        seen = []
        for path, _folders, _files in walk.walk(str(source)):
            seen.append(os.path.relpath(path, source))
            if seen[-1] == "a/b":
                (source / "a" / "b").rename(prey.parent / "elsewhere")
        assert seen == [".", "a", "a/b"]


class TestLinksOfACheckout:
    """A repository may hold links; they are nobody's business while they stay in it."""

    def test_a_link_inside_of_a_checkout_is_followed(self, source):
        (source / "inner" / "deep").mkdir(parents=True)
        (source / "inner" / "real").write_bytes(OWN)
        (source / "inner" / "deep" / "link").symlink_to("../real")
        (source / "again").symlink_to("inner/deep/link")
        (source / "folder").symlink_to("inner/deep")
        for name in ("again", "folder/link", "inner/deep/link"):
            assert read_beneath(str(source), name) == OWN
            assert read_beneath(str(source), f"{source}/{name}") == OWN

    @pytest.mark.parametrize("target", ["../shadow", "/etc/hostname", "inner/../../shadow", "link"])
    def test_a_link_that_leads_out_of_a_checkout_is_refused(self, source, prey, target):
        (source / "inner").mkdir()
        (source / "link").symlink_to(target)
        with pytest.raises(Failure, match="leads out of"):
            read_beneath(str(source), "link")

    def test_a_path_outside_of_a_checkout_is_refused_too(self, source, prey):
        with pytest.raises(Failure, match="leads out of"):
            read_beneath(str(source), "../shadow")
        assert read_beneath(str(source), "none") is None
        assert read_beneath(str(source / "none"), "file") is None


def test_contents_end_where_the_limit_is(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    with opened(str(tmp_path / "file")) as stream:
        assert contents(stream, "file", 5) == b"12345"
    with pytest.raises(Failure, match="more than 4 bytes"):
        read(str(tmp_path / "file"), 4)
