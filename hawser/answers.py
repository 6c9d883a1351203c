"""What hosts may say: the type of every message and answer. What passes here is data of a known shape, and bounded.

The runner is sent along, so its own words fit exactly. What it passes on from files that another version of Hawser
wrote (journals, history, locks) may hold more or less; what the application or its user wrote is never a reason to
give up a host: it is cut to what makes sense.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NotRequired, Required, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)
from typing_extensions import TypedDict

from .report.text import hearsay
from .runner.processes.cron import LATEST
from .runner.processes.traits import MANAGERS

COLOURS = ("blue", "green")
LONGEST_PIECE = 1 << 20
# Seconds within which a question is answered that costs a host next to nothing, and one that asks others in turn:
# a repository, an index, the application.
PROMPT, PATIENT = 120.0, 3600.0


def _moment(value: float) -> float:
    """A service user may write any time into a log: it is told as one that a calendar has."""
    return min(max(value, 0.0), LATEST) if math.isfinite(value) else LATEST


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is a word or a number of a record that some version of Hawser wrote."""
    return {key: _told(each) for key, each in value.items() if isinstance(each, bool | str | int | float)}


def _told(value: bool | str | float) -> bool | str | float:
    if isinstance(value, bool):
        return value
    return hearsay(value) if isinstance(value, str) else _number(value)


def _in_its_order(value: Any, inner: Any) -> Any:
    """Keep the fields where they were: what is signed is signed in its order, and pydantic puts new ones last."""
    found = inner(value)
    return {key: found[key] for key in value}


def _number(value: float) -> float:
    # Whoever shows it must not fail over ten thousand digits.
    return value if abs(value) <= LATEST else math.copysign(LATEST, value)


def _known_colours(value: Mapping[str, str]) -> dict[str, str]:
    """Forget links that lead elsewhere: the application's user can turn them."""
    return {name: colour for name, colour in value.items() if colour in COLOURS}


def _forgiving(text: str) -> WrapValidator:
    """Take an answer of the application that makes no sense as none: its user must not make us give up the host."""

    def validate(value: Any, inner: Any) -> Any:
        try:
            return inner(value)
        except ValidationError:
            return {"error": text, "output": ""}

    return WrapValidator(validate)


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
Whole: TypeAlias = Annotated[int, AfterValidator(lambda value: int(_number(value)))]
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
# Who did what from where and when, in a file that some version of Hawser wrote.
Entry: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain)]
Live: TypeAlias = Annotated[dict[str, str], AfterValidator(_known_colours)]


class Row(TypedDict):
    """What the runner itself says: these fields and no others."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


class Counted(TypedDict, Generic[T]):
    """Rows that others may multiply (`hawser.runner.rows`): as many as are told, and how many more there are."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    rows: Many[T]
    more: Size


if TYPE_CHECKING:
    ManagerName = str
else:
    ManagerName = Literal[tuple(MANAGERS)]


class ProcessRow(Row):
    process: Name
    unit: Unit
    manager: ManagerName
    release: NameOrNone
    state: Text
    active: bool
    enabled: bool
    seconds: Size
    since: Moment
    pid: Process
    live: bool


class System(TypedDict, total=False):
    id: Text
    version: Text
    codename: Text


