"""Folders with all that lies in them, walked through without following links, while their owner may move them about."""

from __future__ import annotations

import os

from ..system import Failure
from .disk import FOLDER, NotThere, open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional, Tuple

# Bytes of a path that a program can still add a name to (PATH_MAX is 4096).
LONGEST_PATH = 3800


def walk(path: str) -> Iterator[Tuple[str, List[str], List[str]]]:
    """Yield the path of each folder at and below a path, the names of the folders in it, and of its files.

    Without following links: what is neither folder nor regular file is left out, and what lies deeper than a path can
    say. The names of folders may be removed from the list that is yielded: they are not entered.
    """
    try:
        handle = open_folder(path)
    except (Failure, OSError):
        # It has gone meanwhile, or is something else now.
        return
    # From one folder to the next, for a look from the top at each of them takes as long as all those above it.
    levels: List[Level] = []
    here = path
    try:
        while True:
            folders, files = names_in(handle)
            yield here, folders, files
            levels.append(Level(here, identity(handle), folders[::-1]))
            inner = None
            while inner is None:
                while not levels[-1].waiting:
                    levels.pop()
                    if not levels:
                        return
                    handle = parent_again(handle, levels[-1])
                here = os.path.join(levels[-1].path, levels[-1].waiting.pop())
                inner = entered(os.path.basename(here), handle) if len(os.fsencode(here)) < LONGEST_PATH else None
            os.close(handle)
            handle = inner
    except NotThere:
        # Whoever owns it moves its folders about.
        return
    finally:
        os.close(handle)


class Level:
    """A folder on the way down.

    :param waiting: the names of the folders in it that are still to be entered, the next one last.
    """

    def __init__(self, path: str, identity: Tuple[int, int], waiting: List[str]) -> None:
        self.path = path
        self.identity = identity
        self.waiting = waiting


def identity(handle: int) -> Tuple[int, int]:
    """Return the identity of an open folder: its device and inode."""
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def names_in(folder: int) -> Tuple[List[str], List[str]]:
    """Return the names of the folders in an open folder, and of its regular files."""
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
    return sorted(folders), sorted(files)


def entered(name: str, folder: int) -> Optional[int]:
    """Open a folder in an open folder; None when it has gone, or is something else now."""
    try:
        return os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        return None


def parent_again(handle: int, level: Level) -> int:
    """Go back from an open folder to its parent, from which it was entered, and close it.

    :raises NotThere: it lies elsewhere now.
    """
    above = os.open("..", FOLDER, dir_fd=handle)
    if identity(above) != level.identity:
        os.close(above)
        raise NotThere("the folder %s does not exist" % level.path)
    os.close(handle)
    return above
