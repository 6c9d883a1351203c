"""systemd and supervisor, asked and told through one set of verbs."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import time

from ..files.disk import opened
from ..rows import some
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, TypedDict, Union

    from ..system import Finished, System

    Manager = Union["Systemd", "Supervisor"]

    class ProcessInfo(TypedDict):
        """The fields that are read of supervisor's row of a program (supervisord.org/api.html)."""

        group: str
        statename: str
        start: int
        stop: int
        pid: int


LOG_LINES = 25
# Seconds that the longest stop may take; the manager itself kills what is slower than its definition allows.
LONGEST_STOP = 3600.0
# Seconds that processes which a program has left behind may take to end by themselves.
REST_STOP = 10.0

# The other timestamps are words, which systemd writes as numbers only since version 251.
PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,StateChangeTimestampMonotonic"

ACTIVE, STARTING, RESTARTING, STOPPING, STOPPED = "active", "starting", "restarting", "stopping", "stopped"

SUPERVISOR_PHASES = {"RUNNING": ACTIVE, "STARTING": STARTING, "BACKOFF": RESTARTING, "STOPPING": STOPPING}


class State:
    """The state of a unit, by its manager.

    :param known: the manager has a definition of it.
    :param phase: active; starting; restarting (it has ended and is tried again); stopping (it has been told to stop and
        has not ended yet); or stopped.
    :param enabled: it starts at boot.
    :param since: seconds since the epoch at which it entered this state, 0 when unknown.
    :param pid: its main process, 0 when there is none.
    :param word: the manager's own word.
    :param stale: the manager knows that its definition on disk has changed.
    """

    def __init__(
        self, known: bool, phase: str, enabled: bool, since: float, pid: int, word: str, stale: bool = False
    ) -> None:
        self.known = known
        self.phase = phase
        self.enabled = enabled
        self.since = since
        self.pid = pid
        self.word = word
        self.stale = stale

    @property
    def active(self) -> bool:
        return self.phase == ACTIVE

    @property
    def stopping(self) -> bool:
        return self.phase == STOPPING

    @property
    def wanted(self) -> bool:
        """Whether its manager has it run, or will."""
        return self.phase in (ACTIVE, STARTING, RESTARTING)


class Systemd:
    """Units of systemd; a unit's name comes without ``.service``."""

    folder = "/etc/systemd/system"
    suffix = ".service"

    def __init__(self, system: System) -> None:
        self.system = system

    def ctl(self, *words: str, check: bool = True, timeout: float = 300) -> Finished:
        return self.system.run(["systemctl", *words], check=check, timeout=timeout)

    def states(self, units: Sequence[str]) -> Dict[str, State]:
        """Ask for many units at once."""
        if not units:
            return {}
        argv = ["systemctl", "show", "-p", PROPERTIES, "--", *(unit + self.suffix for unit in units)]
        answer = self.system.run(argv, check=False, apart=True, whole=True)
        blocks = answer.output.strip().split("\n\n")
        if answer.code or len(blocks) != len(units):
            raise Failure("systemd does not answer", answer.errors or answer.output)
        return dict(zip(units, map(self.parse, blocks)))

    def parse(self, block: str) -> State:
        """Read the block of ``systemctl show`` of one unit."""
        # What is empty may be left out.
        row = collections.defaultdict(str, (line.partition("=")[::2] for line in block.splitlines()))
        active, sub = row["ActiveState"], row["SubState"]
        if active in ("reloading", "refreshing") or (active == "active" and sub == "running"):
            phase = ACTIVE
        elif active == "activating":
            phase = RESTARTING if sub.startswith("auto-restart") else STARTING
        else:
            phase = STOPPING if active == "deactivating" else STOPPED
        changed = int(row["StateChangeTimestampMonotonic"] or 0) / 1e6
        return State(
            known=row["LoadState"] == "loaded",
            phase=phase,
            enabled=row["UnitFileState"] in ("enabled", "static"),
            since=time.time() - time.monotonic() + changed if changed else 0.0,
            pid=int(row["MainPID"] or 0),
            word="%s (%s)" % (active, sub),
            stale=row["NeedDaemonReload"] == "yes",
        )

    def state(self, unit: str) -> State:
        return self.states([unit])[unit]

    def take_up(self, unit: str) -> None:
        """Make the definition on disk count."""
        self.ctl("daemon-reload")

    def enable(self, unit: str) -> None:
        enabled = self.ctl("enable", "--quiet", unit + self.suffix, check=False)
        if enabled.code:
            raise Failure("%s cannot be started at boot" % unit, enabled.output)

    def start(self, unit: str) -> None:
        self.enable(unit)
        self.ctl("reset-failed", unit + self.suffix, check=False)
        started = self.ctl("start", unit + self.suffix, check=False, timeout=LONGEST_STOP)
        if started.code:
            raise Failure("%s does not start" % unit, started.output + self.log(unit))

    def restart(self, unit: str) -> None:
        self.enable(unit)
        restarted = self.ctl("restart", unit + self.suffix, check=False, timeout=LONGEST_STOP)
        if restarted.code:
            raise Failure("%s does not start again" % unit, restarted.output + self.log(unit))

    def retire(self, unit: str) -> None:
        """Have it stopped for good, without waiting for its end."""
        self.ctl("disable", "--quiet", unit + self.suffix, check=False)
        self.ctl("stop", "--no-block", unit + self.suffix)

    def stop(self, unit: str) -> None:
        """Have it stopped for good, and wait for its end."""
        self.ctl("disable", "--quiet", unit + self.suffix, check=False)
        self.ctl("stop", unit + self.suffix, check=False, timeout=LONGEST_STOP)

    def forget(self, unit: str) -> None:
        """Take note that its definition is gone."""
        self.ctl("daemon-reload")
        self.ctl("reset-failed", unit + self.suffix, check=False)

    def log(self, unit: str, path: str = "") -> str:
        """Return the last lines that the unit wrote."""
        argv = ["journalctl", "-q", "--no-pager", "-o", "cat", "-n", str(LOG_LINES), "-u", unit + self.suffix]
        return self.system.run(argv, check=False).output + tail(path)


