"""The state of the signing key in one run."""

from __future__ import annotations

from collections.abc import Iterable


class SigningState:
    """The knowledge of a run about the signing key, besides the key itself.

    :ivar unsigned_counts: whether unsigned records of hosts count, as in a dry run before there is a key.
    """

    def __init__(self) -> None:
        self.unsigned_counts = False
        self._warned: set[str] = set()

    def count_unsigned(self) -> None:
        """Have unsigned records count for this run."""
        self.unsigned_counts = True

    def to_warn(self, names: Iterable[str]) -> list[str]:
        """Return the hosts that were not warned of before; from now on they were."""
        found = [name for name in names if name not in self._warned]
        self._warned.update(found)
        return found
