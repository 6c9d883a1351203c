"""Files, folders and links."""

from __future__ import annotations

import base64
import difflib
import fnmatch
import glob
import json
import os
import stat

from ..system import Change, Failure, Kind, group_id, user_id
from .deletion import refuse_mounts
from .disk import (
    NotThere,
    beneath,
    contents,
    link_atomically,
    located,
    note_folder,
    open_folder,
    opened,
    parent_of,
    read,
    read_itself,
    remove,
    scratch,
    stat_at,
    what_it_is,
    write_atomically,
)
from .records import number, parsed
from .validate import VALIDATORS, validate_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Tuple

    from ..specs.files import (
        AbsentSpec,
        AccessSpec,
        BlockSpec,
        DirectorySpec,
        FileSpec,
        LinkSpec,
        OnlyFilesSpec,
        WholeFileSpec,
    )
    from ..system import System
    from .validate import Validator

DIFF_LINES = 200
# A comparison line by line takes minutes beyond.
COMPARED_LINES = 20000


def unified(path: str, old: bytes, new: bytes) -> str:
    """Return a unified diff of two byte strings, cut to a readable length; a note where they are no text."""
    try:
        before, after = lines_of(old.decode()), lines_of(new.decode())
    except UnicodeDecodeError:
        return "--- %s\n+++ %s\n(no text: %d -> %d bytes)" % (path, path, len(old), len(new))
    if len(before) + len(after) > COMPARED_LINES:
        return "--- %s\n+++ %s\n(%d -> %d lines)" % (path, path, len(before), len(after))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm=""))
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = ["(%d more lines)" % (len(lines) - DIFF_LINES)]
    return "\n".join(lines)


def lines_of(text: str) -> List[str]:
    """Part a text into lines, so that a last line without its end differs from one with it."""
    lines = text.split("\n")
    last = lines.pop()
    return [*lines, last + " (no line end)"] if last else lines


def real(path: str) -> str:
    """Return the one path that a pattern with ``*`` in its folders stands for."""
    folder, name = os.path.split(os.path.abspath(path))
    if "*" not in folder:
        return os.path.join(folder, name)
    found = sorted(glob.glob(folder))
    if len(found) != 1:
        raise Failure(
            "%s stands for %d folders, not one%s" % (folder, len(found), ": " + ", ".join(found) if found else "")
        )
    return os.path.join(found[0], name)


def check_access(spec: AccessSpec, status: os.stat_result) -> Optional[Change]:
    """Compare mode, owner and group with the wanted ones."""
    notes = []
    if stat.S_IMODE(status.st_mode) != spec["mode"]:
        notes.append("mode %04o -> %04o" % (stat.S_IMODE(status.st_mode), spec["mode"]))
    if status.st_uid != user_id(spec["owner"]):
        notes.append("owner -> " + spec["owner"])
    if status.st_gid != group_id(spec["group"]):
        notes.append("group -> " + spec["group"])
    return Change(", ".join(notes)) if notes else None


class Former:
    """The former file, kept on disk until the file's reader has accepted the new one.

    :param state: the folder that survives between runs.
    """

    def __init__(self, state: str, path: str) -> None:
        import hashlib

        self.path = path
        self.copy = os.path.join(state, "former", hashlib.sha256(os.fsencode(path)).hexdigest()[:32])

    def exists(self) -> bool:
        return os.path.exists(self.copy)

    def keep(self) -> None:
        """Keep the present file, unless a killed run has kept its predecessor."""
        if self.exists():
            return
        entry: Dict[str, object] = {"path": self.path}
        with parent_of(self.path) as (folder, name):
            status = stat_at(name, folder)
            if status is not None and stat.S_ISLNK(status.st_mode):
                entry["link"] = os.readlink(name, dir_fd=folder)
            elif status is not None:
                with opened(self.path, links=False) as stream:
                    entry["content"] = base64.b64encode(contents(stream, self.path)).decode()
                    status = os.fstat(stream.fileno())
                entry.update(mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid)
        os.makedirs(os.path.dirname(self.copy), mode=0o700, exist_ok=True)
        write_atomically(self.copy, json.dumps(entry).encode(), 0o600)

    def put_back(self) -> None:
        entry = self.entry()
        if "link" in entry:
            link_atomically(self.path, str(entry["link"]))
        elif "content" in entry:
            mode, uid, gid = number(entry, "mode"), number(entry, "uid", -1), number(entry, "gid", -1)
            write_atomically(self.path, base64.b64decode(str(entry["content"])), mode, uid, gid)
        else:
            remove(self.path)
        self.forget()

    def entry(self) -> Dict[str, object]:
        found = parsed(read(self.copy), dict)
        if found is None or found.get("path") != self.path:
            raise Failure(
                "%s is damaged, so nobody knows what %s was before; next: put that file right, and remove the first"
                % (self.copy, self.path)
            )
        return found

    def forget(self) -> None:
        remove(self.copy)


