"""Packages are downloaded once: a store that every host's ``/var/cache/apt/archives`` is filled from by hard links.

Each host keeps a folder, a lock and a ``partial/`` of its own, so that two apt processes never meet; apt makes a file
complete under another name before it appears here, and removing one removes only that host's link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def fill(store: Path, archives: Path) -> None:
    """Give a host all stored packages."""
    _link_all(store, archives)


def harvest(archives: Path, store: Path) -> None:
    """Store the packages that a host has downloaded."""
    _link_all(archives, store)


def _link_all(origin: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if not origin.is_dir():
        return
    for package in origin.glob("*.deb"):
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            _link(package, target / package.name)


def _link(package: Path, target: Path) -> None:
    try:
        os.link(package, target)
    except OSError as error:
        if isinstance(error, FileExistsError | FileNotFoundError):
            raise
        fresh = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(package, fresh)
        fresh.rename(target)
