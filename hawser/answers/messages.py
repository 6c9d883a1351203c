"""Messages of a runner: parts of its greeting, those before the end of a request, and the ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypeAlias

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict, TypeForm

from ..runner.processes.traits import MANAGERS
from .kinds import Base64, Digest, Exact, Moment, Name, NameOrNone, Number, Piece, Process, Row, Size, Text, Unit, Words
from .records import Entry

COLOURS = ("blue", "green")


def _known_colours(value: Mapping[str, str]) -> dict[str, str]:
    """Forget links that lead elsewhere: the application's user can turn them."""
    return {name: colour for name, colour in value.items() if colour in COLOURS}


Live: TypeAlias = Annotated[dict[str, str], AfterValidator(_known_colours)]


if TYPE_CHECKING:
    ManagerName = str
else:
    ManagerName = Literal[tuple(MANAGERS)]


class ProcessRow(Row):
    process: Name
    unit: Unit
    manager: ManagerName
    release: NameOrNone
    inputs: NameOrNone
    state: Text
    active: bool
    enabled: bool
    seconds: Size
    since: Moment
    pid: Process
    live: bool


class TakenName(Row):
    """See `hawser.runner.processes.names`."""

    wanted: Text
    path: Text
    application: NameOrNone


class System(TypedDict, total=False):
    id: Text
    version: Text
    codename: Text


class Start(Row):
    t: Literal["start"]
    position: Size
    step: Words
    label: Words


class EventRow(Row):
    """See `hawser.report.Event`."""

    t: Literal["event"]
    position: Size
    step: Words
    label: Words
    status: Literal["ok", "changed", "would_change", "unknown", "failed", "skipped"]
    ms: Moment
    diff: NotRequired[Piece]
    note: NotRequired[Words]
    output: NotRequired[Piece]
    error: NotRequired[Words]
    traceback: NotRequired[Piece]
    facts: NotRequired[Annotated[dict[Piece, Piece], Field(max_length=100)]]
    warning: NotRequired[Words]


class Progress(Row):
    t: Literal["progress"]
    text: Text


class Output(Row):
    t: Literal["output"]
    stream: Literal["out", "err"]
    text: Piece


class Log(Row):
    t: Literal["log"]
    time: Moment
    source: Text
    text: Exact


class Part(Row):
    t: Literal["part"]
    data: Base64


Message: TypeAlias = Start | EventRow | Progress | Output | Log | Part
# Before the end of an operation, besides signs of life and, with any, the output of a program.
_BEFORE: dict[str, dict[str, TypeForm[Message]]] = {
    "apply": {"start": Start, "event": EventRow, "progress": Progress},
    "logs": {"log": Log},
    "send": {"part": Part},
}


def before_the_end(operation: str) -> Mapping[str, TypeForm[Message]]:
    """Return the messages that may come before the end of an operation, by the word that names their type."""
    return {"output": Output, **_BEFORE.get(operation, {})}


class Refusal(Row):
    """The reason why an operation could not be done; empty where it was."""

    error: NotRequired[Words]
    output: NotRequired[Words]
    traceback: NotRequired[Words]


class Nothing(Row):
    """The end of an operation that answers nothing."""


class Holder(Row):
    holder: Entry | None


class TextOfFile(Row):
    text: Exact | None


class ExitStatus(Row):
    code: Number


class Sum(Row):
    sha256: Digest


# The end of an operation that was done, beside `ok`. `ask` and `ask_all` answer what was asked; `facts`
# answers facts.
DONE: dict[str, TypeForm[object]] = {
    "apply": Nothing,
    "holder": Holder,
    # It is refused; where it is taken, it answers facts.
    "lock": Holder,
    "read": TextOfFile,
    "logs": Nothing,
    "furnish": Nothing,
    "place": Nothing,
    "send": Sum,
    "stream": ExitStatus,
}
