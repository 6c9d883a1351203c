"""The folder in which the logs of rollouts lie, and how many of them: the user's own, on this machine.

Not in the repository: a log is of one person's or one job's run, and must not be committed. All checkouts of an
application share it, so that a rollout finds the one before. CI names a folder that it keeps: ``HAWSER_ROLLOUTS``.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from ...cache import private

# Says where the logs lie; `NONE` says that none are kept.
VARIABLE, NONE = "HAWSER_ROLLOUTS", "none"
# Rollouts that are kept of an environment, and bytes of theirs; the last ones stay in any case.
MOST, MOST_BYTES, STAY = 50, 256 * 2**20, 2
LOG, PAGE = ".jsonl", ".html"
# Runs of one command that begin within a second.
MOST_AT_ONCE = 20
LONGEST_NAME = 60
# Seconds after which a page that was being made is nobody's any more.
ABANDONED = 3600


def folder_of(application: str, environment: str) -> Path | None:
    """Return the folder of an environment's logs; None where none are to be kept.

    :raises RuntimeError: the user has no home.
    """
    named = os.environ.get(VARIABLE, "")
    if named == NONE:
        return None
    if named:
        base = Path(named).absolute()
    else:
        state = os.environ.get("XDG_STATE_HOME", "")
        base = (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "hawser" / "rollouts"
    return base / plain(application) / plain(environment)


def plain(text: str) -> str:
    """Return a text as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:LONGEST_NAME].strip("-.") or "-"


def create(folder: Path, command: str, moment: float) -> tuple[Path, int]:
    """Make an empty log in a folder, which is made if need be.

    :param moment: when the rollout began, in seconds since the epoch.
    :returns: its path, and a descriptor to write to.
    :raises OSError: it cannot be made, or others could write to the folder.
    """
    for each in (*reversed(folder.parents), folder):
        with contextlib.suppress(FileExistsError):
            each.mkdir(mode=0o700)
    if not private(folder.lstat()):
        raise PermissionError(f"{folder} is not yours alone")
    name = f"{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime(moment))}-{plain(command)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    for number in range(1, MOST_AT_ONCE):
        path = folder / f"{name}{f'.{number}' if number > 1 else ''}{LOG}"
        with contextlib.suppress(FileExistsError):
            return path, os.open(path, flags, 0o600)
    raise FileExistsError(f"too many rollouts began at once in {folder}")


def kept(folder: Path | None) -> list[Path]:
    """Return the logs of a folder, the oldest first."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.glob(f"*{LOG}") if path.is_file() and not path.is_symlink())


def page_of(log: Path) -> Path:
    """Return where the page of a log lies."""
    return log.with_suffix(PAGE)


def write_page(path: Path, text: str) -> None:
    """Write a file in one piece, for the user alone.

    :raises OSError: it cannot be written; nothing is left of it then.
    """
    made = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        made.unlink()
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8", "replace"))
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise


def forget(folder: Path) -> None:
    """Remove what is too much: the oldest rollouts, and pages that somebody was kept from making.

    :raises OSError: something cannot be removed.
    """
    logs = kept(folder)
    total, stay = 0, set[Path]()
    for number, log in enumerate(reversed(logs)):
        total += sum(path.stat().st_size for path in (log, page_of(log)) if path.exists())
        if number < STAY or (number < MOST and total <= MOST_BYTES):
            stay.add(log)
    remove([path for log in logs if log not in stay for path in (log, page_of(log))])
    remove([path for path in folder.glob(".*.new") if path.lstat().st_mtime < time.time() - ABANDONED])


def remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
