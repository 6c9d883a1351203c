"""Files that appear whole, and files and folders that are opened without following anybody's links.

Root works in folders of the service user, who may swap whatever lies there at any moment. So nothing is judged by its
name and used by its name afterwards: it is opened once, and what is open is judged.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat

from ..system import Failure
from .deletion import Tree, refuse_mounts, unremovable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Callable, Iterator, List, Optional, Tuple

# Bytes of a file that is read whole: nothing that is meant to be read so comes near.
LONGEST = 64 << 20
TEMPORARY = re.compile(r"\.[^\0]+\.[0-9a-f]{8}~\Z", re.DOTALL)
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotThere(Failure):
    """A folder that does not exist."""


class Noted:
    """The files that note the path of the temporary file of the moment, and of folders; empty: none."""

    path = ""
    folders = ""


def open_folder(path: str, make: bool = False, judge: Optional[Callable[[int, str], None]] = None) -> int:
    """Open a folder for use as ``dir_fd``, following only links that root (or we) own.

    A service user could otherwise lead root's write elsewhere by a link inside its own folders.

    :param make: make missing folders, as ours, 0755.
    :param judge: refuses, by a `Failure`, open folders (with their paths) in which something is looked up on the way,
        and the one that is there in the end.
    :raises NotThere: a part is missing.
    :raises Failure: a part is no folder, or is somebody else's link.
    """
    if "\0" in path:
        raise Failure("%r is no path" % path)
    parts = [part for part in os.path.abspath(path).split("/") if part]
    walked: List[str] = []
    followed = 0
    handle = os.open("/", FOLDER)
    try:
        if judge:
            judge(handle, "/")
        while parts:
            part = parts.pop(0)
            here = "/" + "/".join([*walked, part])
            try:
                step = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            except FileNotFoundError:
                if not make:
                    raise NotThere("the folder %s does not exist" % here) from None
                note_folder(here)
                make_folder(part, handle)
                parts.insert(0, part)
                continue
            except OSError as error:
                target = None if error.errno == errno.ENAMETOOLONG else trusted_target(part, handle)
                if target is None:
                    raise Failure("%s: %s" % (here, error.strerror)) from None
                followed += 1
                if not target or followed > 40:
                    raise Failure("%s is a link that root does not own" % here) from None
                parts = [each for each in target.split("/") if each not in ("", ".")] + parts
                if not target.startswith("/"):
                    continue
                step, walked, part = os.open("/", FOLDER), [], ""
            os.close(handle)
            handle = step
            if part == "..":
                walked = walked[:-1]
            elif part:
                walked.append(part)
            if judge:
                judge(handle, "/" + "/".join(walked))
        return handle
    except BaseException:
        os.close(handle)
        raise


def make_folder(name: str, folder: int) -> None:
    """Make a folder inside an open one; another may have been faster."""
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return
    handle = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    try:
        # Whatever the parent hands down.
        os.fchmod(handle, 0o755)
    finally:
        os.close(handle)


def trusted_target(name: str, folder: int) -> Optional[str]:
    """Read a link inside an open folder.

    :returns: its target; empty when neither root nor we have made it; None when it is no link.
    """
    # Opened once, so that what is judged is what is read.
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(handle)
        if not stat.S_ISLNK(status.st_mode):
            return None
        ours = status.st_uid in (0, os.getuid()) and not is_planted(status, folder)
        return os.readlink("", dir_fd=handle) if ours else ""
    finally:
        os.close(handle)


def is_planted(status: os.stat_result, folder: int) -> bool:
    """Tell whether a file may be somebody else's that the owner of an open folder has given a second name there.

    The kernel prevents that only where ``fs.protected_hardlinks`` is set (proc_sys_fs(5)).
    """
    owner = os.fstat(folder).st_uid
    return status.st_nlink > 1 and owner not in (0, os.getuid(), status.st_uid)


@contextlib.contextmanager
def parent_of(path: str, make: bool = False) -> Iterator[Tuple[int, str]]:
    """Yield the open folder that a path lies in, and its name there; see `open_folder`."""
    path = os.path.abspath(path)
    folder = open_folder(os.path.dirname(path), make)
    try:
        yield folder, os.path.basename(path)
    finally:
        os.close(folder)


def stat_at(name: str, folder: int) -> Optional[os.stat_result]:
    """``lstat`` relative to an open folder; None when there is nothing."""
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def located(path: str, links: bool = True) -> Iterator[Tuple[int, os.stat_result]]:
    """Find the entry at a path, following only links that root (or we) own, and touch nothing; see `open_folder`.

    :param links: whether its own name may be such a link, too.
    :returns: a handle for ``/proc/self/fd``, and what it is.
    :raises FileNotFoundError: there is nothing.
    :raises Failure: it is somebody else's link, or a file that its folder's owner may have planted there.
    """
    for _link in range(40):
        with parent_of(path) as (folder, name):
            handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                status = os.fstat(handle)
                if not (links and stat.S_ISLNK(status.st_mode)):
                    refuse_planted(path, status, folder)
                    yield handle, status
                    return
                target = trusted_target(name, folder)
                if not target:
                    raise Failure("%s is a link that root does not own" % path)
                # Its real place: what a target means hangs on the folder that the link lies in.
                path = os.path.join(os.readlink("/proc/self/fd/%d" % folder), target)
            finally:
                os.close(handle)
    raise Failure("%s is a link that leads nowhere" % path)


@contextlib.contextmanager
def opened(path: str, links: bool = True) -> Iterator[BinaryIO]:
    """Open a regular file for reading; see `located`.

    :raises FileNotFoundError: there is nothing.
    :raises Failure: there is something else than a file (nothing waits for a pipe, no device is touched), or one that
        cannot be read now.
    """
    with located(path, links) as (found, status):
        stream = reader(path, found, status)
    with stream:
        yield stream


def reader(path: str, found: int, status: os.stat_result) -> BinaryIO:
    """Open a located file for reading.

    :raises Failure: it is no regular file, or cannot be read now.
    """
    if not stat.S_ISREG(status.st_mode):
        raise Failure("%s is %s; next: move it away" % (path, what_it_is(status.st_mode)))
    try:
        # Not blocking: its owner may hold a lease on it (fcntl(2), F_SETLEASE).
        return open(os.open("/proc/self/fd/%d" % found, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise Failure("%s: %s" % (path, error.strerror)) from None


def refuse_planted(path: str, status: os.stat_result, folder: int) -> None:
    """Refuse a file that the owner of its open folder may have planted; see `is_planted`."""
    if not stat.S_ISDIR(status.st_mode) and is_planted(status, folder):
        raise Failure("%s is another name of a file that is not its folder's owner's; next: remove it" % path)


def what_it_is(mode: int) -> str:
    """Return the kind of an entry that stands in a file's place, in words."""
    if stat.S_ISLNK(mode):
        return "a link, not a file"
    return "a folder, not a file" if stat.S_ISDIR(mode) else "no file"


