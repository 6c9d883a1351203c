"""Files that an operator brings to a host or takes from it, one by one, whole or not at all."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import shutil
import stat
from functools import partial

from ..rows import weight
from ..system import Failure, group_id, user_id
from .disk import NotThere, digest, digest_of, note_folder, open_folder, opened, parent_of, replace, stat_at
from .walk import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Sequence, Tuple

    from ..specs.answers import RemoteFile, RemoteState
    from ..specs.messages import Part
    from ..system import System

PART = 192 * 1024
# Files that are listed, as `hawser.fleet.transfer` takes them, and what their listing may weigh.
MOST_FILES = 100_000
LONGEST_LISTING = 14 << 20


def name_of(entry: Callable[[int], Sequence[object]], number: int) -> str:
    try:
        return str(entry(number)[0])
    except KeyError:
        return str(number)


def state(system: System, path: str) -> Optional[RemoteState]:
    """Return digest, mode, owner and group of a file; None when there is none.

    :raises Failure: there is something else.
    """
    try:
        with opened(path) as stream:
            status = os.fstat(stream.fileno())
            found = digest_of(stream)
    except (FileNotFoundError, NotThere):
        return None
    return {
        "sha256": found,
        "mode": stat.S_IMODE(status.st_mode),
        "owner": name_of(pwd.getpwuid, status.st_uid),
        "group": name_of(grp.getgrgid, status.st_gid),
    }


def entries(system: System, paths: Sequence[str]) -> Dict[str, str]:
    """Return the kind of what lies at each path: ``folder``, ``other``, a link with its target after ``->``, or empty.

    A link of root's to a folder is as good as the folder where it is the first of the paths.
    """
    found = {}
    for number, path in enumerate(paths):
        try:
            found[path] = entry(path, follow=not number)
        except NotThere:
            found[path] = ""
    return found


def entry(path: str, follow: bool) -> str:
    with parent_of(path) as (folder, name):
        status = stat_at(name, folder)
        if status is None:
            return ""
        if stat.S_ISLNK(status.st_mode):
            if follow and os.path.isdir(path):
                os.close(open_folder(path))
                return "folder"
            return "-> " + os.readlink(name, dir_fd=folder)
        return "folder" if stat.S_ISDIR(status.st_mode) else "other"


def furnish(folders: Sequence[Tuple[str, int]], links: Sequence[Tuple[str, str]], owner: str, group: str) -> None:
    """Make folders with their modes, outer ones first, and links; folders that are there stay as they are.

    :raises Failure: something that is no folder is in the way of a folder, or a folder in that of a link.
    """
    uid, gid = user_id(owner), group_id(group)
    for path, mode in folders:
        with parent_of(path, make=True) as (folder, name):
            status = stat_at(name, folder)
            if status is not None:
                # A link of root's to a folder will do.
                os.close(open_folder(path))
                continue
            note_folder(path)
            os.mkdir(name, 0o700, dir_fd=folder)
            handle = open_folder(path)
            try:
                os.fchown(handle, uid, gid)
                os.fchmod(handle, mode)
            finally:
                os.close(handle)
    for path, target in links:
        with parent_of(path, make=True) as (folder, name):
            status = stat_at(name, folder)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise Failure("%s is a folder, not a link; next: move it away" % path)
        replace(path, partial(make_link, target, uid, gid))


def make_link(target: str, uid: int, gid: int, folder: int, name: str) -> None:
    """Make a link in an open folder; one of root's is followed by root."""
    os.symlink(target, name, dir_fd=folder)
    os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)


def listing(system: System, path: str) -> List[RemoteFile]:
    """Return the files at or below a path, by their path below it (empty for the file itself), with their digests.

    :raises Failure: there is nothing, or too much to be listed.
    """
    if not os.path.isdir(path):
        row = described(path, "")
        if row is None:
            raise Failure("there is no %s" % path)
        return [row]
    os.close(open_folder(path))
    # A link, a socket or a pipe is no file that could be taken.
    rows = (
        described(os.path.join(folder, name), os.path.relpath(os.path.join(folder, name), path))
        for folder, _names, files in walk(path)
        for name in files
    )
    found: List[RemoteFile] = []
    room = LONGEST_LISTING
    for row in rows:
        if row is not None:
            found.append(row)
            room -= weight(row)
        if len(found) > MOST_FILES or room < 0:
            more = "more than %d files, or too long names" % (len(found) - 1)
            raise Failure("%s holds %s; next: get parts of it" % (path, more))
    return found


def described(path: str, name: str) -> Optional[RemoteFile]:
    """Return a file's row of a listing, as the other side needs it before it takes the file; None when it has gone."""
    try:
        with opened(path) as stream:
            status = os.fstat(stream.fileno())
            mode = stat.S_IMODE(status.st_mode)
            return {"path": name, "sha256": digest_of(stream), "mode": mode, "size": status.st_size}
    except (FileNotFoundError, NotThere):
        return None


def place(system: System, blob: str, path: str, mode: int, owner: str, group: str, sha256: str) -> None:
    """Put a blob that was sent ahead in its place, with its final mode and owner, in one step."""
    source = system.blobs.pop(blob)
    try:
        if digest(source) != sha256:
            raise Failure("%s did not arrive as it was sent" % path)
        os.close(open_folder(os.path.dirname(path), make=True))
        uid, gid = user_id(owner), group_id(group)

        def make(folder: int, name: str) -> None:
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
            with os.fdopen(handle, "wb") as target, open(source, "rb") as stream:
                shutil.copyfileobj(stream, target, 1 << 20)
                target.flush()
                os.fchown(handle, uid, gid)
                os.fchmod(handle, mode)
                os.fsync(handle)

        replace(path, make)
    finally:
        os.unlink(source)


def send(path: str, emit: Callable[[Part], None], size: int) -> str:
    """Send a file in parts, no more of it than was listed, and return the digest of the sent bytes."""
    found = hashlib.sha256()
    try:
        with opened(path) as stream:
            while size > 0:
                part = stream.read(min(PART, size))
                if not part:
                    break
                size -= len(part)
                found.update(part)
                emit({"t": "part", "data": base64.b64encode(part).decode()})
    except (FileNotFoundError, NotThere):
        raise Failure("there is no %s" % path) from None
    return found.hexdigest()