class WholeFile(Kind):
    """A file whose content the runner knows from the first byte to the last.

    :ivar validator: the name of a validator or a command line, see `validate_with`; empty for none.
    :ivar keep: leave an existing file's content alone.
    :ivar opaque: show no diff.
    :ivar code: the checkout that it lies in; empty: none.
    """

    spec: WholeFileSpec
    code = ""
    validator = ""
    keep = False
    opaque = False

    def wanted(self) -> bytes:
        raise NotImplementedError

    def place(self) -> str:
        """Return its path, without links of the code on the way."""
        path = real(self.spec["path"])
        return beneath(self.code, path) if self.code else path

    def in_place(self) -> Optional[Validator]:
        """Return the validator if it can only judge the file in its final place, else None."""
        validator = VALIDATORS.get(self.validator)
        return validator if validator is not None and validator.in_place else None

    def check(self) -> Optional[Change]:
        path = self.place()
        change = self.compare(path)
        if change is None and self.in_place() and Former(self.system.state, path).exists():
            return Change("an interrupted run has not checked it")
        if change is not None and self.opaque:
            return Change(change.note or "new content")
        return change

    def compare(self, path: str) -> Optional[Change]:
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Change("new", unified(path, b"", self.wanted()))
        if not stat.S_ISREG(status.st_mode):
            if stat.S_ISLNK(status.st_mode) and not self.keep:
                return Change("replaces a link", unified(path, b"", self.wanted()))
            if self.code:
                where = "the code has a folder at %s, where a file is to be written; next: another path for that file"
                raise Failure(where % path)
            raise Failure("%s is %s; next: move it away" % (path, what_it_is(status.st_mode)))
        if not self.keep:
            old = read_itself(path)
            if old != self.wanted():
                return Change("", unified(path, old, self.wanted()))
        return check_access(self.spec, status)

    def apply(self, change: Change) -> None:
        path, mode = self.place(), self.spec["mode"]
        if self.spec["parents"]:
            os.close(open_folder(os.path.dirname(path), make=True))
        uid, gid = user_id(self.spec["owner"]), group_id(self.spec["group"])
        if self.keep and os.path.lexists(path):
            # Where it lies: whoever writes to it has it open.
            with opened(path, links=False) as stream:
                os.fchown(stream.fileno(), uid, gid)
                os.fchmod(stream.fileno(), mode)
            return
        data, in_place = self.wanted(), self.in_place()
        if in_place is None:
            if self.validator:
                # In a folder of root's: beside its place, its owner could swap it while it is judged.
                with scratch(self.system.state) as folder:
                    copy = os.path.join(folder, os.path.basename(path))
                    write_atomically(copy, data, 0o600)
                    validate_with(self.validator, self.system, copy, path)
            write_atomically(path, data, mode, uid, gid)
            return
        former = Former(self.system.state, path)
        former.keep()
        try:
            write_atomically(path, data, mode, uid, gid)
            in_place.check(self.system, path, path)
        except Exception:
            former.put_back()
            raise
        former.forget()


class File(WholeFile):
    """See `hawser.resources.File`."""

    spec: FileSpec

    def __init__(self, spec: FileSpec, system: System) -> None:
        super().__init__(spec, system)
        self.validator, self.keep, self.opaque = spec["validate"], spec["keep"], spec["opaque"]
        self.code = spec["code"]

    def wanted(self) -> bytes:
        content = self.spec["content"]
        return content.encode() if isinstance(content, str) else base64.b64decode(content["base64"])


class Block(Kind):
    """See `hawser.resources.Block`."""

    spec: BlockSpec

    def place(self) -> str:
        """Return the file's own path, behind links that root has made."""
        path = real(self.spec["path"])
        try:
            with located(path) as (handle, _status):
                return os.readlink("/proc/self/fd/%d" % handle)
        except (NotThere, FileNotFoundError):
            raise Failure("%s does not exist" % path) from None

    def merged(self, path: str, old: bytes) -> bytes:
        """Return a file's bytes with our lines in their place, and everything else as it was."""
        begin, end = (("# %s hawser %s" % (word, self.spec["name"])).encode() for word in ("BEGIN", "END"))
        content = self.spec["content"].rstrip("\n").encode()
        block = [begin, *content.split(b"\n"), end] if content else []
        try:
            lines, place = without_block(old.split(b"\n"), begin, end)
        except ValueError:
            raise Failure("%s: the lines %s and %s do not pair" % (path, begin.decode(), end.decode())) from None
        if place is None:
            if not block:
                return old
            if not self.spec["top"] and lines[-1]:
                lines.append(b"")
            place = 0 if self.spec["top"] else len(lines) - 1
        return b"\n".join([*lines[:place], *block, *lines[place:]])

    def check(self) -> Optional[Change]:
        if not self.spec["content"].strip() and not glob.glob(self.spec["path"]):
            # Without a file there is no block in it.
            return None
        path = self.place()
        old = read_itself(path)
        new = self.merged(path, old)
        return None if old == new else Change("", unified(path, old, new))

    def apply(self, change: Change) -> None:
        path = self.place()
        rewrite(path, lambda old: self.merged(path, old))