class Journal(TypedDict, total=False):
    """See `hawser.host.journal.Record`; other versions write more or less, and all of it is signed."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    release: Required[Name]
    commit: NameOrNone
    what: Exact
    by: Exact
    hosts: Many[Name]
    phase: Exact
    before: NameOrNone
    previous: NameOrNone
    waits: Many[Name]
    complete: bool
    migrations: bool
    migrated: bool
    accepted: bool
    maintenance: bool
    closed: bool
    risky: Exact
    failed: Exact
    since: Exact
    begun: Size


JournalAsWritten: TypeAlias = Annotated[Journal, WrapValidator(_in_its_order)]


class OpenRestore(TypedDict, total=False):
    """The journal of a restore; other versions write more or less."""

    engine: Text
    database: Text
    backup: Text
    safety: Text
    phase: Text
    by: Entry


class Left(Row):
    """What is wrong with a database since a restore was broken off."""

    database: Name
    backup: NameOrNone
    what: Text


class Backup(Row):
    name: Name
    database: Name
    engine: Literal["postgresql", "mariadb", "sqlite"]
    path: Text
    time: Whole
    size: Size
    release: Text
    who: Text
    why: Text
    proven: bool
    number: Size


class Stray(Row):
    """A program that was left behind."""

    pid: Annotated[int, Field(gt=1, lt=2**31)]
    command: Text
    ports: Many[Text]
    unit: UnitOrNone


class Certificate(Row):
    days: Number
    names: Many[Text]
    self_signed: bool


class CronRun(Row):
    began: Whole
    ended: Whole | None
    status: Whole | None
    running: bool


class Room(Row):
    path: Exact
    free: Size
    total: Size
    files_free: Size
    files_total: Size
    read_only: bool


class Memory(Row):
    total: Size
    free: Size


class FailedUnit(Row):
    unit: UnitOrNone


class RabbitQueue(Row):
    vhost: Exact
    queue: Exact
    waiting: Size
    working: Size
    consumers: Size


class RedisQueue(Row):
    queue: Exact
    waiting: Size


class Listener(Row):
    address: Text
    port: Port
    pid: Process
    program: Text
    unit: UnitOrNone
    pids: Many[Process]


class Kept(Row):
    id: Name
    commit: Name
    built: Moment
    size: Size
    state: Text
    failure: Text


class Sample(Row):
    sample: Exact
    exists: bool
    used: bool


class Held(TypedDict):
    repo: Exact
    branch: Exact
    commit: Commit


class RemoteFile(Row):
    path: Exact
    size: Size
    sha256: Digest
    mode: Annotated[int, Field(ge=0, le=0o7777)]


class RemoteState(Row):
    sha256: Digest
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    owner: Text
    group: Text


class Operation(TypedDict):
    """What Django, inside the application, says of an operation of a migration."""

    kind: Text
    module: Text
    reversible: bool
    model: Text
    text: Text
    field: NotRequired[Text]
    fills_itself: NotRequired[bool]
    alters: NotRequired[Many[Text]]
    noop: NotRequired[bool]
    inner: NotRequired[Many[Operation]]
    empty: bool


class Migration(TypedDict):
    key: Text
    app: Text
    operations: Many[Operation]


class Plan(TypedDict):
    pending: Many[Migration]
    described: Many[Migration]
    applied: Many[Text]
    known: Many[Text]


class Revision(TypedDict):
    """What the host reads out of a file of Alembic's."""

    key: Text
    kind: Text
    reasons: Many[Text]
    reversible: bool


class Revisions(TypedDict):
    pending: Many[Revision]


class Lines(Row):
    lines: Many[Text]


class Unanswered(Row):
    error: Text
    output: NotRequired[Text]


Told: TypeAlias = Annotated[Unanswered | Plan, _forgiving("its answer makes no sense")]
ToldByAlembic: TypeAlias = Annotated[Unanswered | Revisions, _forgiving("its answer makes no sense")]
ToldPlainly: TypeAlias = Annotated[Unanswered | Lines, _forgiving("its answer makes no sense")]

