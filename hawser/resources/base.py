"""The base of all resources, and the triggers by which one follows up another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True, eq=False)
class Resource:
    """The base of all kinds: a name on the wire, a label for people, and an optional trigger.

    :cvar bookkeeping: Hawser needs it for its own order, and nobody is served by it alone: it is told with ``-v``, or
        when it fails.
    :cvar fleeting: it is a record of the run, never the same twice.
    :cvar momentary: it is done, or proven, at one moment of a rollout, and nothing that has to hold afterwards.
    """

    kind: ClassVar[str]
    bookkeeping: ClassVar[bool] = False
    fleeting: ClassVar[bool] = False
    momentary: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The name of the resource in the report: the kind and its subject."""
        first = dataclasses.fields(self)[0].name
        return f"{self.kind} {getattr(self, first)}"


Resources: TypeAlias = Iterator[Resource]


@dataclass(frozen=True)
class Changed:
    """A trigger: due when one of these resources changed, in this run or in one that died before it was served."""

    resources: tuple[Resource, ...]


def changed(*resources: Resource) -> Changed:
    """Name the resources of the same catalog whose change is to be followed up."""
    return Changed(resources)


@dataclass(frozen=True, eq=False)
class Notice(Resource):
    """Nothing on the host, but a warning for whoever gives the command; it does not travel."""

    kind: ClassVar[str] = "notice"
    text: str
