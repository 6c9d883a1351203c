"""Folders that survive releases, at the place where the code expects them, which may bring some content along."""

from __future__ import annotations

import os
import stat

from ..rows import some
from ..system import Change, Failure, Kind, group_id, user_id
from .disk import (
    LONGEST,
    NotThere,
    link_atomically,
    open_folder,
    parent_of,
    read_itself,
    remove,
    replace,
    stat_at,
    write_atomically,
)
from .files import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional, Tuple

    from ..specs.files import DirectorySpec, LinkedFolderSpec

# Of a file of the code: folders that it lies in, and bytes of its path, of which the system takes 4096 (PATH_MAX).
DEEPEST, LONGEST_PATH = 100, 3500
# Files that a note names before it counts the rest.
NAMED = 3


class LinkedFolder(Kind):
    """See `hawser.resources.LinkedFolder`."""

    spec: LinkedFolderSpec

    def check(self) -> Optional[Change]:
        path, target = os.path.abspath(self.spec["path"]), self.spec["target"]
        status = itself(path)
        if status is None:
            return Change("-> " + target)
        if stat.S_ISLNK(status.st_mode):
            old = os.readlink(path)
            return None if old == target else Change("%s -> %s" % (old, target))
        if not stat.S_ISDIR(status.st_mode):
            raise Failure(
                "the code has a file at %s, where persistent.linked wants a link to a folder; next: take it out"
                " of there" % path
            )
        new, other, odd = self.compare()
        notes = ["-> " + target]
        if new:
            notes.append("copied from the code: " + some(new, NAMED))
        if other:
            notes.append("kept, although the code has another one: " + some(other, NAMED))
        if odd:
            notes.append("left out: " + some(odd, NAMED))
        return Change("; ".join(notes))

    def compare(self) -> Tuple[List[str], List[str], List[str]]:
        """Compare the code's folder, in which a release that is deployed again may hold anything.

        :returns: which files the persistent one lacks, which it has with other content, and what can be no file of the
            code: pipes and the like, and what is larger than any file that is read whole, or lies too deep.
        """
        new: List[str] = []
        other: List[str] = []
        odd: List[str] = []
        for name, status in files_in(self.spec["path"]):
            path, there = self.places(name)
            found = self.standing(name)
            if not stat.S_ISLNK(status.st_mode) and not (stat.S_ISREG(status.st_mode) and status.st_size <= LONGEST):
                odd.append(name)
            elif not found:
                new.append(name)
            elif found != there or not same(path, there):
                other.append(name)
        return new, other, odd

    def places(self, name: str) -> Tuple[str, str]:
        return os.path.join(self.spec["path"], name), os.path.join(self.spec["target"], name)

    def standing(self, name: str) -> str:
        """Return the entry in the place of a file: itself, or a non-folder on the way to it; empty: there is none."""
        at = self.spec["target"]
        for part in name.split("/"):
            at = os.path.join(at, part)
            status = itself(at)
            if status is None:
                return ""
            if not stat.S_ISDIR(status.st_mode):
                break
        return at

    def apply(self, change: Change) -> None:
        path = self.spec["path"]
        status = itself(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            for name in self.compare()[0]:
                self.copy(name)
            self.set_aside()
        os.close(open_folder(os.path.dirname(path), make=True))
        link_atomically(path, self.spec["target"])

    def copy(self, name: str) -> None:
        """Copy one file or link of the code's folder, and give it to the user."""
        path, there = self.places(name)
        uid, gid = user_id(self.spec["owner"]), group_id(self.spec["group"])
        folder = self.spec["target"]
        for part in name.split("/")[:-1]:
            folder = os.path.join(folder, part)
            if itself(folder) is None:
                owner, group = self.spec["owner"], self.spec["group"]
                made: DirectorySpec = {"path": folder, "mode": 0o755, "owner": owner, "group": group}
                Directory(made, self.system).apply(Change())
        status = os.lstat(path)
        if not stat.S_ISLNK(status.st_mode):
            write_atomically(there, read_itself(path), stat.S_IMODE(status.st_mode), uid, gid)
            return
        target = os.readlink(path)

        def make(open_folder: int, temporary: str) -> None:
            os.symlink(target, temporary, dir_fd=open_folder)
            # A link of root's would be followed by root, and this one says what the code says.
            os.chown(temporary, uid, gid, dir_fd=open_folder, follow_symlinks=False)

        replace(there, make)

    def set_aside(self) -> None:
        """Keep the code's folder with the release: nothing that was in it is lost before the release is."""
        remove(self.spec["aside"], recursive=True)
        with parent_of(self.spec["path"]) as (here, name), parent_of(self.spec["aside"], make=True) as (there, new):
            os.rename(name, new, src_dir_fd=here, dst_dir_fd=there)


def itself(path: str) -> Optional[os.stat_result]:
    """``lstat``; None when there is nothing."""
    try:
        with parent_of(path) as (folder, name):
            return stat_at(name, folder)
    except NotThere:
        return None


def files_in(folder: str) -> Iterator[Tuple[str, os.stat_result]]:
    """Yield all entries in and below a folder but folders, relative to it; git's own are left out.

    A folder that lies too deep to be entered is yielded itself; one that is something else by now has nothing in it.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            here = open_folder(os.path.join(folder, below))
        except (Failure, OSError):
            continue
        try:
            found = [(name, stat_at(name, here)) for name in sorted(os.listdir(here))]
        finally:
            os.close(here)
        for name, status in found:
            name = os.path.join(below, name)
            deep = name.count("/") >= DEEPEST or len(os.fsencode(os.path.join(folder, name))) > LONGEST_PATH
            if status is not None and stat.S_ISDIR(status.st_mode) and not deep:
                waiting.append(name)
            elif status is not None and os.path.basename(name) != ".git":
                yield name, status


def same(path: str, there: str) -> bool:
    """Whether two files or links are the same."""
    found = [itself(each) for each in (path, there)]
    kinds = {stat.S_IFMT(each.st_mode) for each in found if each}
    if kinds == {stat.S_IFLNK}:
        return os.readlink(path) == os.readlink(there)
    sizes = {each.st_size for each in found if each}
    return kinds == {stat.S_IFREG} and len(sizes) == 1 and read_itself(path) == read_itself(there)
