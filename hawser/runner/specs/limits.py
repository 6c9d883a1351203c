"""What a runner asks about what it is asked for, where that is limited."""

from __future__ import annotations

from typing import Any, Mapping, Protocol

from .base import Row


class Limits(Protocol):
    """See `hawser.runner.helper.policy`."""

    def why_no_request(self, operation: str, arguments: Mapping[str, Any]) -> str:
        """Return why a request is not taken; empty: it is."""
        ...

    def why_not(self, row: Row) -> str:
        """Return why a row of a catalog may not be applied; empty: it may."""
        ...

    def may_look(self, row: Row) -> bool:
        """Whether a row that may not be applied may be compared with what is there."""
        ...
