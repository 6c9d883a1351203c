"""Programs that were started with something that is to be used no more: a release, or the value of a secret."""

from __future__ import annotations

from ..kernel.ports import status, unit_of
from ..kernel.scopes import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence

    from ..specs.answers import Holder
    from ..system import System

# Rows that are told.
MOST = 100
# Bytes of a value that stands nowhere by chance.
LONG = 12


def holding(system: System, root: str, release: str, values: Sequence[str]) -> List[Holder]:
    """Tell which programs of this host have one of some values in their environment, or run for another release.

    :param root: the application's folder: every program that is started for a release knows where that lies.
    :param release: the release for which programs may run.
    :param values: the forms in which the value of a secret may stand there.
    :returns: pid, the program's name and its unit; not more than `MOST`.
    """
    wanted = [value.encode() for value in values]
    folder, current = ("%s/releases/" % root).encode(), release.encode()
    found: List[Holder] = []
    for pid in sorted(processes()):
        if len(found) >= MOST:
            break
        block = environment_of(pid)
        variables = variables_of(block)
        place = variables.get(b"VIRTUAL_ENV", b"")
        other = place.startswith(folder) and variables.get(b"HAWSER_RELEASE", current) != current
        if other or any(stands_in(block, value) for value in wanted):
            found.append({"pid": pid, "program": status(pid)[0], "unit": unit_of(pid)})
    return found


def stands_in(block: bytes, value: bytes) -> bool:
    """Tell whether a value stands in an environment; a short one, which many a word may hold, has to stand alone."""
    if len(value) >= LONG:
        return value in block
    return (b"=%s\0" % value) in (block + b"\0") or (b":%s@" % value) in block


def environment_of(pid: int) -> bytes:
    """Return what a program was started with; nothing of one that has ended."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def variables_of(block: bytes) -> Dict[bytes, bytes]:
    """Return variables by their names."""
    rows = [row.partition(b"=") for row in block.split(b"\0")]
    return {name: value for name, found, value in rows if found}
