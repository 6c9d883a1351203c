"""Repositories beside the application's own: their checked-out commits, and working copies that are needed no more."""

from __future__ import annotations

import os
from functools import partial

from ..files.deletion import Tidying, refuse_mounts
from ..files.disk import read, remove
from ..files.records import parsed
from ..system import Change, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from ..specs.answers import Held
    from ..specs.code import OnlyCheckoutsSpec, OnlyWorktreesSpec
    from ..system import System

RECORD = "checkout.json"
# What the application has written there.
KEPT = "kept"
MARKER = ".complete"


def held(system: System, folder: str) -> Dict[str, Held]:
    """Return the records of the checkouts in a folder, by name; an incomplete one has none."""
    found = {}
    for name in names_in(folder):
        record = recorded(os.path.join(folder, name))
        if record:
            found[name] = record
    return found


def names_in(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def recorded(folder: str) -> Optional[Held]:
    """Return a checkout's record; None when it has none, or its link does not lead to it."""
    record = read_record(folder)
    if record is None:
        return None
    tree = os.path.join(folder, "trees", record["commit"])
    there = os.path.islink(record["path"]) and os.readlink(record["path"]) == tree
    return record if there and os.path.exists(tree + MARKER) else None


def read_record(folder: str) -> Optional[Held]:
    """Return a checkout's record; None when it has none, or a damaged one."""
    found = parsed(read(os.path.join(folder, RECORD)), dict) or {}
    texts = {key: value for key, value in found.items() if isinstance(value, str)}
    if not texts.keys() >= {"repo", "branch", "path", "commit"}:
        return None
    return {"repo": texts["repo"], "branch": texts["branch"], "path": texts["path"], "commit": texts["commit"]}


class OnlyWorktrees(Tidying):
    """See `hawser.resources.OnlyWorktrees`."""

    spec: OnlyWorktreesSpec

    def superfluous(self) -> List[str]:
        """Return the working copies that are neither in use nor the one before."""
        folder = os.path.join(self.spec["folder"], "trees")
        kept = set(self.spec["keep"])
        trees = [name for name in names_in(folder) if not name.endswith(MARKER) and name not in kept]
        trees.sort(key=lambda name: os.stat(os.path.join(folder, name)).st_ctime)
        return [os.path.join(folder, name) for name in (trees if not kept else trees[:-1])]

    def check(self) -> Optional[Change]:
        found = self.superfluous()
        return Change("removes %s" % ", ".join(map(os.path.basename, found))) if found else None

    def apply(self, change: Change) -> None:
        for path in self.superfluous():
            self.try_to(partial(self.remove, path))

    def remove(self, path: str) -> None:
        """Remove a working copy, its marker first, so that no half of it is taken for a whole one."""
        refuse_mounts(path)
        remove(path + MARKER)
        remove(path, recursive=True)


class OnlyCheckouts(Tidying):
    """See `hawser.resources.OnlyCheckouts`."""

    spec: OnlyCheckoutsSpec

    def superfluous(self) -> List[str]:
        folder = self.spec["folder"]
        return [name for name in names_in(folder) if name not in self.spec["keep"] and self.remains(name)]

    def remains(self, name: str) -> List[str]:
        """Return the names of a checkout's remaining entries, without the application's own files."""
        return [each for each in names_in(os.path.join(self.spec["folder"], name)) if each != KEPT]

    def check(self) -> Optional[Change]:
        found = self.superfluous()
        return Change("removes %s" % ", ".join(found)) if found else None

    def apply(self, change: Change) -> None:
        for name in self.superfluous():
            self.try_to(partial(self.remove, name))

    def remove(self, name: str) -> None:
        """Remove a checkout with its link, but for the application's own files."""
        folder = os.path.join(self.spec["folder"], name)
        for each in self.remains(name):
            refuse_mounts(os.path.join(folder, each))
        found, record = read_record(folder), os.path.join(folder, RECORD)
        path = found["path"] if found else ""
        if not path and os.path.lexists(record):
            raise Failure(
                "%s is damaged, so nobody knows where the link to %s is; next: remove both by hand" % (record, folder)
            )
        if path and os.path.islink(path) and os.readlink(path).startswith(folder + "/"):
            remove(path)
        for each in sorted(self.remains(name), key=lambda each: each == RECORD):
            remove(os.path.join(folder, each), recursive=True)
        if not names_in(folder):
            os.rmdir(folder)
