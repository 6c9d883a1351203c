"""Rows of answers: databases, files, releases, migrations …"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypeAlias, final

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from typing_extensions import TypedDict

from .kinds import (
    ByName,
    Commit,
    Counted,
    Digest,
    Exact,
    Few,
    Many,
    Moment,
    Name,
    NameOrNone,
    Number,
    Port,
    Process,
    Row,
    Size,
    Text,
    UnitOrNone,
    Whole,
)


def _forgiving(text: str) -> WrapValidator:
    """Take an answer of the application that makes no sense as none: its user must not make us give up the host."""

    def validate(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError:
            return {"error": text, "output": ""}

    return WrapValidator(validate)


class Between(Row):
    """See `hawser.runner.code.mirror.between`."""

    brings: Size
    takes: Size
    subjects: Few[Text]


class Holder(Row):
    """A program that was started with something of before."""

    pid: Process
    program: Text
    unit: UnitOrNone


class BrokenRestore(Row):
    """A database that lacks something since a restore was broken off."""

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


class Snapshot(Row):
    """A backup that has left its host."""

    name: Name
    time: Whole
    paths: Few[Text]


class Offsite(Row):
    """How the backups of a host that leave it have ended; zeros and nothing where there was none."""

    time: Whole
    size: Size
    failed_at: Whole
    snapshot: Text
    failed: Text


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


class ProcessUsage(Row):
    """What a process has used and holds: seconds of a processor, bytes; None: its manager counts no restarts."""

    cpu: Moment
    memory: Size
    programs: Size
    restarts: Size | None


class OtherUsage(Row):
    unit: UnitOrNone
    cpu: Moment
    memory: Size


class HostUsage(Row):
    """See `hawser.runner.processes.usage`."""

    moment: Moment
    busy: Moment
    processors: Annotated[int, Field(ge=1, lt=2**16)]
    load: Moment
    memory: Memory
    swap: Memory
    processes: ByName[ProcessUsage]
    others: Counted[OtherUsage]


class NewerVersion(Row):
    """A package that is installed, and the version that it would get."""

    name: Text
    old: Text
    new: Text
    security: bool


class Upgrades(Row):
    """See `hawser.runner.machine.upgrades.pending`."""

    packages: Few[NewerVersion]
    lists: Whole
    reboot: Text
    trouble: Text


class SiteState(Row):
    """Why a site does not have its names, empty when it has, and what else there is to say of it."""

    astray: Text
    remarks: Many[Text]


class Delivery(Row):
    """See `hawser.runner.processes.delivery.measured`; HSTS of the web server itself, and of the start page."""

    why: Text
    protocol: Text
    text: Text
    encoding: Text
    hashed: Text
    cache: Few[Text]
    hsts: Annotated[list[Few[Text]], Field(max_length=2)]


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


class KeptRelease(Row):
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


class CheckedOut(TypedDict):
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
    """An operation of a migration, in the words of Django inside the application."""

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
    """A migration; ``replaces`` names those that it was squashed of."""

    key: Text
    app: Text
    operations: Many[Operation]
    replaces: NotRequired[Many[Text]]


@final
class Plan(TypedDict):
    pending: Many[Migration]
    described: Many[Migration]
    applied: Many[Text]
    known: Many[Text]


class Revision(TypedDict):
    """A revision, as the host reads it out of a file of Alembic's."""

    key: Text
    kind: Text
    reasons: Many[Text]
    reversible: bool


@final
class Revisions(TypedDict):
    pending: Many[Revision]


@final
class Lines(Row):
    lines: Many[Text]


@final
class Unanswered(Row):
    error: Text
    output: NotRequired[Text]
    crashed: NotRequired[bool]


DjangoPlan: TypeAlias = Annotated[Unanswered | Plan, _forgiving("its answer makes no sense")]
AlembicPlan: TypeAlias = Annotated[Unanswered | Revisions, _forgiving("its answer makes no sense")]
PrintedPlan: TypeAlias = Annotated[Unanswered | Lines, _forgiving("its answer makes no sense")]


class SshdLine(Row):
    """A setting of sshd, where it stands."""

    path: Text
    number: Size
    keyword: Text
    value: Text
    match: Text


class SshdState(Row):
    """How a host lets people log in who fit no condition, and all lines that say something of it."""

    trial: bool
    holds: ByName[Text]
    lines: Few[SshdLine]
    trouble: Text


class TeamAccount(Row):
    name: Name
    locked: bool


class MemberRights(Row):
    """What an application gives to somebody."""

    application: Name
    name: Name
    role: Text
    keys: Few[Text]


class TeamState(Row):
    accounts: Few[TeamAccount]
    rights: Few[MemberRights]
    elsewhere: Text
    alone: Text


class BansState(Row):
    """What fail2ban does: whether it is there, whether its jail for sshd runs, whom that bans and never bans."""

    there: bool
    jail: bool
    banned: Few[Text]
    never: Few[Text]