def contents(stream: BinaryIO, path: str, limit: int = LONGEST) -> bytes:
    """Read an open file whole, although it may grow meanwhile.

    :param limit: bytes that it may have.
    :raises Failure: it has more.
    """
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise Failure("%s has more than %d bytes" % (path, limit))
    return data


def read(path: str, limit: int = LONGEST) -> Optional[bytes]:
    """Return a file's bytes, or None when there is none; see `opened`.

    :param limit: bytes that it may have.
    """
    try:
        with opened(path) as stream:
            return contents(stream, path, limit)
    except (FileNotFoundError, NotThere):
        return None


def beginning(path: str, size: int) -> str:
    """Return the first bytes of a file as text, empty where there is none that can be read; see `opened`."""
    try:
        with opened(path) as stream:
            return stream.read(size).decode("utf-8", "replace")
    except (FileNotFoundError, NotThere, Failure):
        return ""


def read_beneath(folder: str, path: str, limit: int = LONGEST) -> Optional[bytes]:
    """Return the bytes of a file of a checkout, or None when there is none.

    Links may be anybody's, for a repository may hold some; where they lead out of the folder, they are refused.

    :param path: the file, in the folder or relative to it.
    :param limit: bytes that it may have.
    :raises Failure: as `opened` does, and for what lies outside of the folder.
    """
    parts = os.path.relpath(os.path.join(folder, path), folder).split("/")
    followed = 0
    try:
        handles = [open_folder(folder)]
    except NotThere:
        return None
    try:
        while True:
            part = parts.pop(0)
            if part == "..":
                os.close(handles.pop())
                if not handles:
                    raise Failure("%s leads out of %s" % (path, folder))
                continue
            found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handles[-1])
            handles.append(found)
            status = os.fstat(found)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink("", dir_fd=found)
                os.close(handles.pop())
                followed += 1
                if target.startswith("/") or followed > 40:
                    raise Failure("%s leads out of %s, or nowhere" % (path, folder))
                parts = [each for each in target.split("/") if each not in ("", ".")] + parts
            elif not parts:
                refuse_planted(path, status, handles[-2])
                with reader(path, found, status) as stream:
                    return contents(stream, path, limit)
    except (FileNotFoundError, IndexError):
        return None
    except OSError as error:
        raise Failure("%s: %s" % (path, error.strerror)) from None
    finally:
        for each in handles:
            os.close(each)


def beneath(folder: str, path: str) -> str:
    """Return the path of an entry of a checkout without the links of its repository on the way to it.

    They may lead from one folder of the checkout to another. Whoever opens the path meets none of them; links of root's
    stay, for they are followed anyway.

    :raises Failure: one leads elsewhere, or there is a file where a folder is wanted.
    """
    rest = os.path.relpath(path, folder).split("/")
    here: List[str] = []
    followed = 0
    while len(rest) > 1:
        at = os.path.join(folder, *here, rest[0])
        try:
            status = os.lstat(at)
        except FileNotFoundError:
            break
        part = rest.pop(0)
        if part == ".." and not here:
            raise Failure("a link of the code on the way to %s leads out of it; next: another path" % path)
        if part == "..":
            here.pop()
        elif not stat.S_ISLNK(status.st_mode):
            here.append(part)
            if not stat.S_ISDIR(status.st_mode):
                raise Failure("the code has a file at %s, which is no folder for %s; next: another path" % (at, path))
        elif status.st_uid in (0, os.getuid()):
            here.append(part)
            break
        else:
            target = os.readlink(at)
            followed += 1
            if target.startswith("/") or followed > 40:
                raise Failure(
                    "the code has a link at %s, which leads out of it; next: another path than %s" % (at, path)
                )
            rest = [each for each in target.split("/") if each not in ("", ".")] + rest
    return os.path.join(folder, *here, *rest)


