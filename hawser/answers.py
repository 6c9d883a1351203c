"""What hosts may say: the type of every message and answer. What passes here is data of a known shape, and bounded.

The runner is sent along, so its own words fit exactly. What it passes on from files that another version of Hawser
wrote (journals, history, locks) may hold more or less; what the application or its user wrote is never a reason to
give up a host: it is cut to what makes sense.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required, TypeAlias

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

# The last moment that every clock and calendar here can write: the first day of the year 9999.
LATEST = 253370764800.0
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
    return {
        key: each if isinstance(each, bool | str) else _number(each)
        for key, each in value.items()
        if isinstance(each, bool | str | int | float)
    }


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


Text: TypeAlias = str
# What is looked through for causes, or kept for that: the runner cuts it to far less.
Piece: TypeAlias = Annotated[str, AfterValidator(_of_a_piece)]
Moment: TypeAlias = Annotated[float, AfterValidator(_moment)]
# The same in whole seconds, and any number that a service user may have written.
Whole: TypeAlias = Annotated[int, AfterValidator(lambda value: int(_number(value)))]
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


class ProcessRow(Row):
    process: Name
    unit: Unit
    manager: Literal["systemd", "supervisor"]
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
    """See `hawser.journal.Record`; other versions write more or less, and all of it is signed."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    release: Required[Name]
    commit: NameOrNone
    what: Text
    by: Text
    hosts: list[Name]
    phase: Text
    before: NameOrNone
    previous: NameOrNone
    waits: list[Name]
    complete: bool
    migrations: bool
    migrated: bool
    accepted: bool
    maintenance: bool
    closed: bool
    risky: Text
    failed: Text
    since: Text
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
    time: Whole
    size: Size
    release: Text
    who: Text
    why: Text
    proven: bool


class Stray(Row):
    """A program that was left behind."""

    pid: Process
    command: Text
    ports: list[Text]
    unit: UnitOrNone


class Certificate(Row):
    days: Number
    names: list[Text]
    self_signed: bool


class CronRun(Row):
    began: Whole
    ended: Whole | None
    status: Whole | None
    running: bool


class Room(Row):
    path: Text
    free: Size
    total: Size
    files_free: Size
    files_total: Size
    read_only: bool


class Memory(Row):
    total: Size
    free: Size


class RabbitQueue(Row):
    vhost: Text
    queue: Text
    waiting: Size
    working: Size
    consumers: Size


class RedisQueue(Row):
    queue: Text
    waiting: Size


class Listener(Row):
    address: Text
    port: Port
    pid: Process
    program: Text
    unit: UnitOrNone
    pids: list[Process]


class Kept(Row):
    id: Name
    commit: Name
    built: Moment
    size: Size
    state: Text
    failure: Text


class Sample(Row):
    sample: Text
    exists: bool
    used: bool


class Held(TypedDict):
    repo: Text
    branch: Text
    commit: Commit


class RemoteFile(Row):
    path: Text
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
    alters: NotRequired[list[Text]]
    noop: NotRequired[bool]
    inner: NotRequired[list[Operation]]
    empty: bool


class Migration(TypedDict):
    key: Text
    app: Text
    operations: list[Operation]


class Plan(TypedDict):
    pending: list[Migration]
    described: list[Migration]
    applied: list[Text]
    known: list[Text]


class Revision(TypedDict):
    """What the host reads out of a file of Alembic's."""

    key: Text
    kind: Text
    reasons: list[Text]
    reversible: bool


class Revisions(TypedDict):
    pending: list[Revision]


class Lines(Row):
    lines: list[Text]


class Unanswered(Row):
    error: Text
    output: NotRequired[Text]


Told: TypeAlias = Annotated[Unanswered | Plan, _forgiving("its answer makes no sense")]
ToldByAlembic: TypeAlias = Annotated[Unanswered | Revisions, _forgiving("its answer makes no sense")]
ToldPlainly: TypeAlias = Annotated[Unanswered | Lines, _forgiving("its answer makes no sense")]