class Supervisor:
    """Programs of supervisor, over its XML-RPC socket: a few milliseconds, where supervisorctl takes 170."""

    folder = "/etc/supervisor/conf.d"
    suffix = ".conf"
    socket = "/var/run/supervisor.sock"

    def __init__(self, system: System) -> None:
        self.system = system

    def call(self, name: str, *arguments: object) -> Any:
        """Call one of its functions (supervisord.org/api.html).

        :raises xmlrpc.client.Fault: it says no.
        :raises Failure: it does not answer.
        """
        import http.client
        import xmlrpc.client

        from .unix import UnixTransport

        if not os.path.exists(self.socket):
            raise Failure("supervisor does not run on this host (no %s); next: fab -H HOST bootstrap" % self.socket)
        server = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.socket, 60.0))
        try:
            return getattr(server.supervisor, name)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultString == "SHUTDOWN_STATE":
                raise Failure("supervisor is shutting down") from None
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise Failure("supervisor does not answer on %s: %s" % (self.socket, error)) from None

    def attempt(self, name: str, *arguments: object) -> str:
        """Call, and return the fault's text instead of raising it."""
        import xmlrpc.client

        try:
            self.call(name, *arguments)
        except xmlrpc.client.Fault as fault:
            return str(fault.faultString)
        return ""

    def states(self, units: Sequence[str]) -> Dict[str, State]:
        """Ask for many units at once; where supervisor does not run, it knows none of them."""
        if not units:
            return {}
        rows: List[ProcessInfo] = self.call("getAllProcessInfo") if os.path.exists(self.socket) else []
        known = {row["group"]: row for row in rows}
        return {unit: self.parse(unit, known.get(unit)) for unit in units}

    def parse(self, unit: str, row: Optional[ProcessInfo]) -> State:
        """Read the row of ``getAllProcessInfo`` of one program."""
        enabled = os.path.exists(os.path.join(self.folder, unit + self.suffix))
        if row is None:
            return State(False, STOPPED, enabled, 0.0, 0, "unknown")
        phase = SUPERVISOR_PHASES.get(row["statename"], STOPPED)
        since = row["start"] if row["pid"] else row["stop"] or row["start"]
        return State(True, phase, enabled, float(since), row["pid"], row["statename"].lower())

    def state(self, unit: str) -> State:
        return self.states([unit])[unit]

    def take_up(self, unit: str) -> None:
        """Make the definition on disk count; a program whose definition has changed is replaced."""
        import xmlrpc.client

        try:
            _added, altered, removed = self.call("reloadConfig")[0]
        except xmlrpc.client.Fault as fault:
            raise Failure("supervisor refuses its configuration: %s" % fault.faultString) from None
        if unit in altered or unit in removed:
            self.stop(unit)
            self.attempt("removeProcessGroup", unit)
        self.attempt("addProcessGroup", unit)

    def start(self, unit: str) -> None:
        if self.state(unit).phase in (STOPPED, RESTARTING):
            # What an earlier life has left behind may hold its port.
            self.end_rest(unit)
        fault = self.attempt("startProcess", unit, False)
        if fault and "ALREADY_STARTED" not in fault:
            raise Failure("%s does not start: %s" % (unit, fault), self.log(unit))

    def restart(self, unit: str) -> None:
        self.stop(unit)
        self.start(unit)

    def retire(self, unit: str) -> None:
        """Have it stopped for good, without waiting for its end; its definition is off the disk already."""
        self.attempt("stopProcess", unit, False)
        if self.has_stopped(unit, 1.0):
            self.attempt("removeProcessGroup", unit)

    def stop(self, unit: str) -> None:
        """Have it stopped, and wait for its end.

        :raises Failure: it does not end, although supervisor kills what is too slow.
        """
        self.attempt("stopProcess", unit, False)
        if not self.has_stopped(unit, LONGEST_STOP):
            raise Failure("%s does not stop" % unit)
        self.end_rest(unit)

    def rest_of(self, unit: str) -> List[int]:
        """Return the processes that a program of this supervisor has started, which marks the environment of each."""
        mark = ("SUPERVISOR_GROUP_NAME=%s" % unit).encode()
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    with open("/proc/%s/environ" % name, "rb") as stream:
                        variables = stream.read().split(b"\0")
                except OSError:
                    continue
                if mark in variables and self.has_started(variables):
                    found.append(int(name))
        return found

    def has_started(self, variables: Sequence[bytes]) -> bool:
        """Tell from a process's variables whether it is this supervisor, and no other one, that it comes from."""
        prefix = b"SUPERVISOR_SERVER_URL=unix://"
        paths = [each[len(prefix) :] for each in variables if each.startswith(prefix)]
        return all(os.path.realpath(path) == os.path.realpath(self.socket).encode() for path in paths)

    def end_rest(self, unit: str) -> None:
        """End the processes that a stopped program has left behind, in its process group or out of it.

        supervisor itself looks after the program alone; systemd ends all that belongs to a unit.

        :raises Failure: something does not end.
        """
        left: List[int] = []
        for number, seconds in ((signal.SIGTERM, REST_STOP), (signal.SIGKILL, 5.0)):
            left = self.rest_of(unit)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while left and time.monotonic() < deadline:
                time.sleep(0.05)
                left = self.rest_of(unit)
            if not left:
                return
        raise Failure(
            "%s has left processes behind that do not end: %s; next: mend what they hang on, a disk or a mount, or"
            " reboot the host; then the same command" % (unit, some(list(map(str, left))))
        )

    def has_stopped(self, unit: str, seconds: float) -> bool:
        """Wait some seconds for the end of a program."""
        deadline = time.monotonic() + seconds
        while self.state(unit).stopping:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def forget(self, unit: str) -> None:
        """Take note that its definition is gone."""
        self.attempt("removeProcessGroup", unit)

    def log(self, unit: str, path: str = "") -> str:
        """Return the last lines that the program wrote to its log file."""
        return tail(path)


def tail(path: str) -> str:
    """Return the last lines of a log file; nothing when there is none."""
    if not path:
        return ""
    size = 16384
    try:
        with opened(path) as stream:
            start = max(0, os.fstat(stream.fileno()).st_size - size)
            stream.seek(start)
            data = stream.read(size)
    except (OSError, Failure):
        # It may lie in a folder of the user, who may have put anything there.
        return ""
    # The first line is cut, and with it maybe a secret, which nobody would recognize then.
    lines = data.split(b"\n")[1 if start else 0 :]
    return b"\n".join(lines[-LOG_LINES - 1 :]).decode("utf-8", "replace")


def manager(name: str, system: System) -> Manager:
    """Return the manager of a name."""
    return Systemd(system) if name == "systemd" else Supervisor(system)
