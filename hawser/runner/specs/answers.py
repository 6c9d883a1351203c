"""The answers of the runner's reading functions, by the names that `hawser.answers` has for the same."""

from __future__ import annotations

from typing import Dict, Generic, List, Mapping, Optional, Sequence, TypedDict, TypeVar

T = TypeVar("T")


class Counted(TypedDict, Generic[T]):
    """As many rows as an answer may have, and how many more there are."""

    rows: List[T]
    more: int


class Between(TypedDict):
    """What a commit brings beside another one, what it takes back, and the subjects of the first ones of these."""

    brings: int
    takes: int
    subjects: List[str]


class Definition(TypedDict):
    """The definition of a process, as the comments at its top name it."""

    manager: str
    unit: str
    process: str
    release: str
    inputs: str


class Holder(TypedDict):
    """A program that was started with something of before."""

    pid: int
    program: str
    unit: str


class ProcessState(TypedDict):
    state: str
    active: bool
    enabled: bool
    seconds: int
    since: float
    pid: int


class DefinedProcess(Definition, ProcessState):
    """A process as its manager has it."""


class ProcessRow(DefinedProcess):
    live: bool


class TakenName(TypedDict):
    """A name of the application that somebody else has."""

    wanted: str
    path: str
    application: str


class ProcessFacts(TypedDict):
    processes: List[ProcessRow]
    live: Dict[str, str]
    astray: List[str]


class ApplicationFacts(ProcessFacts):
    current: str
    commit: str
    process_inputs: str
    hawser: str
    around: str
    previous: str
    releases: List[str]
    journal: Optional[Mapping[str, object]]
    hold: Optional[Mapping[str, object]]
    restores: Sequence[Mapping[str, object]]
    closed: bool
    since: float
    generated: List[str]
    bootstrapped: bool
    set_up: str
    set_up_for: str
    made_for: str
    damaged: List[str]
    once: List[str]
    signing: str
    begun: int
    interpreter: str
    gone_python: str
    taken: List[TakenName]


class System(TypedDict):
    id: str
    version: str
    codename: str


class HostFacts(TypedDict):
    hostname: str
    os: System
    machine: str
    python: str
    systemd: bool
    disk_free: int
    disk_total: int
    clock: float
    offset: int
    uid: int
    ipv6: bool
    nginx: str


class Facts(HostFacts):
    app: ApplicationFacts


class Left(TypedDict):
    database: str
    backup: str
    what: str


class Backup(TypedDict):
    name: str
    database: str
    engine: str
    path: str
    time: int
    size: int
    release: str
    who: str
    why: str
    proven: bool
    number: int


class Snapshot(TypedDict):
    name: str
    time: int
    paths: List[str]


class Offsite(TypedDict):
    time: int
    size: int
    failed_at: int
    snapshot: str
    failed: str


class Stray(TypedDict):
    pid: int
    command: str
    ports: List[str]
    unit: str


class Certificate(TypedDict):
    days: int
    names: List[str]
    self_signed: bool


class CronRun(TypedDict):
    began: int
    ended: Optional[int]
    status: Optional[int]
    running: bool


class Room(TypedDict):
    path: str
    free: int
    total: int
    files_free: int
    files_total: int
    read_only: bool


class Memory(TypedDict):
    total: int
    free: int


class ProcessUsage(TypedDict):
    cpu: float
    memory: int
    programs: int
    restarts: Optional[int]


class OtherUsage(TypedDict):
    unit: str
    cpu: float
    memory: int


class HostUsage(TypedDict):
    moment: float
    busy: float
    processors: int
    load: float
    memory: Memory
    swap: Memory
    processes: Dict[str, ProcessUsage]
    others: Counted[OtherUsage]


class NewerVersion(TypedDict):
    name: str
    old: str
    new: str
    security: bool


class Upgrades(TypedDict):
    packages: List[NewerVersion]
    lists: int
    reboot: str
    trouble: str


class Delivery(TypedDict):
    """What visitors of a site got: the protocol; the encoding of a text; how long a hashed file is kept; HSTS.

    Empty paths stand for files that there are not.

    :param why: why there is no answer at all; empty: there is one.
    """

    why: str
    protocol: str
    text: str
    encoding: str
    hashed: str
    cache: List[str]
    hsts: List[List[str]]


class SiteState(TypedDict):
    astray: str
    remarks: List[str]


class FailedUnit(TypedDict):
    unit: str


class RabbitQueue(TypedDict):
    vhost: str
    queue: str
    waiting: int
    working: int
    consumers: int


class RedisQueue(TypedDict):
    queue: str
    waiting: int


class Listener(TypedDict):
    address: str
    port: int
    pid: int
    program: str
    unit: str
    pids: List[int]


class Kept(TypedDict):
    id: str
    commit: str
    built: float
    size: int
    state: str
    failure: str


class Sample(TypedDict):
    sample: str
    exists: bool
    used: bool


class Held(TypedDict):
    repo: str
    branch: str
    path: str
    commit: str


class RemoteFile(TypedDict):
    path: str
    size: int
    sha256: str
    mode: int


class RemoteState(TypedDict):
    sha256: str
    mode: int
    owner: str
    group: str


class Lines(TypedDict):
    lines: List[str]


class Unanswered(TypedDict):
    error: str
    output: str
    crashed: bool


class SshdLine(TypedDict):
    """A setting of sshd, where it stands."""

    path: str
    number: int
    keyword: str
    value: str
    match: str


class SshdState(TypedDict):
    """How a host lets people log in who fit no condition, and all lines that say something of it."""

    trial: bool
    holds: Dict[str, str]
    lines: List[SshdLine]
    trouble: str


class TeamAccount(TypedDict):
    name: str
    locked: bool


class MemberRights(TypedDict):
    """What an application gives to somebody."""

    application: str
    name: str
    role: str
    keys: List[str]


class TeamState(TypedDict):
    accounts: List[TeamAccount]
    rights: List[MemberRights]
    elsewhere: str
    alone: str


class BansState(TypedDict):
    """What fail2ban does: whether it is there, whether its jail for sshd runs, whom that bans and never bans."""

    there: bool
    jail: bool
    banned: List[str]
    never: List[str]
