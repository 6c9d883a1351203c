"""Mounts on this machine, and removing folders without ever reaching through a mount."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import commands


@dataclass(frozen=True)
class Mount:
    """A line of ``/proc/mounts``. Source: proc(5), fstab(5)."""

    target: Path
    kind: str
    options: tuple[str, ...]


def parse(text: str) -> list[Mount]:
    """Read the text of ``/proc/mounts``, in which spaces and the like are written in octal."""
    found = []
    for line in text.splitlines():
        _, target, kind, options = line.split()[:4]
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), target)
        found.append(Mount(Path(path), kind, tuple(options.split(","))))
    return found


def mounted() -> list[Mount]:
    """Return the mounts, in the order of mounting."""
    return parse(Path("/proc/mounts").read_text())


def file_system(folder: Path, mounts: list[Mount]) -> str:
    """Return the kind of file system that a folder lies on; a later mount hides an earlier one."""
    best = max(
        (mount for mount in reversed(mounts) if mount.target == folder or mount.target in folder.parents),
        key=lambda mount: len(mount.target.parts),
        default=None,
    )
    return best.kind if best else ""


def unmount_below(folder: Path) -> None:
    """Unmount a folder and all mounts in it; a busy one disappears with its last user."""
    for mount in reversed(mounted()):
        if (mount.target == folder or folder in mount.target.parents) and not commands.tried(
            "umount", str(mount.target)
        ):
            commands.must("umount", "--lazy", str(mount.target))


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, after unmounting the mounts there."""
    if folder.exists():
        unmount_below(folder)
        shutil.rmtree(folder)
