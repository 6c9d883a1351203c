"""The resources of one host for one phase, as they travel."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .base import JSON, Changed, Notice, Resource


@dataclass(frozen=True)
class Item:
    """A resource of a catalog with the step that asked for it."""

    step: str
    resource: Resource


@dataclass(frozen=True)
class Catalog:
    """The resources of one host for one phase, in order, as they travel to the host.

    :param notices: what is said here meanwhile.
    :param bookkeeping: the positions of those that are nothing but book-keeping.
    :param records: the positions of records of the run, which are never the same twice.
    :param held: the positions of those that must be as they are wanted already; else they fail, and stay as they are.
    """

    items: tuple[Item, ...]
    notices: tuple[str, ...] = ()
    bookkeeping: frozenset[int] = frozenset()
    records: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()

    @classmethod
    def of(cls, parts: Iterable[tuple[str, Iterable[Resource]]], books: Collection[str] = ()) -> Catalog:
        """Collect (step name, its resources) pairs, in order.

        :param books: the names of steps that do nothing but book-keeping.
        """
        all_items = [Item(step, resource) for step, resources in parts for resource in resources]
        notices = tuple(item.resource.text for item in all_items if isinstance(item.resource, Notice))
        items = tuple(item for item in all_items if not isinstance(item.resource, Notice))
        kept = (place for place, item in enumerate(items) if item.resource.bookkeeping or item.step in books)
        records = (place for place, item in enumerate(items) if item.resource.fleeting or item.step in books)
        return cls(items, notices, frozenset(kept), frozenset(records))

    def to_wire(self) -> list[JSON]:
        """Turn into the JSON list that the runner reads; triggers become positions in the list.

        :raises ValueError: a trigger names a resource that does not come before it in this catalog.
        """
        positions: dict[int, int] = {}
        rows: list[JSON] = []
        for position, item in enumerate(self.items):
            row: dict[str, JSON] = {"kind": item.resource.kind, "step": item.step, "label": item.resource.label}
            for each in dataclasses.fields(item.resource):
                value = getattr(item.resource, each.name)
                if isinstance(value, Changed):
                    missing = [r.label for r in value.resources if id(r) not in positions]
                    if missing:
                        raise ValueError(f"{item.resource.label}: its trigger comes before {', '.join(missing)}")
                    row[each.name] = [positions[id(r)] for r in value.resources]
                elif isinstance(value, bytes):
                    row[each.name] = {"base64": base64.b64encode(value).decode()}
                elif isinstance(value, tuple):
                    row[each.name] = list(value)
                elif isinstance(value, Mapping):
                    row[each.name] = dict(value)
                elif value is not None:
                    row[each.name] = value
            if position in self.held:
                row["held"] = True
            rows.append(row)
            positions[id(item.resource)] = position
        return rows
