"""Folders that go with all that they hold, while their owner may go on changing them, and never across a mount."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex

from ..kernel.mountinfo import mount_points
from ..system import Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence

    from ..specs.messages import Details
    from ..system import Spec, System

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
# Looks at a folder that is never empty, for somebody goes on writing into it.
ATTEMPTS = 5
# Levels that are walked down, each of which costs an open file. What is deeper is moved up, and goes after the rest.
DEEPEST = 100
# Looks at the folder to which what is too deep is moved up.
PASSES = 1000


def within(path: str, mounts: Sequence[str]) -> List[str]:
    """Return the mounts that lie at a path or below it."""
    above, name = os.path.split(os.path.abspath(path))
    place = os.path.join(os.path.realpath(above), name)
    return [each for each in mounts if each == place or each.startswith(place + "/")]


def mounted(path: str, mounts: Sequence[str]) -> str:
    """Say why a folder is not removed, and the next move."""
    return "%s is not removed, for something else is mounted in it: %s; next: umount %s" % (
        path,
        ", ".join(mounts),
        shlex.quote(mounts[-1]),
    )


def refuse_mounts(path: str) -> None:
    """Refuse to remove a folder in which something is mounted, be it a folder of the same file system.

    :raises Failure: names the mounts and the next move.
    """
    found = within(path, mount_points())
    if found:
        raise Failure(mounted(path, found))


def mount_of(handle: int) -> str:
    """Return the number of the mount that an open folder lies in; two mounts of one file system differ.

    Source: proc_pid_fdinfo(5).
    """
    with open("/proc/self/fdinfo/%d" % handle, encoding="ascii") as stream:
        return next((line.split()[1] for line in stream if line.startswith("mnt_id:")), "")


def unremovable(path: str, error: OSError) -> Failure:
    """Return the failure to remove something, with its reason and the next move."""
    hint = {
        errno.EPERM: "; if it is immutable (`lsattr -d`), next: chattr -i -a",
        errno.EBUSY: "; if something is mounted there (`findmnt`), next: umount",
        errno.EROFS: "; its file system is read-only",
    }.get(error.errno or 0, "")
    return Failure("%s cannot be removed: %s%s" % (path, error.strerror, hint))


class Tidying(Kind):
    """A kind that removes things that nobody needs any more; where it cannot, they stay, with a warning.

    Nothing that serves depends on it, so that it must not fail a deploy.
    """

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.refused: List[str] = []

    def try_to(self, remove: Callable[[], None]) -> None:
        """Remove something, or take note of why it stays."""
        try:
            remove()
        except Failure as failure:
            self.refused.append(failure.message)

    def facts(self) -> Details:
        return {"warning": "\n".join(self.refused)} if self.refused else {}


class Tree:
    """A folder that goes with all that it holds.

    Every folder is entered through its open parent, and only while it lies in the same mount: what is mounted in it
    while it goes is refused, and nothing behind that is touched.

    :param folder: the open folder that it lies in.
    :param name: its name there.
    :param path: its whole path, for people.
    """

    def __init__(self, folder: int, name: str, path: str) -> None:
        self.folder = folder
        self.name = name
        self.path = path
        self.mount = mount_of(folder)
        self.top = -1

    def remove(self) -> None:
        """Remove it.

        :raises Failure: something is mounted in it, or a part of it cannot be removed; either is named.
        """
        self.drop(self.folder, self.name, self.path, True, 0)

    def drop(self, parent: int, name: str, path: str, is_folder: bool, depth: int) -> None:
        """Remove an entry of an open folder; if it has vanished or changed by itself, it is left to the next look."""
        try:
            if not is_folder:
                os.unlink(name, dir_fd=parent)
                return
            if depth > DEEPEST:
                os.rename(name, ".deep-" + os.urandom(8).hex(), src_dir_fd=parent, dst_dir_fd=self.top)
                return
            handle = os.open(name, FOLDER, dir_fd=parent)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                return
            raise unremovable(path, error) from None
        try:
            if mount_of(handle) != self.mount:
                message = "%s is a mount, and nothing behind it is removed; next: umount %s"
                raise Failure(message % (path, shlex.quote(path)))
            if not depth:
                self.top = handle
            self.clear(handle, parent, name, path, depth)
        finally:
            os.close(handle)

    def clear(self, handle: int, parent: int, name: str, path: str, depth: int) -> None:
        """Remove the contents of an open folder, then the folder itself."""
        # Its owner makes nothing more in it. Not every file system knows owners.
        with contextlib.suppress(OSError):
            os.fchown(handle, os.getuid(), -1)
            os.fchmod(handle, 0o700)
        for left in reversed(range(ATTEMPTS if depth else PASSES)):
            with os.scandir(handle) as entries:
                rows = [(each.name, each.is_dir(follow_symlinks=False)) for each in entries]
            for each, is_folder in rows:
                self.drop(handle, each, os.path.join(path, each), is_folder, depth + 1)
            try:
                os.rmdir(name, dir_fd=parent)
                return
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not left:
                    raise unremovable(path, error) from None
