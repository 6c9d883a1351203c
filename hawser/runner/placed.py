"""What was placed on the host before, so that it goes away when nobody wants it any more."""

from __future__ import annotations

import json
import os

from .disk import read, remove, write_atomically
from .system import Change, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional


class Placed(Kind):
    """See `hawser.resources.Placed`."""

    def record(self) -> str:
        return os.path.join(self.system.state, "placed-%s.json" % self.spec["record"])

    def recorded(self) -> List[str]:
        try:
            return [str(path) for path in json.loads((read(self.record()) or b"[]").decode())]
        except ValueError:
            return []

    def wanted(self) -> List[str]:
        paths = list(self.spec["paths"])
        return [*(path for path in self.recorded() if path not in paths), *paths] if self.spec.get("adds") else paths

    def check(self) -> Optional[Change]:
        former, wanted = self.recorded(), self.wanted()
        gone = [path for path in former if path not in wanted]
        if gone:
            return Change("removes " + ", ".join(gone))
        new = [path for path in wanted if path not in former]
        return Change("notes " + ", ".join(new)) if new else None

    def apply(self, change: Change) -> None:
        former, wanted = self.recorded(), self.wanted()
        gone = [path for path in former if path not in wanted]
        # Noted before it is made, and forgotten after it is gone: a run may end at any moment.
        self.write([*gone, *wanted])
        for path in gone:
            remove(path)
        if gone:
            self.write(wanted)
        folder = self.spec.get("folder", "")
        if folder and not wanted and os.path.isdir(folder) and not os.listdir(folder):
            remove(folder, recursive=True)

    def write(self, paths: List[str]) -> None:
        if paths:
            write_atomically(self.record(), json.dumps(paths).encode(), 0o600)
        else:
            remove(self.record())
