"""Files that appear whole, and folders that are entered without following anybody's links."""

from __future__ import annotations

import contextlib
import os
import stat

from .deletion import Tree, refuse_mounts, unremovable
from .system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, List, Optional, Tuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NotThere(Failure):
    """A folder that does not exist."""


class Noted:
    """Where the path of the temporary file of the moment is noted; empty: nowhere."""

    path = ""


def open_folder(path: str, make: bool = False) -> int:
    """Open a folder for use as ``dir_fd``, following only links that root (or we) own.

    A service user could otherwise lead root's write elsewhere by a link inside its own folders.

    :param make: make missing folders, as ours, 0755.
    :raises NotThere: a part is missing.
    :raises Failure: a part is no folder, or is somebody else's link.
    """
    parts = [part for part in os.path.abspath(path).split("/") if part]
    walked: List[str] = []
    followed = 0
    handle = os.open("/", FOLDER)
    try:
        while parts:
            part = parts.pop(0)
            here = "/" + "/".join([*walked, part])
            try:
                step = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            except FileNotFoundError:
                if not make:
                    raise NotThere("the folder %s does not exist" % here) from None
                make_folder(part, handle)
                parts.insert(0, part)
                continue
            except OSError as error:
                target = trusted_target(part, handle)
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
        return os.readlink("", dir_fd=handle) if status.st_uid in (0, os.getuid()) else ""
    finally:
        os.close(handle)


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


def read(path: str) -> Optional[bytes]:
    """Return a file's bytes, or None when there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def digest(path: str) -> str:
    """Return the SHA-256 of a file, however large."""
    import hashlib

    found = hashlib.sha256()
    with open(path, "rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            found.update(part)
    return found.hexdigest()


def read_itself(path: str) -> bytes:
    """Return the bytes of a regular file, never of one that a link leads to.

    :raises Failure: there is something else.
    """
    with parent_of(path) as (folder, name):
        # A pipe in its place would otherwise be waited for.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Failure("%s is no file" % path)
            return stream.read()


def write_atomically(
    path: str,
    data: bytes,
    mode: int,
    uid: int = -1,
    gid: int = -1,
    before: Optional[Callable[[str], None]] = None,
) -> None:
    """Write a file so that a reader sees the old or the new one whole, and so that it is on disk afterwards.

    :param before: called with the temporary path before it takes the real one's place; may raise.
    """

    def make(folder: int, name: str) -> None:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            if uid != -1 or gid != -1:
                os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            os.fsync(handle)
        if before is not None:
            before(os.path.join(os.path.dirname(path), name))

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


def remove(path: str, recursive: bool = False) -> None:
    """Remove what is at a path, never following a link, nor into a mount; what is already gone is fine.

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
    """Write down which temporary file is about to be made, for a run that comes after ours was killed."""
    if Noted.path:
        # Without fsync: the note has to outlive us, not the power.
        with open(Noted.path, "wb") as stream:
            stream.write(os.fsencode(path))


def clear_up(state: str) -> None:
    """Remove the temporary files that a killed run has left, and note our own from now on.

    :param state: the folder that survives between runs; only the holder of its lock may call this.
    """
    os.makedirs(state, mode=0o700, exist_ok=True)
    Noted.path = os.path.join(state, "unfinished")
    left = read(Noted.path)
    if left:
        remove(os.fsdecode(left))
    remove(scratch_folder(state), recursive=True)


def scratch_folder(state: str) -> str:
    return os.path.join(state, "scratch")


@contextlib.contextmanager
def scratch(state: str) -> Iterator[str]:
    """Yield a folder for what is needed for a moment; what a killed run left in one goes with the next run."""
    path = os.path.join(scratch_folder(state), os.urandom(4).hex())
    os.makedirs(path, mode=0o700)
    try:
        yield path
    finally:
        remove(path, recursive=True)
