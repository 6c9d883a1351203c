"""Reading functions of the runner (`ASKABLE` in its main module), and the type of each one's answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, Self, TypeVar

from typing_extensions import TypeForm

from .kinds import (
    ByName,
    Commit,
    CommitOrNone,
    Counted,
    Exact,
    Exposure,
    Few,
    Many,
    Moment,
    Name,
    NameOrNone,
    Size,
    Text,
    UnitOrNone,
    Words,
)
from .records import Entry
from .rows import (
    AlembicPlan,
    Backup,
    BansState,
    Between,
    BrokenRestore,
    Certificate,
    CheckedOut,
    CronRun,
    Delivery,
    DjangoPlan,
    FailedUnit,
    Holder,
    HostUsage,
    KeptRelease,
    Listener,
    Memory,
    Offsite,
    PrintedPlan,
    RabbitQueue,
    RedisQueue,
    RemoteFile,
    RemoteState,
    Room,
    Sample,
    SiteState,
    Snapshot,
    SshdState,
    Stray,
    TeamState,
    Upgrades,
)

# Seconds within which a question is answered that costs a host next to nothing, and one that asks others in turn:
# a repository, an index, the application.
PROMPT, PATIENT = 120.0, 3600.0
T_co = TypeVar("T_co", covariant=True)


class ReadingFunction(str, Generic[T_co]):
    """The name of a reading function, as the runner knows it, and the type of its answer.

    :param kind: the type.
    :param seconds: the time within which it comes.
    :param about: the argument with the names that it is about: those of its keys, or the paths of its rows; empty:
        it names what it likes.
    """

    kind: TypeForm[T_co]
    seconds: float
    about: str

    def __new__(cls, function: str, kind: TypeForm[T_co], seconds: float = PROMPT, about: str = "") -> Self:
        made = super().__new__(cls, function)
        made.kind, made.seconds, made.about = kind, seconds, about
        return made


BANS = ReadingFunction("bans.state", BansState)
BACKUPS = ReadingFunction("backups.listing", Many[Backup])
CERTIFICATE = ReadingFunction("certificates.shown", Certificate | None)
VARIABLES = ReadingFunction("commands.variables", ByName[Exact])
COMMIT = ReadingFunction("checkout.resolve", CommitOrNone, PATIENT)
TIPS = ReadingFunction("checkout.tips", Many[Commit], PATIENT)
COMMITS_BETWEEN = ReadingFunction("commits.between", Between | None, PATIENT)
PACKAGE_VERSION = ReadingFunction("index.resolve", NameOrNone, PATIENT)
MISSING_PYTHON = ReadingFunction("interpreters.missing", Text)
CRON_RUNS = ReadingFunction("cron.last", ByName[CronRun])
DELIVERY = ReadingFunction("delivery.measured", Delivery, PATIENT)
ELSEWHERE = ReadingFunction("hardening.elsewhere", Few[Text], PATIENT)
EXPOSURES = ReadingFunction("hardening.exposures", ByName[Exposure], PATIENT, about="units")
CLOCK = ReadingFunction("looks.clock", Moment)
FAILED_UNITS = ReadingFunction("looks.failed_units", Counted[FailedUnit])
LAST_WORDS = ReadingFunction("looks.last_words", Many[Text])
MEMORY = ReadingFunction("looks.memory", Memory)
PENDING_FOLLOW_UPS = ReadingFunction("looks.pending", Size)
UNREACHABLE = ReadingFunction("looks.reach", ByName[Text], about="places")
REFUSED_CONFIGURATION = ReadingFunction("looks.refused", Words, PATIENT)
UNBOOTABLE = ReadingFunction("looks.unbootable", ByName[Words], PATIENT, about="units")
UNRESOLVED = ReadingFunction("looks.resolve", ByName[Text], about="names")
ROOMS = ReadingFunction("looks.rooms", Many[Room], about="paths")
UNMOUNTED = ReadingFunction("looks.unmounted", Many[Text])
OFFSITE = ReadingFunction("offsite.last", Offsite)
SNAPSHOTS = ReadingFunction("offsite.snapshots", Many[Snapshot], PATIENT)
RUN_ONCE = ReadingFunction("once.listing", ByName[Entry])
RABBITMQ_QUEUES = ReadingFunction("queues.rabbitmq", Counted[RabbitQueue], PATIENT)
REDIS_QUEUES = ReadingFunction("queues.redis", Counted[RedisQueue], PATIENT)
LISTENERS = ReadingFunction("ports.listening", Counted[Listener])
UNCHANGED = ReadingFunction("derived.unchanged", bool, PATIENT)
PLANS = ReadingFunction("migrations.plans", tuple[DjangoPlan | AlembicPlan | PrintedPlan, ...], PATIENT)
RELEASE_BEFORE = ReadingFunction("releases.before", NameOrNone)
HISTORY = ReadingFunction("releases.history", Many[Entry])
STUCK_RELEASES = ReadingFunction("releases.stuck", Many[Text], PATIENT)
RELEASES = ReadingFunction("releases.listing", Few[KeptRelease], PATIENT)
BROKEN_RESTORES = ReadingFunction("restores.left", Many[BrokenRestore], PATIENT)
SAMPLES = ReadingFunction("samples.listing", Counted[Sample])
SCRIPTS_DEEPER = ReadingFunction("scripts.deeper", Many[Text])
SITE = ReadingFunction("sites.state", SiteState, PATIENT)
SSHD = ReadingFunction("sshd.state", SshdState)
STRAYS = ReadingFunction("strays.listing", Counted[Stray])
TEAM = ReadingFunction("team.state", TeamState)
HEALTH = ReadingFunction("survey.health", ByName[Text], PATIENT, about="checks")
REMOTE_ENTRIES = ReadingFunction("transfers.entries", ByName[Exact], PATIENT, about="paths")
REMOTE_FILES = ReadingFunction("transfers.listing", Many[RemoteFile], PATIENT)
REMOTE_STATE = ReadingFunction("transfers.state", RemoteState | None, PATIENT)
BOOT = ReadingFunction("upgrades.boot", Name)
HOLDERS = ReadingFunction("holders.holding", Few[Holder])
OUTDATED = ReadingFunction("upgrades.outdated", Few[UnitOrNone])
UPGRADES = ReadingFunction("upgrades.pending", Upgrades, PATIENT)
USAGE = ReadingFunction("usage.usage", HostUsage)
CHECKOUTS = ReadingFunction("trees.held", ByName[CheckedOut])
FUNCTIONS = {str(each): each for each in list(vars().values()) if isinstance(each, ReadingFunction)}


def expected(function: str, arguments: Mapping[str, object]) -> TypeForm[object]:
    """Return the type of a reading function's answer; questions with the same type get an equal one.

    :param arguments: what it is asked about.
    """
    if function == PLANS:
        asked = arguments["questions"]
        assert isinstance(asked, list)
        # One answer to each question, in their order.
        kinds = tuple(_kind_of_plan(each) for each in asked)
        return tuple[kinds] if kinds else tuple[()]  # type: ignore[valid-type]
    return FUNCTIONS[function].kind


def is_about(function: str, arguments: Mapping[str, object], answer: object) -> bool:
    """Tell whether an answer, which has its type, has no names but those that were asked about."""
    about = FUNCTIONS[function].about
    return not about or _names(answer, "path") <= _names(arguments[about], "name")


def _names(parts: object, key: str) -> set[object]:
    """Return names: those in a list, under a key of each of its rows, or the keys of a table."""
    assert isinstance(parts, Iterable)
    return {each[key] if isinstance(each, Mapping) else each for each in parts}


def _kind_of_plan(question: Mapping[str, object]) -> TypeForm[object]:
    if question.get("plain"):
        return PrintedPlan
    variables = question.get("env")
    return DjangoPlan if isinstance(variables, Mapping) and "HAWSER_DATABASE" in variables else AlembicPlan
