"""How far systemd keeps processes apart, and the folders of their users that they cannot write to."""

from __future__ import annotations

import os
import pwd
import re
import time

from ..kernel.mountinfo import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Set

    from ..system import System

# The system's own folders, in which nothing is made for an application; those of temporary files; and ours.
LEFT_OUT = {
    *("/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/sbin", "/sys", "/usr"),
    *("/run/systemd", "/run/user", "/tmp", "/var/tmp", "/var/lib/hawser", "/var/backups/hawser"),
}
# How deep a folder lies that was made for an application, and for how many seconds it is looked for.
DEEPEST = 4
LONGEST = 3.0
MOST = 20


def exposures(system: System, units: Sequence[str]) -> Dict[str, float]:
    """Return what systemd-analyze(1) makes of services: 0 for one that may do nothing, 10 for one that may do all.

    :param units: their names, without ``.service``; one that is not known to systemd is left out.
    """
    argv = ["systemd-analyze", "security", "--no-pager", *(unit + ".service" for unit in units)]
    said = system.run(argv, check=False, apart=True, timeout=60, whole=True).output if units else ""
    found = re.findall(r"Overall exposure level for (\S+)\.service: (\d{1,2}\.\d)\b", said)
    return {unit: float(level) for unit, level in found if unit in units}


def elsewhere(system: object, user: str, folders: Sequence[str]) -> List[str]:
    """Return the folders that belong to a user and lie in none of those that its processes may write to.

    What lies within another one of them, on a server, or deep down, is left out.

    :param folders: those that they may write to.
    """
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return []
    far = {place for place, source in mounts() if ":" in source or source.startswith("//")}
    skipped = {*LEFT_OUT, *far, *folders}
    until = time.monotonic() + LONGEST
    level = ["/"]
    found: List[str] = []
    for _depth in range(DEEPEST):
        below: List[str] = []
        for folder in level:
            for path in subfolders(folder, skipped):
                if time.monotonic() > until or len(found) == MOST:
                    return sorted(found)
                (found if os.lstat(path).st_uid == uid else below).append(path)
        level = below
    return sorted(found)


def subfolders(folder: str, skipped: Set[str]) -> List[str]:
    """Return the paths of the folders in one, without those that are not looked at."""
    try:
        with os.scandir(folder) as entries:
            paths = [
                entry.path for entry in entries if entry.path not in skipped and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return paths
