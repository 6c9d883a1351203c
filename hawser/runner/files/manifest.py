"""Manifests of the files that were placed on the host, so that they go away when nobody wants them any more."""

from __future__ import annotations

import json
import os
import stat

from ..system import Change, Failure, Kind
from .disk import contents, opened, read, remove, write_atomically
from .records import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.certificates import OnlyPlacedSpec


class OnlyPlaced(Kind):
    """See `hawser.resources.OnlyPlaced`."""

    spec: OnlyPlacedSpec

    def record(self) -> str:
        return os.path.join(self.system.state, "placed-%s.json" % self.spec["record"])

    def recorded(self) -> List[str]:
        """Return the paths that were placed before.

        :raises Failure: nobody knows; the user's own files that were there before would be taken for ours.
        """
        data = read(self.record())
        found = parsed(data, list) if data is not None else []
        if found is None:
            now = json.dumps(list(self.spec["paths"]))
            raise Failure(
                "%s is damaged, so nobody knows what was placed before; next: write what was there into it, as in %s"
                % (self.record(), now)
            )
        return [str(path) for path in found]

    def wanted(self) -> List[str]:
        paths = list(self.spec["paths"])
        return [*(path for path in self.recorded() if path not in paths), *paths] if self.spec["adds"] else paths

    def original(self, path: str) -> str:
        """Return where a file is kept that was there before the first one was placed."""
        import hashlib

        return os.path.join(self.system.state, "originals", hashlib.sha256(path.encode()).hexdigest()[:32])

    def check(self) -> Optional[Change]:
        former, wanted = self.recorded(), self.wanted()
        gone = [path for path in former if path not in wanted]
        back = [path for path in gone if os.path.exists(self.original(path))]
        away = [path for path in gone if path not in back]
        done = ["removes " + ", ".join(away)] if away else []
        done += ["puts back " + ", ".join(back)] if back else []
        if done:
            return Change("; ".join(done))
        new = [path for path in wanted if path not in former]
        return Change("notes " + ", ".join(new)) if new else None

    def apply(self, change: Change) -> None:
        former, wanted = self.recorded(), self.wanted()
        gone = [path for path in former if path not in wanted]
        for path in wanted:
            if path not in former:
                self.keep(path)
        # Noted before it is made, and forgotten after it is gone: a run may end at any moment.
        self.write([*gone, *wanted])
        for path in gone:
            if not copy(self.original(path), path):
                remove(path)
        if gone:
            self.write(wanted)
        for path in gone:
            remove(self.original(path))
        folder = self.spec["folder"]
        if folder and not wanted and os.path.isdir(folder) and not os.listdir(folder):
            remove(folder, recursive=True)

    def keep(self, path: str) -> None:
        """Keep the original file before ours is placed: it comes back when ours goes."""
        if os.path.isfile(path):
            os.makedirs(os.path.dirname(self.original(path)), mode=0o700, exist_ok=True)
        if not copy(path, self.original(path)):
            remove(self.original(path))

    def write(self, paths: List[str]) -> None:
        if paths:
            write_atomically(self.record(), json.dumps(paths).encode(), 0o600)
        else:
            remove(self.record())


def copy(source: str, target: str) -> bool:
    """Copy a file with its mode and its owner; tell whether there was one, which a link is not."""
    try:
        if not stat.S_ISREG(os.lstat(source).st_mode):
            return False
        with opened(source, links=False) as stream:
            data, status = contents(stream, source), os.fstat(stream.fileno())
    except (FileNotFoundError, NotADirectoryError):
        return False
    mode = stat.S_IMODE(status.st_mode)
    owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else (-1, -1)
    write_atomically(target, data, mode, *owner)
    return True
