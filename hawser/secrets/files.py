"""Files that hold secrets: one writer at a time, and a file is there as a whole or as it was."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hawser.errors import InputErrors, Problem
from hawser.inventory.documents import label


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold a lock on the folder of a file, so that no lock file is left behind; yield the file behind a link.

    :raises InputErrors: it cannot be written there.
    """
    target = path.resolve()  # a link to a private place stays a link
    try:
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield target
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputErrors([Problem(label(path), "", f"cannot be written: {words(error)}")]) from None


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file in one step; the temporary file matches the ``*.env`` that git ignores."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".env")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def mode_of(path: Path) -> int:
    """Return the mode that a file has, or would get."""
    mask = os.umask(0o022)
    os.umask(mask)
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~mask


def readable_by_others(path: Path, what: str) -> Problem | None:
    """Return the problem with a file that others than its owner may read or write.

    :param what: what it would give them.
    :raises OSError: it is not there.
    """
    mode = path.stat().st_mode & 0o777
    if not mode & 0o077:
        return None
    name = label(path)
    return Problem(name, "", f"its mode {mode:04o} lets others read {what}", f"chmod 600 {shlex.quote(name)}")


def words(error: OSError) -> str:
    """Return what an error of the system says."""
    return (error.strerror or str(error)).lower()
