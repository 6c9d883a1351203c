"""Programs that run: the tables ``[processes.NAME]`` and ``[cron.NAME]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from ...runner.processes.traits import MANAGERS
from ..base import Model, Shape
from ..values.jinja import references
from ..values.types import (
    AbsolutePath,
    AnyPath,
    Command,
    Count,
    ExtraKey,
    Flag,
    Groups,
    InstanceName,
    Limit,
    OutputPath,
    Port,
    ProcessName,
    Schedule,
    Seconds,
    Status,
    Template,
    TemplatePath,
    UnixName,
    UrlPrefix,
    VariableName,
    some,
    unique,
)

if TYPE_CHECKING:
    ManagerName = str
else:
    ManagerName = Literal[tuple(MANAGERS)]


class Health(Model):
    """How a new process is asked whether it works, before traffic reaches it."""

    path: UrlPrefix = Field(default="/", description="The URL path to ask for.")
    status: Annotated[tuple[Status, ...], AfterValidator(some), Shape("list: number, or range")] = Field(
        default=("200-399",), description="The answers that mean that it works."
    )
    timeout: Seconds = Field(default=30, description="How long it may take to answer so.")
    tls: Flag = Field(default=False, description="It speaks TLS, and its certificate is checked.")
    ca: TemplatePath | None = Field(
        default=None,
        description="With `tls`: a file on the host with the certificates that its own must lead to. Default: those "
        "that the host trusts.",
    )
    name: Template | None = Field(
        default=None,
        description="The name it is asked for, which its certificate must have. Default: the first of `site.domains`, "
        "else `localhost`.",
    )

    successes: Count = Field(
        default=1,
        description="How many good answers in a row it takes, each within `fast` seconds. With more than one, as many "
        "are first asked at the same time, so that each of several workers loads what it needs before visitors come.",
    )
    fast: Seconds = Field(default=1, description="With `successes`: how many seconds an answer may take to count.")
    command: Command | None = Field(
        default=None,
        description="A command line that must succeed as well, such as one that asks the application whether it "
        "reaches what it works with. It runs as the process's user, in its environment, in the code. `status` runs it "
        "too, so it must change nothing. A process without a socket or port may have it alone.",
    )

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The expected statuses as pairs of first and last."""
        pairs = (str(status).partition("-") for status in self.status)
        return tuple((int(first), int(last or first)) for first, _, last in pairs)


class Limits(Model):
    """What a process may use."""

    files: Limit | None = Field(default=None, description="Open files.")
    processes: Limit | None = Field(default=None, description="Processes and threads of its user.")


def _uses_socket(data: Mapping[str, object]) -> bool:
    return data["port"] is None and "socket" in references(str(data["command"])).names


def _keeps_its_rights(data: Mapping[str, object]) -> bool:
    return not re.search(r"(?<![\w.-])sudo(?![\w.-])", str(data["command"]))


