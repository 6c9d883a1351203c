"""Where backups are made: a folder that is closed to others, and programs whose output becomes a file in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat

from ..files.disk import FOLDER, open_folder, remove
from ..system import Failure, account_of, how_it_ended, kill_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Mapping, Optional, Protocol, Sequence

    from ..system import System

    class Target(Protocol):
        def write(self, data: bytes, /) -> int: ...


# Seconds for one dump or one restore.
LONGEST = 6 * 3600
MAKING = ".making-"
# Characters of a program's errors that are kept.
ERRORS = 64 * 1024


@contextlib.contextmanager
def own_folder(folder: str) -> Iterator[int]:
    """Yield an open folder of backups, which is made where there is none.

    Once it is open, its path may be used as well: it is root alone who could have it lead elsewhere.

    :raises Failure: somebody but root could exchange what lies there, the folder itself, or what leads to it.
    """

    def judge(handle: int, place: str) -> None:
        status = os.fstat(handle)
        others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid else 0)
        exchanged = status.st_mode & others and not status.st_mode & stat.S_ISVTX
        if status.st_uid not in (0, os.getuid()) or exchanged:
            raise Failure(
                "others than root may exchange what lies in %s, so no backup is safe in %s; next: another folder as"
                " backup.folder, or chown root and chmod go-w" % (place, folder)
            )

    above = open_folder(os.path.dirname(os.path.abspath(folder)), make=True, judge=judge)
    try:
        # Its names are nobody's business, but what a user is given in it has to be reached.
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.basename(os.path.abspath(folder)), 0o711, dir_fd=above)
    finally:
        os.close(above)
    handle = open_folder(folder, judge=judge)
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def workplace(folder: str, user: str, state: str) -> Iterator[str]:
    """Yield a folder inside another one, with a folder ``own`` of a user in it; the leftovers of a killed run go first.

    :param state: the application's records, for others may keep their backups in the same folder.
    """
    mine = MAKING + hashlib.sha256(state.encode()).hexdigest()[:8] + "-"
    account = account_of(user)
    with own_folder(folder) as handle:
        for name in os.listdir(handle):
            # An older version gave them eight digits alone.
            if name.startswith(mine) or re.fullmatch(re.escape(MAKING) + "[0-9a-f]{8}", name):
                remove(os.path.join(folder, name), recursive=True)
        name = mine + os.urandom(4).hex()
        place = os.path.join(folder, name)
        os.mkdir(name, 0o711, dir_fd=handle)
        try:
            os.mkdir(name + "/own", 0o700, dir_fd=handle)
            own = os.open(name + "/own", FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            try:
                os.fchown(own, account.pw_uid, account.pw_gid)
            finally:
                os.close(own)
            yield place
        finally:
            remove(place, recursive=True)


def receive(
    system: System,
    target: Target,
    argv: Sequence[str],
    user: str,
    env: Mapping[str, str],
    limit: Optional[int] = None,
    longest: float = LONGEST,
) -> None:
    """Run a program as a user and write its output to a file of ours.

    :param limit: bytes that it may write.
    :param longest: seconds that it may take.
    :raises Failure: it failed, or wrote more.
    """
    errors, written = bytearray(), 0

    def keep(name: str, part: bytes) -> None:
        nonlocal written
        if name == "err":
            errors.extend(part)
            del errors[:-ERRORS]
            return
        written += len(part)
        if limit is not None and written > limit:
            name = os.path.basename(argv[0])
            raise Failure("%s wrote more than the %d MiB that were expected" % (name, limit >> 20))
        target.write(part)

    child = system.spawn(argv, user, "/", env)
    try:
        in_time = system.attend(child, b"", keep, longest)
    except BaseException:
        kill_group(child.pid)
        child.wait()
        raise
    if not in_time or child.returncode:
        why = how_it_ended(child.returncode) if in_time else "is not done after %d s" % longest
        raise Failure("%s %s" % (os.path.basename(argv[0]), why), errors.decode("utf-8", "replace"))