def digest(path: str) -> str:
    """Return the SHA-256 of a file, however large; see `opened`."""
    with opened(path) as stream:
        return digest_of(stream)


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of an open file's contents."""
    import hashlib

    found = hashlib.sha256()
    for part in iter(lambda: stream.read(1 << 20), b""):
        found.update(part)
    return found.hexdigest()


def read_itself(path: str) -> bytes:
    """Return the bytes of a file, never of a link's target; see `opened`."""
    with opened(path, links=False) as stream:
        return contents(stream, path)


def write_atomically(path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Write a file so that a reader sees the old or the new one whole, and so that it is on disk afterwards."""

    def make(folder: int, name: str) -> None:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if uid != -1 or gid != -1:
                os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            os.fsync(handle)

    replace(path, make)


def link_atomically(path: str, target: str) -> None:
    """Make a symbolic link, or turn one to another target, so that it is there at every moment."""
    replace(path, lambda folder, name: os.symlink(target, name, dir_fd=folder))


def replace(path: str, make: Callable[[int, str], None]) -> None:
    """Have something made under a temporary name, and rename it to its place.

    :param make: called with the open folder and the name.
    """
    with parent_of(path) as (folder, name):
        # Hidden, and with the end of a backup's name: what reads whole folders passes it over.
        temporary = ".%s.%s~" % (os.fsdecode(os.fsencode(name)[:200]), os.urandom(4).hex())
        note(os.path.join(os.path.dirname(os.path.abspath(path)), temporary))
        try:
            make(folder, temporary)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)
    note("")


def remove(path: str, recursive: bool = False) -> None:
    """Remove the entry at a path, never following a link, nor into a mount; a missing one is fine.

    :raises Failure: a folder that is not empty is not to be removed with its contents, something is mounted in it, or
        the system refuses a part of it, which is named.
    """
    try:
        with parent_of(path) as (folder, name):
            status = stat_at(name, folder)
            if status is None:
                return
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(name, dir_fd=folder)
            elif recursive:
                refuse_mounts(path)
                Tree(folder, name, os.path.abspath(path)).remove()
            else:
                os.rmdir(name, dir_fd=folder)
            os.fsync(folder)
    except NotThere:
        return
    except OSError as error:
        raise unremovable(path, error) from None


def note(path: str) -> None:
    """Write down which temporary file is about to be made, for a run that comes after ours was killed.

    :param path: empty: there is none any more.
    """
    if Noted.path:
        # Without fsync: the note has to outlive us, not the power.
        with open(Noted.path, "wb") as stream:
            stream.write(os.fsencode(path))


def note_folder(path: str) -> None:
    """Write down which folder is about to be made: where it is empty then, it goes when the application goes."""
    if Noted.folders:
        handle = os.open(Noted.folders, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab") as stream:
            stream.write(os.fsencode(path) + b"\0")


def noted_folders(state: str) -> List[str]:
    """Return the folders that were made for the application and are still there, outer ones first."""
    return folders_in(read(os.path.join(state, "folders")) or b"")


def folders_in(noted: bytes) -> List[str]:
    """Return the folders in a note that still exist, outer ones first."""
    return sorted(each for each in {os.fsdecode(path) for path in noted.split(b"\0")} if each and os.path.isdir(each))


def clear_up(state: str) -> None:
    """Remove the temporary files that a killed run has left, and note our own from now on.

    :param state: the folder that survives between runs; only the holder of its lock may call this.
    """
    os.makedirs(state, mode=0o700, exist_ok=True)
    Noted.path = os.path.join(state, "unfinished")
    Noted.folders = os.path.join(state, "folders")
    left = os.fsdecode(read(Noted.path) or b"")
    # A note that a crash of the host has cut, or filled with zeros, names something else.
    if TEMPORARY.match(os.path.basename(left)):
        # The folder that it lies in may be somebody's who has made something else of it meanwhile.
        with contextlib.suppress(Failure):
            remove(left)
    if left:
        note("")
    remove(scratch_folder(state), recursive=True)
    noted = read(Noted.folders) or b""
    there = b"".join(os.fsencode(each) + b"\0" for each in folders_in(noted))
    if there != noted:
        write_atomically(Noted.folders, there, 0o600)


def scratch_folder(state: str) -> str:
    return os.path.join(state, "scratch")


@contextlib.contextmanager
def scratch(state: str) -> Iterator[str]:
    """Yield a folder for temporary files; the leftovers of a killed run go with the next run."""
    path = os.path.join(scratch_folder(state), os.urandom(4).hex())
    os.makedirs(path, mode=0o700)
    try:
        yield path
    finally:
        remove(path, recursive=True)
