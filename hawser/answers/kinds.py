"""Kinds of values that hosts say: bounded texts, names, numbers, lists; and the adapters that check any type."""

from __future__ import annotations

import math
import threading
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, with_config
from typing_extensions import TypedDict, TypeForm

from ..report.text import hearsay
from ..runner.processes.cron import LATEST

LONGEST_PIECE = 1 << 20


def _moment(value: float) -> float:
    """Return a time that a calendar has: a service user may write any time into a log."""
    return min(max(value, 0.0), LATEST) if math.isfinite(value) else LATEST


def bounded(value: float) -> float:
    """Return a number that can be shown: nobody prints ten thousand digits."""
    return value if abs(value) <= LATEST else math.copysign(LATEST, value)


def _of_a_piece(text: str) -> str:
    # Not by a constraint of pydantic's, which takes no lone surrogates: names of files may hold them.
    if len(text) > LONGEST_PIECE:
        raise ValueError(f"longer than {LONGEST_PIECE} characters")
    return text


# What people are told, and what of it is long, which the runner cuts to far less.
Text: TypeAlias = Annotated[str, AfterValidator(hearsay)]
Words: TypeAlias = Annotated[str, AfterValidator(_of_a_piece), AfterValidator(hearsay)]
# The same as it was said, for it is no sentence: it is shown line by line as somebody's, or signed, compared, written
# into a file, or goes back to the host.
Exact: TypeAlias = str
Piece: TypeAlias = Annotated[str, AfterValidator(_of_a_piece)]
Moment: TypeAlias = Annotated[float, AfterValidator(_moment)]
# The same in whole seconds, and any number that a service user may have written.
Whole: TypeAlias = Annotated[int, AfterValidator(lambda value: int(bounded(value)))]
# What is asked about one by one, and what is only looked through.
T = TypeVar("T")
FEW, MANY = Field(max_length=1000), Field(max_length=100_000)
Few: TypeAlias = Annotated[list[T], FEW]
FewFacts: TypeAlias = Annotated[tuple[T, ...], FEW]
Many: TypeAlias = Annotated[list[T], MANY]
ManyFacts: TypeAlias = Annotated[tuple[T, ...], MANY]
ByName: TypeAlias = Annotated[dict[str, T], MANY]
Size: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]
Number: TypeAlias = Annotated[int, Field(gt=-(2**31), lt=2**31)]
# Seconds by which a local time is ahead of universal time.
Offset: TypeAlias = Annotated[int, Field(ge=-86_400, le=86_400)]
# How far a unit is kept apart: 0 is all the way.
Exposure: TypeAlias = Annotated[float, Field(ge=0, le=10)]
Port: TypeAlias = Annotated[int, Field(ge=0, lt=2**16)]
Process: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
# What becomes a path, an argument or a unit, here or on other hosts: no slash, no leading dash or dot, no control.
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_.+!~-]*\z", max_length=200)]
NameOrNone: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.+!~-]*)?\z", max_length=200)
]
Commit: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{40}\z")]
CommitOrNone: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A([0-9a-f]{40})?\z")]
Unit: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*\z", max_length=255)]
UnitOrNone: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"\A([A-Za-z0-9_-][A-Za-z0-9:_.@\\-]*)?\z", max_length=255)
]
# The public half of a signing key, or nothing.
PublicKey: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A([A-Za-z0-9_-]{43})?\z")]
Version: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A([0-9]{1,3}(\.[0-9]{1,3}){1,2})?\z")]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Base64: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"\A([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\z", max_length=1 << 20),
]


@with_config(extra="forbid")
class Row(TypedDict):
    """A message of the runner itself, or a part of one: these fields and no others."""


@with_config(extra="forbid")
class Counted(TypedDict, Generic[T]):
    """Rows that others may multiply (`hawser.runner.rows`): as many as are told, and how many more there are."""

    rows: Many[T]
    more: Size


_adapters: dict[object, TypeAdapter[Any]] = {}
_making = threading.Lock()


def adapter(kind: TypeForm[T]) -> TypeAdapter[T]:
    """Return the adapter that checks a type; made when it is first needed, which costs milliseconds."""
    with _making:
        if kind not in _adapters:
            _adapters[kind] = TypeAdapter(kind)
        return _adapters[kind]
