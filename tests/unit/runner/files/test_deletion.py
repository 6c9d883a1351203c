"""Folders that go with all that they hold: what is mounted in them, and what their owner does meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from hawser.runner.code.releases import doom
from hawser.runner.files import deletion
from hawser.runner.files.disk import remove
from hawser.runner.kernel.mountinfo import mount_points
from hawser.runner.system import Failure

from ..conftest import names

root = pytest.mark.skipif(os.getuid() != 0, reason="mounts something")


@pytest.fixture
def outside(tmp_path):
    """A folder whose files belong to somebody else."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "photo").touch()
    return tmp_path / "outside"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "file").touch()
    return tmp_path / "tree"


@pytest.fixture
def bind(tmp_path):
    """Mount a folder or a file of the same file system in another place."""
    done = []

    def bind(source, target):
        subprocess.run(["mount", "--bind", str(source), str(target)], check=True, capture_output=True)
        done.append(target)

    if os.getuid() == 0:
        try:
            (tmp_path / "try").mkdir()
            bind(tmp_path / "try", tmp_path / "try")
        except subprocess.CalledProcessError:
            pytest.skip("nothing can be mounted here")
    yield bind
    for target in done:
        subprocess.run(["umount", "--lazy", str(target)], check=False, capture_output=True)


@root
@pytest.mark.parametrize("way", [lambda path: remove(path, recursive=True), doom])
def test_a_mount_in_a_folder_is_named_before_anything_is_removed(tree, outside, bind, way):
    bind(outside, tree / "a" / "b")
    with pytest.raises(Failure, match=f"{tree} is not removed, for .* in it: {tree}/a/b; next: umount {tree}/a/b"):
        way(str(tree))
    assert names(tree) == ["a", "file"] and names(outside) == ["photo"]


@root
def test_a_mounted_file_counts_as_well(tree, outside, bind):
    bind(outside / "photo", tree / "file")
    with pytest.raises(Failure, match=f"mounted in it: {tree}/file"):
        remove(str(tree), recursive=True)
    assert names(tree) == ["a", "file"]


@root
def test_a_mount_is_found_whatever_its_name_and_by_whatever_link_the_folder_is_reached(tree, outside, bind, tmp_path):
    strange = tree / "with blank\nand\\more"
    strange.mkdir()
    bind(outside, strange)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(Failure, match="mounted in it"):
        remove(str(tmp_path / "link" / "tree"), recursive=True)
    assert names(outside) == ["photo"]


@root
def test_a_mount_that_comes_while_a_folder_goes_is_not_entered(tree, outside, bind, monkeypatch):
    # The look beforehand has seen nothing.
    monkeypatch.setattr(deletion, "mount_points", list)
    bind(outside, tree / "a" / "b")
    with pytest.raises(Failure, match=f"{tree}/a/b is a mount, and nothing behind it is removed; next: umount"):
        remove(str(tree), recursive=True)
    assert names(outside) == ["photo"]


@root
def test_a_file_that_is_mounted_while_a_folder_goes_is_named(tree, outside, bind, monkeypatch):
    monkeypatch.setattr(deletion, "mount_points", list)
    bind(outside / "photo", tree / "file")
    with pytest.raises(Failure, match=f"{tree}/file cannot be removed: Device or resource busy; if something"):
        remove(str(tree), recursive=True)
    assert names(outside) == ["photo"]


@root
def test_a_folder_that_is_a_mount_itself_stays(tree, bind, monkeypatch):
    monkeypatch.setattr(deletion, "mount_points", list)
    bind(tree, tree)
    with pytest.raises(Failure, match=f"{tree} is a mount"):
        remove(str(tree), recursive=True)
    assert names(tree) == ["a", "file"]


@root
def test_a_folder_that_lies_in_a_mount_goes(tmp_path, outside, bind):
    (outside / "tree" / "a").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    bind(outside, tmp_path / "here")
    remove(str(tmp_path / "here" / "tree"), recursive=True)
    assert names(outside) == ["photo"]


@root
def test_a_file_that_nobody_may_remove_is_named(tree, bind):
    kept = tree / "a" / "kept"
    kept.touch()
    if subprocess.run(["chattr", "+i", str(kept)], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        with pytest.raises(Failure, match=f"{kept} cannot be removed: Operation not permitted; if it is immutable"):
            remove(str(tree), recursive=True)
    finally:
        subprocess.run(["chattr", "-i", str(kept)], check=True)


def test_a_folder_that_is_deeper_than_paths_and_open_files_reach_goes(tree):
    handle = os.open(tree, os.O_RDONLY)
    for _level in range(2500):
        os.mkdir("deep" * 10, dir_fd=handle)
        below = os.open("deep" * 10, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    remove(str(tree), recursive=True)
    assert not tree.exists()


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(tree, outside, monkeypatch):
    scandir = os.scandir

    @contextlib.contextmanager
    def swapped(handle):
        with scandir(handle) as entries:
            found = list(entries)
        if (tree / "a").is_dir() and not (tree / "a").is_symlink() and any(each.name == "a" for each in found):
            (tree / "a").rename(tree.parent / "moved")
            (tree / "a").symlink_to(outside)
        yield iter(found)

    monkeypatch.setattr(os, "scandir", swapped)
    remove(str(tree), recursive=True)
    assert not tree.exists() and names(outside) == ["photo"]


def test_a_folder_into_which_somebody_goes_on_writing_is_named_in_the_end(tree, monkeypatch):
    rmdir = os.rmdir

    def busy(name, **options):
        if name == "b":
            (tree / "a" / "b" / "more").touch()
        rmdir(name, **options)

    monkeypatch.setattr(os, "rmdir", busy)
    with pytest.raises(Failure, match=f"{tree}/a/b cannot be removed: Directory not empty"):
        remove(str(tree), recursive=True)


# Makes files in a folder that it holds open, as user 65534, for as long as it can.
WRITER = """
import itertools, os, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
os.setgid(65534), os.setuid(65534)
print("ready", flush=True)
for number in itertools.count():
    try:
        os.close(os.open("f%d" % number, os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder))
    except FileNotFoundError:
        break
"""


@root
def test_a_folder_into_which_its_owner_goes_on_writing_goes_all_the_same(tree):
    busy = tree / "a" / "b"
    os.chown(busy, 65534, 65534)
    argv = [sys.executable, "-c", WRITER, str(busy)]
    writers = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        assert [writer.stdout.readline() for writer in writers] == [b"ready\n"] * 2
        remove(str(tree), recursive=True)
        assert not tree.exists()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_the_kernels_table_is_read_whatever_a_mount_is_called(tmp_path):
    table = tmp_path / "table"
    table.write_bytes(b"1 2 0:1 / /srv/a\\040b\\134c rw - ext4 x rw\n1 2 0:1 / /srv/\xff rw - ext4 x rw\n")
    assert mount_points(str(table)) == ["/srv/a b\\c", os.fsdecode(b"/srv/\xff")]


def test_a_mount_with_the_end_of_a_line_in_its_name_hides_no_other(tmp_path):
    table = tmp_path / "mountinfo"
    rows = ["/srv/a\rb", "/srv/c\x85d", "/srv/e"]
    table.write_bytes("".join(f"1 2 0:3 / {place} rw - tmpfs none rw\n" for place in rows).encode())
    assert mount_points(str(table)) == rows
    assert deletion.within("/srv/a b", ["/srv/a b", "/srv/a b/c", "/srv/a bc"]) == ["/srv/a b", "/srv/a b/c"]
