"""The kernel's table of what is mounted where. Source: proc_pid_mountinfo(5)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


def mount_points(table: str = "/proc/self/mountinfo") -> List[str]:
    """Return where something is mounted, without touching it: its server may be gone."""
    with open(table, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        fields = [row.split(" ")[4] for row in stream]
    return [unescape(field) for field in fields]


def unescape(field: str) -> str:
    """Read a field of the table, in which blanks and the like are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)
