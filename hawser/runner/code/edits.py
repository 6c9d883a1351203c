"""Files of the code that are others than their commit and its build have left."""

from __future__ import annotations

import os

from ..files.disk import contents, opened
from ..rows import some
from ..system import Change, Failure, Kind
from .checkout import REMOVED
from .mirror import Mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.code import UntouchedSpec

# Bytes of a file that is compared; code is smaller.
LONGEST = 1 << 26


def blob_id(data: bytes, digits: int) -> str:
    """Return how git names the content of a file (gitformat-pack(5)).

    :param digits: of the name: 40 for SHA-1, 64 for SHA-256.
    """
    import hashlib

    made = hashlib.sha256() if digits == 64 else hashlib.sha1()
    made.update(b"blob %d\0" % len(data))
    made.update(data)
    return made.hexdigest()


class Untouched(Kind):
    """See `hawser.resources.Untouched`."""

    spec: UntouchedSpec

    def edited(self) -> List[str]:
        """Return the files of the commit that were written after the build had ended, and have another content."""
        path = self.spec["path"]
        try:
            built = os.stat(path + REMOVED).st_mtime_ns
        except FileNotFoundError:
            # Not built to its end, or by a Hawser that did not note when.
            return []
        ours = set(self.spec["besides"])
        listed = Mirror(self.system, self.spec["mirror"]).git("ls-tree", "-r", "-z", self.spec["commit"]).output
        found = []
        for row in listed.split("\0"):
            # A name that is no UTF-8 cannot be told apart.
            if not row.startswith("100") or "\ufffd" in row:
                continue
            about, _tab, name = row.partition("\t")
            blob = about.split()[2]
            if name not in ours and self.is_other(os.path.join(path, name), blob, built):
                found.append(name)
        return found

    def is_other(self, path: str, blob: str, built: int) -> bool:
        """Tell whether a file has another content, and was written after a moment; a missing one is another matter.

        :param built: that moment, in nanoseconds.
        """
        try:
            # Whoever writes into a file sets its times, but for this one (inode(7)).
            status = os.lstat(path)
            if status.st_ctime_ns <= built or status.st_size > LONGEST:
                return False
            with opened(path, links=False) as stream:
                return blob_id(contents(stream, path), len(blob)) != blob
        except OSError:
            return False
        except Failure:
            # Something else in its place, or a folder on the way is a link.
            return True

    def check(self) -> Optional[Change]:
        edited = self.edited()
        return Change("other content: " + some(edited)) if edited else None

    def apply(self, change: Change) -> None:
        raise Failure("nobody but its author puts code right: deploy a commit")