# What the runner's reading functions answer (`ASKABLE` in its main module), and within how many seconds they do.
ANSWERS: dict[str, tuple[Any, float]] = {
    "backups.listing": (Many[Backup], PROMPT),
    "certificates.shown": (Certificate | None, PROMPT),
    "commands.variables": (ByName[Exact], PROMPT),
    "checkout.resolve": (CommitOrNone, PATIENT),
    "checkout.tips": (Many[Commit], PATIENT),
    "index.resolve": (NameOrNone, PATIENT),
    "cron.last": (ByName[CronRun], PROMPT),
    "looks.clock": (Moment, PROMPT),
    "looks.failed_units": (Counted[FailedUnit], PROMPT),
    "looks.last_words": (Many[Text], PROMPT),
    "looks.memory": (Memory, PROMPT),
    "looks.pending": (Size, PROMPT),
    "looks.reach": (ByName[Text], PROMPT),
    "looks.refused": (Words, PATIENT),
    "looks.resolve": (ByName[Text], PROMPT),
    "looks.rooms": (Many[Room], PROMPT),
    "looks.unmounted": (Many[Text], PROMPT),
    "once.listing": (ByName[Entry], PROMPT),
    "queues.rabbitmq": (Counted[RabbitQueue], PATIENT),
    "queues.redis": (Counted[RedisQueue], PATIENT),
    "ports.listening": (Counted[Listener], PROMPT),
    "migrations.plans": (Many[Told], PATIENT),
    "releases.before": (NameOrNone, PROMPT),
    "releases.history": (Many[Entry], PROMPT),
    "releases.stuck": (Many[Text], PATIENT),
    "releases.listing": (Few[Kept], PATIENT),
    "restores.left": (Many[Left], PATIENT),
    "samples.listing": (Counted[Sample], PROMPT),
    "strays.listing": (Counted[Stray], PROMPT),
    "survey.health": (ByName[Text], PATIENT),
    "transfers.listing": (Many[RemoteFile], PATIENT),
    "transfers.state": (RemoteState | None, PATIENT),
    "trees.held": (ByName[Held], PROMPT),
}

# Which argument holds the names that an answer is about: those of its keys, or the paths of its rows.
ABOUT = {"looks.reach": "places", "looks.resolve": "names", "looks.rooms": "paths", "survey.health": "checks"}


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


# What comes before the end of an operation, besides signs of life and, with any, what a program says.
HEARD: dict[str, dict[str, Any]] = {
    "apply": {"start": Start, "event": EventRow},
    "logs": {"log": Log},
    "send": {"part": Part},
}


class Refusal(Row):
    """Why an operation could not be done; empty where it was."""

    error: NotRequired[Words]
    output: NotRequired[Words]
    traceback: NotRequired[Words]


class Nothing(Row):
    """What an operation says at its end that answers nothing."""


class Holder(Row):
    holder: Entry | None


class TextOfFile(Row):
    text: Exact | None


class ExitStatus(Row):
    code: Number


class Sum(Row):
    sha256: Digest


# What an operation says at its end when it was done, beside `ok`. `ask` and `ask_all` answer what was asked; `facts`
# answers facts.
DONE: dict[str, Any] = {
    "apply": Nothing,
    "holder": Holder,
    # It is refused; where it is taken, it answers facts.
    "lock": Holder,
    "read": TextOfFile,
    "logs": Nothing,
    "place": Nothing,
    "send": Sum,
    "stream": ExitStatus,
}


def expected(function: str, arguments: Mapping[str, Any]) -> Any:
    """Return the type of a reading function's answer: one that is equal for all questions that have it in common.

    :param arguments: what it is asked about.
    """
    if function == "migrations.plans":
        # One answer to each question, in their order.
        kinds = tuple(_kind_of_plan(each) for each in arguments["questions"])
        return tuple[kinds] if kinds else tuple[()]  # type: ignore[valid-type]
    return ANSWERS[function][0]


def is_about(function: str, arguments: Mapping[str, Any], answer: Any) -> bool:
    """Tell whether an answer, which has its type, speaks of nothing but what was asked about."""
    if function not in ABOUT:
        return True
    asked = {each["name"] if isinstance(each, Mapping) else each for each in arguments[ABOUT[function]]}
    return asked.issuperset(each["path"] if isinstance(each, Mapping) else each for each in answer)


def _kind_of_plan(question: Mapping[str, Any]) -> Any:
    if question.get("plain"):
        return ToldPlainly
    return Told if "HAWSER_DATABASE" in (question.get("env") or {}) else ToldByAlembic


_adapters: dict[Any, TypeAdapter[Any]] = {}
_making = threading.Lock()


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what checks a type; made when it is first needed, which costs milliseconds."""
    with _making:
        if kind not in _adapters:
            _adapters[kind] = TypeAdapter(kind)
        return _adapters[kind]
