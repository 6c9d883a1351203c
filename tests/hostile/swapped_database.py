"""A service user who puts links in the place of a database, and of what a copy of it is made in, while root works.

Usage: ``python3 swapped_database.py DATABASE SECRET``: exchanges DATABASE, and each ``copy`` in a folder that a program
of the same user names on its command line, with a link to SECRET, and says after every hundred how often it has.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path


def places() -> list[Path]:
    """Return the folders in which programs of ours make copies."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (process / "cmdline").read_text().split("\0") if process.name.isdigit() else []
            found += [Path(word) for word in words if "/.making-" in word and word.endswith("/own")]
    return found


def swap(path: Path, secret: Path) -> None:
    """Put a link in the place of a file, and the file back."""
    aside = path.with_name(f"{path.name}.aside")
    with contextlib.suppress(OSError):
        path.rename(aside)
        path.symlink_to(secret)
        # On a busy machine too, somebody else gets a turn now.
        time.sleep(0.001)
        aside.rename(path)
    with contextlib.suppress(OSError):
        # A copy may have been made anew in between.
        aside.rename(path)


def main(database: Path, secret: Path) -> None:
    count = 0
    while True:
        swap(database, secret)
        count += 1
        # Long enough in its place that some copies come about.
        time.sleep(0.002)
        if count % 10 == 0:
            for place in places():
                swap(place / "copy", secret)
        if count % 100 == 0:
            print(count, flush=True)


main(Path(sys.argv[1]), Path(sys.argv[2]))