# What the runner's reading functions answer (`ASKABLE` in its main module), and within how many seconds they do.
ANSWERS: dict[str, tuple[Any, float]] = {
    "backups.listing": (list[Backup], PROMPT),
    "certificates.shown": (Certificate | None, PROMPT),
    "commands.variables": (dict[str, Text], PROMPT),
    "checkout.resolve": (CommitOrNone, PATIENT),
    "checkout.tips": (list[Commit], PATIENT),
    "index.resolve": (NameOrNone, PATIENT),
    "cron.last": (dict[str, CronRun], PROMPT),
    "looks.clock": (Moment, PROMPT),
    "looks.failed_units": (list[UnitOrNone], PROMPT),
    "looks.last_words": (list[Text], PROMPT),
    "looks.memory": (Memory, PROMPT),
    "looks.pending": (Size, PROMPT),
    "looks.reach": (dict[str, Text], PROMPT),
    "looks.refused": (Piece, PATIENT),
    "looks.resolve": (dict[str, Text], PROMPT),
    "looks.rooms": (list[Room], PROMPT),
    "looks.unmounted": (list[Text], PROMPT),
    "once.listing": (dict[str, Entry], PROMPT),
    "queues.rabbitmq": (list[RabbitQueue], PATIENT),
    "queues.redis": (list[RedisQueue], PATIENT),
    "ports.listening": (list[Listener], PROMPT),
    "migrations.plans": (list[Told], PATIENT),
    "releases.before": (NameOrNone, PROMPT),
    "releases.history": (list[Entry], PROMPT),
    "releases.stuck": (list[Text], PATIENT),
    "releases.listing": (list[Kept], PATIENT),
    "restores.left": (list[Left], PATIENT),
    "samples.listing": (list[Sample], PROMPT),
    "strays.listing": (list[Stray], PROMPT),
    "survey.health": (dict[str, Text], PATIENT),
    "transfers.listing": (list[RemoteFile], PATIENT),
    "transfers.state": (RemoteState | None, PATIENT),
    "trees.held": (dict[str, Held], PROMPT),
}

# Which argument holds the names that an answer is about.
ABOUT = {"looks.reach": "places", "looks.resolve": "names", "survey.health": "checks"}


class Start(Row):
    t: Literal["start"]
    position: Size
    step: Text
    label: Text


class EventRow(Row):
    """See `hawser.report.Event`."""

    t: Literal["event"]
    position: Size
    step: Text
    label: Text
    status: Literal["ok", "changed", "would_change", "unknown", "failed", "skipped"]
    ms: Moment
    diff: NotRequired[Piece]
    note: NotRequired[Piece]
    output: NotRequired[Piece]
    error: NotRequired[Piece]
    traceback: NotRequired[Piece]
    facts: NotRequired[dict[str, Piece]]
    warning: NotRequired[Piece]


class Output(Row):
    t: Literal["output"]
    stream: Literal["out", "err"]
    text: Piece


class Log(Row):
    t: Literal["log"]
    time: Moment
    source: Text
    text: Text


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

    error: NotRequired[Piece]
    output: NotRequired[Piece]
    traceback: NotRequired[Piece]


class Nothing(Row):
    """What an operation says at its end that answers nothing."""


class Holder(Row):
    holder: Entry | None


class TextOfFile(Row):
    text: Text | None


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


def expected(function: str, arguments: Mapping[str, Any]) -> tuple[Any, float]:
    """Return the type of a reading function's answer, and the seconds within which it comes.

    :param arguments: what it is asked about: an answer speaks of nothing else.
    """
    kind, seconds = ANSWERS[function]
    if function == "migrations.plans":
        # One answer to each question, in their order.
        kinds = tuple(_told(each) for each in arguments["questions"])
        return (tuple[kinds] if kinds else tuple[()]), seconds  # type: ignore[valid-type]
    if function == "looks.rooms":
        return Annotated[kind, AfterValidator(_paths_among(frozenset(arguments["paths"])))], seconds
    if function in ABOUT:
        asked = {each["name"] if isinstance(each, Mapping) else each for each in arguments[ABOUT[function]]}
        return Annotated[kind, AfterValidator(_only(frozenset(asked)))], seconds
    return kind, seconds


def _told(question: Mapping[str, Any]) -> Any:
    if question.get("plain"):
        return ToldPlainly
    return Told if "HAWSER_DATABASE" in (question.get("env") or {}) else ToldByAlembic


def _paths_among(asked: frozenset[str]) -> Callable[[list[Room]], list[Room]]:
    def check(rows: list[Room]) -> list[Room]:
        if not asked.issuperset(row["path"] for row in rows):
            raise ValueError("it is about something that was not asked")
        return rows

    return check


def _only(asked: frozenset[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        if not asked.issuperset(value):
            raise ValueError("it is about something that was not asked")
        return value

    return check


_adapters: dict[Any, TypeAdapter[Any]] = {}
_making = threading.Lock()


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what checks a type; made when it is first needed, which costs milliseconds."""
    with _making:
        if kind not in _adapters:
            _adapters[kind] = TypeAdapter(kind)
        return _adapters[kind]
