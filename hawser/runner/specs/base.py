"""Fields of all kinds."""

from __future__ import annotations

from typing import Dict, List, TypedDict, Union

JSON = Union[bool, int, float, str, List["JSON"], Dict[str, "JSON"], None]


class Triggered(TypedDict, total=False):
    """A resource that may follow up others: the positions of these in the catalog. Without it, none is waited for."""

    when: List[int]


class Held(TypedDict, total=False):
    """A resource that must be as it is wanted already: it is not changed."""

    held: bool


class Row(Triggered, Held):
    """The fields of every resource in a catalog, beside its own."""

    kind: str
    step: str
    label: str
