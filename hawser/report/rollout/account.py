"""A rollout, as its log tells it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..events import Status


@dataclass(frozen=True, slots=True)
class Happened:
    """A resource was settled.

    :param phase: the place of its phase in the list of them.
    :param began: seconds after the beginning of the rollout.
    :param seconds: how long it took.
    """

    host: str
    phase: int
    step: str
    label: str
    status: Status
    began: float
    seconds: float
    diff: str = ""
    note: str = ""
    output: str = ""
    error: str = ""
    bookkeeping: bool = False


@dataclass(slots=True)
class Phase:
    """A phase; several exchanges of one name in a row are one."""

    name: str
    hosts: tuple[str, ...]
    began: float
    ended: float
    bookkeeping: bool = False

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was told; of no host where that is empty."""

    moment: float
    host: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits that went out, or were taken back.

    :param subject: the first line of the message of the commit itself; empty: nobody has said it.
    """

    former: str
    commit: str
    hosts: tuple[str, ...]
    text: str
    subjects: tuple[str, ...]
    subject: str = ""


@dataclass(slots=True)
class Account:
    """A rollout, as its log tells it.

    :ivar name: that of the log.
    :ivar started: when it began, in seconds since the epoch.
    :ivar ok: whether it went well; None: the log has no end, for the run was killed or is under way.
    :ivar at_work: by host, what it had begun and not settled when the log ended.
    :ivar unread: lines that are none of ours.
    """

    name: str = ""
    command: str = ""
    application: str = ""
    environment: str = ""
    file: str = ""
    who: str = ""
    place: str = ""
    hawser: str = ""
    hosts: tuple[str, ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    ok: bool | None = None
    code: int = 0
    error: str = ""
    dry: bool = False
    release: str = ""
    commit: str = ""
    phases: list[Phase] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    commits: list[Commits] = field(default_factory=list)
    broken_off: dict[str, str] = field(default_factory=dict)
    explained: list[Note] = field(default_factory=list)
    at_work: dict[str, tuple[str, str]] = field(default_factory=dict)
    unread: int = 0

    def having(self, *statuses: Status) -> list[str]:
        """Return the hosts on which a resource ended so, in their order."""
        found = {each.host for each in self.events if each.status in statuses}
        return [host for host in self.hosts if host in found]

    @property
    def failed_hosts(self) -> list[str]:
        """The hosts on which something failed or whose run was broken off."""
        found = {*self.having("failed"), *self.broken_off}
        return [host for host in self.hosts if host in found]

    @property
    def subject(self) -> str:
        """The first line of the message of the commit that went out, where it is known."""
        return next((each.subject for each in self.commits if each.subject and each.commit == self.commit), "")
