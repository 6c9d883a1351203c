"""Files, folders and links."""

import base64
import difflib
import fnmatch
import glob
import os
import shutil
import stat

from .system import Change, Failure, Kind, group_id, open_folder, stat_at, user_id, write_atomically
from .validate import VALIDATORS, validate_with

DIFF_LINES = 200


def unified(path, old, new):
    """Return a unified diff of two byte strings, cut to a readable length; a note for what is no text."""
    try:
        before, after = old.decode().splitlines(), new.decode().splitlines()
    except UnicodeDecodeError:
        return "--- %s\n+++ %s\n(no text: %d -> %d bytes)" % (path, path, len(old), len(new))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm=""))
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = ["(%d more lines)" % (len(lines) - DIFF_LINES)]
    return "\n".join(lines)


def read(path):
    """Return a file's bytes, or None when there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def real(path):
    """Return the one path that a pattern with ``*`` in its folders stands for."""
    folder, name = os.path.split(path)
    if "*" not in folder:
        return path
    found = sorted(glob.glob(folder))
    if len(found) != 1:
        raise Failure(
            "%s stands for %d folders, not one%s" % (folder, len(found), ": " + ", ".join(found) if found else "")
        )
    return os.path.join(found[0], name)


class File(Kind):
    """See `hawser.resources.File`."""

    def wanted(self):
        content = self.spec["content"]
        return base64.b64decode(content["base64"]) if isinstance(content, dict) else content.encode()

    def check(self):
        change = self.compare()
        return Change("its content is secret") if change is not None and self.spec.get("secret") else change

    def compare(self):
        path = real(self.spec["path"])
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Change("new", unified(path, b"", self.wanted()))
        if stat.S_ISDIR(status.st_mode):
            raise Failure("%s is a folder, not a file" % path)
        if not stat.S_ISREG(status.st_mode):
            return Change("replaces a link", unified(path, b"", self.wanted()))
        old = read(path)
        if old != self.wanted() and not self.spec.get("keep"):
            return Change("", unified(path, old, self.wanted()))
        return self.check_access(status)

    def check_access(self, status):
        notes = []
        if stat.S_IMODE(status.st_mode) != self.spec["mode"]:
            notes.append("mode %04o -> %04o" % (stat.S_IMODE(status.st_mode), self.spec["mode"]))
        if status.st_uid != user_id(self.spec["owner"]):
            notes.append("owner -> " + self.spec["owner"])
        if status.st_gid != group_id(self.spec["group"]):
            notes.append("group -> " + self.spec["group"])
        return Change(", ".join(notes)) if notes else None

    def apply(self, change):
        path, mode = real(self.spec["path"]), self.spec["mode"]
        uid, gid = user_id(self.spec["owner"]), group_id(self.spec["group"])
        old = read(path) if os.path.isfile(path) else None
        data = old if old is not None and self.spec.get("keep") else self.wanted()
        validator = self.spec.get("validate", "")
        if validator in VALIDATORS and VALIDATORS[validator].in_place:
            write_atomically(path, data, mode, uid, gid)
            try:
                VALIDATORS[validator].check(self.system, path, path)
            except Failure:
                if old is None:
                    os.unlink(path)
                else:
                    write_atomically(path, old, mode, uid, gid)
                raise
        else:
            before = None
            if validator:
                before = lambda copy: validate_with(validator, self.system, copy, path)  # noqa: E731
            write_atomically(path, data, mode, uid, gid, before)


class Block(Kind):
    """See `hawser.resources.Block`."""

    def edges(self):
        return "# BEGIN hawser %s" % self.spec["name"], "# END hawser %s" % self.spec["name"]

    def texts(self):
        path = real(self.spec["path"])
        old = read(path)
        if old is None:
            raise Failure("%s does not exist" % path)
        lines = old.decode().splitlines()
        begin, end = self.edges()
        block = [begin, *self.spec["content"].splitlines(), end] if self.spec["content"] else []
        if begin in lines and end in lines[lines.index(begin) :]:
            first = lines.index(begin)
            lines[first : lines.index(end, first) + 1] = block
        elif self.spec.get("top"):
            lines[:0] = block
        else:
            lines.extend(block)
        return path, old, ("\n".join(lines) + "\n").encode()

    def check(self):
        path, old, new = self.texts()
        return None if old == new else Change("", unified(path, old, new))

    def apply(self, change):
        path, _old, new = self.texts()
        status = os.stat(path)
        write_atomically(path, new, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


class Directory(Kind):
    """See `hawser.resources.Directory`."""

    def check(self):
        try:
            status = os.lstat(self.spec["path"])
        except (FileNotFoundError, NotADirectoryError):
            return Change("new")
        if not stat.S_ISDIR(status.st_mode):
            raise Failure("%s is no folder" % self.spec["path"])
        return File.check_access(self, status)

    def apply(self, change):
        path = os.path.abspath(self.spec["path"])
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            os.makedirs(parent, mode=0o755)
        folder = open_folder(parent)
        try:
            name = os.path.basename(path)
            if stat_at(name, folder) is None:
                os.mkdir(name, 0o700, dir_fd=folder)
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                os.fchown(handle, user_id(self.spec["owner"]), group_id(self.spec["group"]))
                os.fchmod(handle, self.spec["mode"])
            finally:
                os.close(handle)
            os.fsync(folder)
        finally:
            os.close(folder)


class Link(Kind):
    """See `hawser.resources.Link`."""

    def check(self):
        path, target = self.spec["path"], self.spec["target"]
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Change("-> " + target)
        if not stat.S_ISLNK(status.st_mode):
            raise Failure("%s is in the way of a link of ours; move it away" % path)
        old = os.readlink(path)
        return None if old == target else Change("%s -> %s" % (old, target))

    def apply(self, change):
        path = self.spec["path"]
        folder = open_folder(os.path.dirname(path))
        try:
            temporary = ".%s.hawser" % os.path.basename(path)
            if stat_at(temporary, folder) is not None:
                os.unlink(temporary, dir_fd=folder)
            os.symlink(self.spec["target"], temporary, dir_fd=folder)
            os.rename(temporary, os.path.basename(path), src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)


def remove(path, recursive=False):
    """Remove what is at a path, never following a link; what is already gone is fine."""
    try:
        folder = open_folder(os.path.dirname(path))
    except Failure:
        return
    try:
        name = os.path.basename(path)
        status = stat_at(name, folder)
        if status is None:
            return
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=folder)
        elif recursive:
            shutil.rmtree(path)
        else:
            os.rmdir(name, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


class Absent(Kind):
    """See `hawser.resources.Absent`."""

    def check(self):
        return Change("removed") if os.path.lexists(self.spec["path"]) else None

    def apply(self, change):
        remove(self.spec["path"], self.spec.get("recursive", False))


class Files(Kind):
    """See `hawser.resources.Files`."""

    def extra(self):
        try:
            names = sorted(os.listdir(self.spec["folder"]))
        except FileNotFoundError:
            return []
        keep = set(self.spec["keep"])
        return [name for name in names if fnmatch.fnmatch(name, self.spec["pattern"]) and name not in keep]

    def check(self):
        extra = self.extra()
        return Change("removes " + ", ".join(extra)) if extra else None

    def apply(self, change):
        for name in self.extra():
            remove(os.path.join(self.spec["folder"], name), self.spec.get("recursive", False))