class Process(Model):
    """A program that keeps running."""

    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: every host.")
    command: Command = Field(
        description="The command, in the foreground; its first word is looked up in the environment's `bin` first. "
        "`{{ socket }}` and `{{ port }}` are where it shall listen."
    )
    port: Port | None = Field(
        default=None, description="The TCP port it listens on; without `spare_port` it then restarts in place."
    )
    spare_port: Port | None = Field(
        default=None,
        description="A second port, which it has by turns with `port`: a new one starts there beside the old one, is "
        "proven, and the web server passes requests on to it before the old one stops. For a process of "
        "`site.proxy` that says `{{ port }}` and runs where its web server does.",
    )
    trial: Flag = Field(
        default=True,
        description="Before a new one replaces an old one in place, it is started beside it on a port that is free, "
        "asked for its health, and ended: one that does not work takes nothing away. For a process that is told its "
        "port by `{{ port }}` or the variable `PORT` and is not `single`. False for one that must not run twice, not "
        "even for a moment.",
    )
    public: Flag = Field(
        default=False,
        description="Other machines are meant to reach its port. Else `status` and `check` warn when it listens on "
        "every address, as with any further one that it opens; a rule of the firewall for the port, or a proxy on "
        "another host, says so as well.",
    )
    socket: Flag = Field(
        default_factory=_uses_socket,
        description="It listens on a Unix socket that Hawser names, and is replaced without an interruption. Default: "
        "true when the command says `{{ socket }}`.",
    )
    manager: ManagerName = Field(default="systemd", description="Who starts it and keeps it running.")
    health: Health | None = Field(
        default=None,
        description="How it is asked whether it works. Default: where its part of the site begins, it answers with "
        "anything but a server error (500 and above); one that has no part of the site accepts a connection.",
    )
    warm: Command | None = Field(
        default=None,
        description="A command line that runs when a new process is healthy, before visitors reach it: as its user, in "
        "its environment, in the code. `{{ socket }}` and `{{ port }}` are where the process listens. It has ten "
        "minutes, and when it fails, the switch does.",
    )
    count: Count = Field(default=1, description="How many of it run on a host.")
    single: Flag = Field(default=False, description="Exactly one of it in the whole environment, on the first host.")
    after: Annotated[tuple[ProcessName, ...], AfterValidator(unique), Shape("list: process")] = Field(
        default=(),
        description="Processes that must be up before it, on all their hosts: their hosts switch first, and on a host "
        "they start first.",
    )
    directory: TemplatePath | None = Field(
        default=None, description="Its working directory, relative to the code or absolute. Default: the code."
    )
    environment: dict[VariableName, Template] = Field(
        default_factory=dict, description="More variables, for this process only."
    )
    environment_file: AbsolutePath | None = Field(
        default=None,
        description='A file on the host with more variables, `NAME="value"` a line, that is read before the process '
        "becomes its user: root alone needs to be able to read it.",
    )
    limits: Limits = Field(default=Limits(), description="What it may use.")
    overlap: Flag = Field(
        default=False,
        description="A new one starts beside the old one, which then stops by its own time, where it would otherwise "
        "restart in place. Always so with a socket. A celery worker then needs a node name of its own: "
        "`-n {{ process }}@%h`.",
    )
    stop_timeout: Seconds = Field(default=30, description="How long it may take to stop before it is killed.")
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"] = Field(
        default="TERM", description="The signal that asks it to stop."
    )
    output: OutputPath | None = Field(
        default=None,
        description="A file in `log`, under `app.root`, that takes its output, such as `log/shop/web.log`. Default: "
        "the journal for systemd, `log/NAME.log` for supervisor.",
    )
    restart_at: Schedule | None = Field(
        default=None, description="When cron restarts it, under its manager: five fields, or `@daily` and the like."
    )
    hardened: Flag = Field(
        default_factory=_keeps_its_rights,
        description="systemd keeps it from what a web process does not need: more rights than its user has, writing "
        "outside of `app.root` and `writable`, others' temporary files, namespaces, changes of the kernel, rare "
        "system calls; `extra` says otherwise key by key. Default: true, unless its command says `sudo`. supervisor "
        "cannot.",
    )
    writable: Annotated[tuple[AbsolutePath, ...], AfterValidator(unique), Shape("list: absolute path")] = Field(
        default=(),
        description="With `hardened`: folders outside of `app.root` that it writes to. Those of `[shares]` and "
        "`[volumes]` are among them.",
    )
    extra: dict[ExtraKey, Template] = Field(
        default_factory=dict,
        description="More keys of the manager's own file, taken as they are. For systemd, `Unit.KEY` and `Install.KEY` "
        "go into those sections.",
    )
    user: UnixName = Field(default="", validate_default=False, description="Its Unix user. Default: `app.user`.")
    instance: InstanceName | None = Field(
        default=None, description="The instance whose variables it gets. Default: the one that its name speaks of."
    )

    @property
    def listens(self) -> bool:
        """Whether it has a socket or a port of its own."""
        return self.socket or self.port is not None


class CronEntry(Model):
    """A command that cron starts."""

    schedule: Schedule = Field(
        description="When: five fields, or `@reboot`, `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`."
    )
    command: Command = Field(description="What, in the current release; `%` needs no escaping.")
    groups: Groups = Field(default=(), description="The groups whose hosts run it. Default: every host.")
    single: Flag = Field(default=False, description="Only on the first host of the groups.")
    user: UnixName = Field(default="", validate_default=False, description="Its Unix user. Default: `app.user`.")
    instance: InstanceName | None = Field(
        default=None, description="The instance whose variables it gets. Default: the one that its name speaks of."
    )
    environment: dict[VariableName, Template] = Field(
        default_factory=dict, description="More variables, for this line only."
    )
    output: AnyPath | None = Field(
        default=None, description="A file, under `app.root`, that takes its output. Default: the system's log."
    )
