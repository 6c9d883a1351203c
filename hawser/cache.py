"""The user's cache folder: what is kept on this machine for the next command, and made anew where it is not there."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

# Seconds after which goes what nobody has written anew.
KEPT = 90 * 86400


def own_folder(name: str) -> Path | None:
    """Return a folder of ours in it, made if need be; None without one that is the user's alone."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(named) if named.startswith("/") else Path.home() / ".cache"
        path = base / "hawser" / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if private(path.lstat()) else None
    except (OSError, RuntimeError):
        return None


def private(found: os.stat_result) -> bool:
    """Tell whether a file or folder is the user's, and nobody else can write to it."""
    return found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and not found.st_mode & 0o022


def kept(path: Path, most: int = -1) -> bytes:
    """Return what a file of it holds; nothing where it is not there, or others could have written it.

    :param most: so many bytes of it; -1: all.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(most) if private(os.fstat(stream.fileno())) else b""
    except OSError:
        return b""


def keep(path: Path, data: bytes) -> None:
    """Write a file in one piece, for the user alone.

    :raises OSError: it cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        stream.write(data)
    Path(stream.name).replace(path)


def forget_old(folder: Path, pattern: str) -> None:
    """Remove the files that were written long ago.

    :raises OSError: one cannot be removed.
    """
    for path in folder.glob(pattern):
        if path.lstat().st_mtime < time.time() - KEPT:
            path.unlink(missing_ok=True)