def rewrite(path: str, change: Callable[[bytes], bytes]) -> None:
    """Replace a file by a change of its content; mode and owner of the file that was read stay."""
    with opened(path, links=False) as stream:
        new = change(contents(stream, path))
        status = os.fstat(stream.fileno())
    # What runs with its owner's rights loses that, as with every write(2).
    write_atomically(path, new, status.st_mode & 0o777, status.st_uid, status.st_gid)


def without_block(lines: List[bytes], begin: bytes, end: bytes) -> Tuple[List[bytes], Optional[int]]:
    """Take out the lines between two marker lines, markers included, at every place.

    :returns: the other lines, and the place of the first block among them; None when there is none.
    :raises ValueError: the markers do not pair.
    """
    kept: List[bytes] = []
    place: Optional[int] = None
    inside = False
    for line in lines:
        marker = line.rstrip()
        if marker in (begin, end):
            if inside != (marker == end):
                raise ValueError("unpaired")
            inside = not inside
            if inside and place is None:
                place = len(kept)
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError("unpaired")
    return kept, place


class Directory(Kind):
    """See `hawser.resources.Directory`."""

    spec: DirectorySpec

    def check(self) -> Optional[Change]:
        try:
            # A link that root has made, to a larger disk say, is as good as the folder.
            handle = open_folder(self.spec["path"])
        except NotThere as missing:
            if os.path.lexists(self.spec["path"]):
                raise Failure("%s is a link that leads nowhere" % self.spec["path"]) from missing
            return Change("new")
        try:
            return check_access(self.spec, os.fstat(handle))
        finally:
            os.close(handle)

    def apply(self, change: Change) -> None:
        uid, gid = user_id(self.spec["owner"]), group_id(self.spec["group"])
        with parent_of(self.spec["path"], make=True) as (folder, name):
            if stat_at(name, folder) is None:
                note_folder(os.path.abspath(self.spec["path"]))
                os.mkdir(name, 0o700, dir_fd=folder)
            handle = open_folder(self.spec["path"])
            try:
                os.fchown(handle, uid, gid)
                os.fchmod(handle, self.spec["mode"])
            finally:
                os.close(handle)
            os.fsync(folder)


class Link(Kind):
    """See `hawser.resources.Link`."""

    spec: LinkSpec

    def check(self) -> Optional[Change]:
        path, target = os.path.abspath(self.spec["path"]), self.spec["target"]
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Change("-> " + target)
        if stat.S_ISSOCK(status.st_mode):
            # Of a process that had no colours before; it holds nothing, and is heard until its server closes it.
            return Change("-> " + target)
        if not stat.S_ISLNK(status.st_mode):
            raise Failure("%s is in the way of a link of ours; next: move it away" % path)
        old = os.readlink(path)
        return None if old == target else Change("%s -> %s" % (old, target))

    def apply(self, change: Change) -> None:
        if self.spec["parents"]:
            os.close(open_folder(os.path.dirname(self.spec["path"]), make=True))
        link_atomically(self.spec["path"], self.spec["target"])


class Absent(Kind):
    """See `hawser.resources.Absent`."""

    spec: AbsentSpec

    def check(self) -> Optional[Change]:
        path = self.path()
        if path is None or not os.path.lexists(path):
            return None
        if self.spec["recursive"]:
            refuse_mounts(path)
        return Change("removed")

    def path(self) -> Optional[str]:
        """Return the path; None for a pattern that fits nothing."""
        if "*" in os.path.dirname(self.spec["path"]) and not glob.glob(os.path.dirname(self.spec["path"])):
            return None
        return real(self.spec["path"])

    def apply(self, change: Change) -> None:
        path = self.path()
        if path is not None:
            remove(path, self.spec["recursive"])


class OnlyFiles(Kind):
    """See `hawser.resources.OnlyFiles`."""

    spec: OnlyFilesSpec

    def extra(self) -> List[str]:
        try:
            names = sorted(os.listdir(self.spec["folder"]))
        except FileNotFoundError:
            return []
        keep, pattern = set(self.spec["keep"]), self.spec["pattern"]
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern) and name not in keep]
        # As in a shell, a pattern stands for hidden files only when it says so.
        return [name for name in found if not name.startswith(".") or pattern.startswith(".")]

    def check(self) -> Optional[Change]:
        extra = self.extra()
        return Change("removes " + ", ".join(extra)) if extra else None

    def apply(self, change: Change) -> None:
        for name in self.extra():
            remove(os.path.join(self.spec["folder"], name), self.spec["recursive"])
