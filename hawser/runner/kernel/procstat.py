"""The state of a process, as its kernel tells it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple


def stat_of(pid: int) -> Tuple[str, List[str]]:
    """Return a process's name and what follows it, its state first (proc_pid_stat(5)); neither when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return "", []
    # The name may hold anything, brackets too.
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()
