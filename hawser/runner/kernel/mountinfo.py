"""The kernel's table of mounts. Source: proc_pid_mountinfo(5)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

TABLE = "/proc/self/mountinfo"


def mounts(table: str = TABLE) -> List[Tuple[str, str]]:
    """Return place and source of every mount, without touching it: its server may be gone."""
    with open(table, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        rows = [row.rstrip("\n").partition(" - ") for row in stream]
    return [(unescape(fields.split(" ")[4]), rest.split(" ")[1]) for fields, _, rest in rows]


def mount_points(table: str = TABLE) -> List[str]:
    """Return where something is mounted."""
    return [place for place, _source in mounts(table)]


def unescape(field: str) -> str:
    """Read a field of the table, or of fstab(5), in which blanks and the like are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)
