"""Records of rollouts' failures on a host: the release that failed may be removed long before anybody asks for it."""

from __future__ import annotations

import contextlib
import os

from ..files.disk import read, remove, write_atomically
from ..system import Failure
from .releases import failure_path, now, read_journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..specs.messages import Event
    from ..system import System

# Bytes that are kept of the failures of one release, the last ones.
LONGEST = 256 * 1024
# Releases of whose failures something is kept, the last ones.
MOST = 20


def keep(system: System, event: Event) -> None:
    """Write down why a rollout fails here; where none is open, or the disk is full, nothing is kept.

    :param event: of the resource that failed, masked.
    """
    with contextlib.suppress(OSError, Failure):
        release = str(read_journal(system.state).get("release", ""))
        if not release:
            return
        path = failure_path(system.state, release)
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        lines = ["%s %s: %s failed: %s" % (now(), event["step"], event["label"], event.get("error", ""))]
        lines += [text.rstrip("\n") for text in (event.get("output"), event.get("traceback")) if text]
        text = (read(path) or b"") + "\n".join([*lines, ""]).encode("utf-8", "backslashreplace")
        write_atomically(path, text[-LONGEST:], 0o600)
        # But for this one: a clock that was ahead makes all others younger.
        kept = [each for each in (os.path.join(folder, name) for name in os.listdir(folder)) if each != path]
        for old in sorted(kept, key=lambda each: os.stat(each).st_mtime_ns)[: -MOST + 1]:
            remove(old)
