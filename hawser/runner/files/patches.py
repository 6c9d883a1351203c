"""Changes to single files of a checkout: exact texts, and how often each must be found."""

from __future__ import annotations

from ..system import Change, Failure, Kind
from .disk import beneath, read_itself
from .files import rewrite, unified
from .samples import Original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from ..specs.files import PatchSpec


class Patch(Kind):
    """See `hawser.resources.Patch`."""

    spec: PatchSpec

    def original(self) -> Original:
        return Original(self.spec["source"], self.spec["originals"], self.spec["path"])

    def place(self) -> str:
        """Return the file's path, without links of the code on the way."""
        return beneath(self.spec["source"], self.spec["path"])

    def wanted(self) -> bytes:
        path, data = self.spec["path"], self.original().data()
        wrong = []
        for old, new, count in self.spec["edits"]:
            found = data.count(old.encode())
            if found != count:
                wrong.append("%d times instead of %d: %s" % (found, count, old))
            data = data.replace(old.encode(), new.encode())
        if wrong:
            raise Failure("%s is not the file that the patch is for; it holds" % path, "\n".join(wrong))
        return data

    def check(self) -> Optional[Change]:
        new = self.wanted()
        old = read_itself(self.place())
        return None if old == new else Change("", unified(self.spec["path"], old, new))

    def apply(self, change: Change) -> None:
        new = self.wanted()
        self.original().keep()
        rewrite(self.place(), lambda _old: new)
