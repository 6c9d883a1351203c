"""The runner's message about one resource, as a type."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Status = Literal["ok", "changed", "would_change", "unknown", "failed", "skipped", "differs"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Event:
    """One resource is settled.

    :param position: its place in the catalog, from 0.
    :param step: the step that yielded it, as it is typed (``nginx.install``).
    :param label: what it is, for people (``file /etc/nginx/sites-enabled/demo.conf``).
    :param ms: milliseconds that checking and applying it took on the host.
    :param diff: a unified diff of what changed or would change.
    :param note: the same in words, where there is no diff.
    :param output: what a program said.
    :param error: why it failed, for the user.
    :param traceback: set only when the runner itself is at fault.
    :param facts: what the resource found out and later steps read.
    :param bookkeeping: it is nothing but Hawser's own order; known here, no host says so.
    """

    position: int
    step: str
    label: str
    status: Status
    ms: float = 0.0
    diff: str = ""
    note: str = ""
    output: str = ""
    error: str = ""
    traceback: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    bookkeeping: bool = False

    @classmethod
    def from_wire(cls, row: Mapping[str, object], books: Collection[int] = ()) -> Event:
        """Read the runner's JSON; missing fields are empty.

        :param books: the positions in the catalog that are nothing but book-keeping.
        :raises ValueError: no known status, or a field makes no sense: the host speaks another protocol.
        """
        status = row.get("status")
        position, ms, facts = row.get("position", 0), row.get("ms", 0), row.get("facts") or {}
        if status not in STATUSES:
            raise ValueError(f"an event with the status {status!r}")
        if not isinstance(position, int) or not isinstance(ms, int | float) or not isinstance(facts, Mapping):
            raise ValueError(f"an event whose position, ms or facts make no sense: {position!r}, {ms!r}, {facts!r}")
        words = {name: str(row.get(name) or "") for name in WORDS}
        return cls(position=position, status=status, ms=float(ms), facts=facts, bookkeeping=position in books, **words)


WORDS = ("step", "label", "diff", "note", "output", "error", "traceback")
