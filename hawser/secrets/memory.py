"""A folder in memory for what may never lie on a disk: its owner's alone, and removed whatever happens."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hawser.errors import HawserError

_PREFIX = "hawser-secrets-"
_LEFT = re.compile(rf"{_PREFIX}(\d+)-.*")
_IN_MEMORY = ("tmpfs", "ramfs")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Make a folder of mode 0700, and remove it with all that is in it; those of runs that were killed go as well.

    :raises HawserError: this machine has no place in memory.
    """
    above = place()
    _remove_left(above)
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=above))  # mode 0700
    try:
        yield made
    finally:
        shutil.rmtree(made)


def place() -> Path:
    """Return the place in memory.

    :raises HawserError: there is none.
    """
    named = os.environ.get("XDG_RUNTIME_DIR")
    for path in [*([Path(named)] if named else []), Path("/dev/shm")]:
        if path.is_dir() and os.access(path, os.W_OK | os.X_OK) and _kind(path) in _IN_MEMORY:
            return path
    raise HawserError(
        "there is no place in memory here ($XDG_RUNTIME_DIR, /dev/shm), and nothing is decrypted to a disk",
        next="edit it on a machine with Linux, or mount a tmpfs and set XDG_RUNTIME_DIR",
        code=2,
    )


def _kind(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the kind of file system in which a folder lies (proc(5), mountinfo)."""
    try:
        device = path.stat().st_dev
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    found = [line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number]]
    return found[0] if found else ""


def _remove_left(above: Path) -> None:
    """Remove the folders of runs of ours that were killed."""
    for path in above.glob(f"{_PREFIX}*"):
        match = _LEFT.fullmatch(path.name)
        with suppress(OSError):
            about = path.lstat()
            if match and stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not _alive(int(match[1])):
                shutil.rmtree(path)


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
