"""Programs that keep running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Changed, Resource


@dataclass(frozen=True, eq=False)
class Running(Resource):
    """One process of the application, started from its current definition and at boot; that it works, others prove.

    :param unit: its name under its manager (``systemd`` or ``supervisor``).
    :param when: restarted when this is due and it was already running.
    :param again: restarted in any case.
    :param log: a file whose tail is shown when it does not come up; systemd's journal is asked anyway.
    """

    kind: ClassVar[str] = "running"
    unit: str
    manager: str
    when: Changed | None = None
    log: str = ""
    again: bool = False


@dataclass(frozen=True, eq=False)
class Settled(Resource):
    """A process that has stayed up for some seconds since it was started.

    :param log: see `Running`.
    """

    kind: ClassVar[str] = "settled"
    momentary: ClassVar[bool] = True
    unit: str
    manager: str
    seconds: float = 1.0
    log: str = ""
    when: Changed | None = None


@dataclass(frozen=True, eq=False)
class Retired(Resource):
    """A process that shall no longer run, nor start at boot; it ends by its own stop timeout, nobody waits for it.

    :param path: its definition, removed for supervisor; kept but disabled for systemd, which needs it to stop it.
    :param wait: wait for its end, for what takes its place needs its port or must be the only one.
    """

    kind: ClassVar[str] = "retired"
    unit: str
    manager: str
    path: str
    wait: bool = False


@dataclass(frozen=True, eq=False)
class Drained(Resource):
    """Addresses from which the traffic has moved away, and to which nobody is connected any more.

    :param addresses: sockets' paths, or ``host:port``.
    :param server: the web server whose workers with a former configuration may still have to ask there for somebody;
        empty: they find what serves wherever it is.
    :param seconds: for how long connections are waited for; what is open for longer ends with the process.
    """

    kind: ClassVar[str] = "drained"
    momentary: ClassVar[bool] = True
    addresses: tuple[str, ...]
    server: str = ""
    seconds: float = 1.0

    @property
    def label(self) -> str:
        return f"{self.kind} {', '.join(self.addresses)}"


@dataclass(frozen=True, eq=False)
class Reloaded(Resource):
    """A web server that has taken up its configuration: none of its workers takes a request with the one of before.

    :param server: its name in the settings.
    """

    kind: ClassVar[str] = "reloaded"
    server: str
    when: Changed | None = None


@dataclass(frozen=True, eq=False)
class Vacated(Resource):
    """A TCP port that no process of an earlier release has any more but the one that is about to restart.

    Another name had it then, or two processes change their ports.

    :param unit: the process that shall have it.
    :param prefix: the start of all unit names of the application.
    :param release: whose processes are left alone.
    """

    kind: ClassVar[str] = "vacated"
    momentary: ClassVar[bool] = True
    port: int
    unit: str
    prefix: str
    release: str


@dataclass(frozen=True, eq=False)
class OnlyUnits(Resource):
    """No process definitions of this application but these; others are stopped and removed.

    :param prefix: the start of all unit names of the application.
    :param keep: those that stay, as ``MANAGER/NAME`` without suffix.
    """

    kind: ClassVar[str] = "units"
    prefix: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Healthy(Resource):
    """A process that answers HTTP on its own socket or port with an expected status, and whose command succeeds.

    :param address: a socket's path, or ``host:port``; empty for one that does not listen.
    :param path: the URL path that is asked for; empty: that it accepts a connection is enough.
    :param host: the name that it is asked for.
    :param tls: it speaks TLS, and its certificate must be for that name.
    :param ca: a file of certificates that its own must lead to; empty: those that the host trusts.
    :param statuses: first and last of each range of statuses that count as healthy.
    :param timeout: seconds until it is given up.
    :param successes: good answers in a row that it takes; with more than one,
    :param fast: seconds within which each of them must come.
    :param unit: whose log tail is shown on failure.
    :param command: the program, with its arguments, that must exit with 0, as ``user`` in the folder ``cwd``; empty for
        none.
    """

    kind: ClassVar[str] = "healthy"
    momentary: ClassVar[bool] = True
    address: str
    unit: str
    manager: str
    path: str = ""
    host: str = "localhost"
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    timeout: float = 30.0
    successes: int = 1
    fast: float = 1.0
    log: str = ""
    when: Changed | None = None
    tls: bool = False
    ca: str = ""
    command: tuple[str, ...] = ()
    user: str = ""
    cwd: str = "/"


@dataclass(frozen=True, eq=False)
class Tried(Healthy):
    """A process that was started beside the one that it shall replace, was healthy, and has ended; see `Healthy`.

    Nothing is tried where the other does not run, will go on as it is, or listens on more than its port.

    :param serves: the unit of the other, which may have another name, and
    :param serves_under: its manager.
    :param port: the port that is to be had afterwards.
    :param path_of_definition: where the definition of the trial lies meanwhile.
    :param definition: its text.
    :param becomes: SHA-256 of the definition that the other shall get.
    :param placeholder: what stands for the port of the trial in all of these texts.
    """

    kind: ClassVar[str] = "tried"
    momentary: ClassVar[bool] = True
    serves: str = ""
    serves_under: str = ""
    port: int = 0
    path_of_definition: str = ""
    definition: str = ""
    becomes: str = ""
    placeholder: str = ""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.serves}"


@dataclass(frozen=True, eq=False)
class Served(Resource):
    """The names of a site lead to its own configuration on this host, and to no other one.

    :param server: the web server, by its name in the settings.
    :param page: the configuration.
    :param names: the domains.
    :param doors: the ports, and whether each is one for TLS.
    :param serves: what is behind it serves already, and is not judged anew: what is wrong is a warning.
    """

    kind: ClassVar[str] = "served"
    page: str
    server: str
    names: tuple[str, ...]
    doors: tuple[tuple[int, bool], ...]
    serves: bool = False


@dataclass(frozen=True, eq=False)
class Visited(Resource):
    """The site answers on this host as visitors reach it: through its web server, with its domain's name.

    :param url: what a visitor would type.
    :param statuses: first and last of each range of statuses that count as served.
    :param timeout: seconds until it is given up.
    :param page: the maintenance page; while it is there, 503 counts as well.
    :param unit: the process behind it, if it runs on this host, whose log tail is shown on failure, and
    :param server_log: the log of the web server's errors, likewise.
    """

    kind: ClassVar[str] = "visited"
    momentary: ClassVar[bool] = True
    url: str
    path: str
    domain: str
    port: int
    tls: bool
    statuses: tuple[tuple[int, int], ...]
    timeout: float
    page: str
    unit: str = ""
    manager: str = ""
    log: str = ""
    server_log: str = ""
