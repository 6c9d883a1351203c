"""Processes under supervisor."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time

from ..rows import some
from ..system import Failure
from .managers import ACTIVE, LONGEST_STOP, RESTARTING, STARTING, STOPPED, STOPPING, ProcessManager, State, tail
from .supervisor_access import Access, access
from .traits import MANAGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, TypedDict

    class ProcessInfo(TypedDict):
        """The fields that are read of supervisor's row of a program (supervisord.org/api.html)."""

        group: str
        statename: str
        start: int
        stop: int
        pid: int


# Seconds that processes which a program has left behind may take to end by themselves.
REST_STOP = 10.0
PHASES = {"RUNNING": ACTIVE, "STARTING": STARTING, "BACKOFF": RESTARTING, "STOPPING": STOPPING}


class Supervisor(ProcessManager):
    """Programs of supervisor, over its XML-RPC socket: a few milliseconds, where supervisorctl takes 170."""

    traits = MANAGERS["supervisor"]
    config = "/etc/supervisor/supervisord.conf"
    _access: Optional[Access] = None

    @property
    def access(self) -> Access:
        """How it is reached, as its configuration says."""
        if self._access is None:
            self._access = access(self.config)
        return self._access

    @property
    def runs(self) -> bool:
        """Whether there is a supervisor to speak to."""
        address = self.access.address
        return not address.startswith("/") or os.path.exists(address)

    def call(self, name: str, *arguments: object) -> Any:
        """Call one of its functions (supervisord.org/api.html).

        :raises xmlrpc.client.Fault: it says no.
        :raises Failure: it does not answer.
        """
        import http.client
        import xmlrpc.client

        from .unix import AddressTransport

        address = self.access.address
        if not self.runs:
            raise Failure("supervisor does not run on this host (no %s); next: fab -H HOST bootstrap" % address)
        transport = AddressTransport(address, 60.0, self.access.headers)
        server = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(server.supervisor, name)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultString == "SHUTDOWN_STATE":
                raise Failure("supervisor is shutting down") from None
            raise
        except xmlrpc.client.ProtocolError as error:
            if error.errcode == http.client.UNAUTHORIZED:
                raise Failure(
                    "supervisor wants a password on %s, and not what %s says; next: give username and password under"
                    " [supervisorctl] there those of the server, not as a hash" % (address, self.config)
                ) from None
            raise Failure("supervisor does not answer on %s: %s" % (address, error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise Failure("supervisor does not answer on %s: %s" % (address, error)) from None

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
        rows: List[ProcessInfo] = self.call("getAllProcessInfo") if self.runs else []
        known = {row["group"]: row for row in rows}
        return {unit: self.parse(unit, known.get(unit)) for unit in units}

    def parse(self, unit: str, row: Optional[ProcessInfo]) -> State:
        """Read the row of ``getAllProcessInfo`` of one program."""
        enabled = os.path.exists(os.path.join(self.traits.folder, unit + self.traits.suffix))
        if row is None:
            return State(False, STOPPED, enabled, 0.0, 0, "unknown")
        phase = PHASES.get(row["statename"], STOPPED)
        since = row["start"] if row["pid"] else row["stop"] or row["start"]
        return State(True, phase, enabled, float(since), row["pid"], row["statename"].lower())

    def take_up(self, unit: str, path: str = "") -> None:
        """Make the definition on disk count; a program whose definition has changed is replaced."""
        import xmlrpc.client

        try:
            _added, altered, removed = self.call("reloadConfig")[0]
        except xmlrpc.client.Fault as fault:
            raise Failure("supervisor refuses its configuration: %s" % fault.faultString) from None
        if unit in altered or unit in removed:
            self.stop(unit)
            self.attempt("removeProcessGroup", unit)
        self.begin(unit, path)
        self.attempt("addProcessGroup", unit)

    def start(self, unit: str, path: str = "") -> None:
        if self.state(unit).phase in (STOPPED, RESTARTING):
            # What an earlier life has left behind may hold its port.
            self.end_rest(unit)
            if unit not in self.system.starts:
                # Supervisor may have started it as soon as it knew of it, and it has said why it ended.
                self.begin(unit, path)
        fault = self.attempt("startProcess", unit, False)
        if fault and "ALREADY_STARTED" not in fault:
            raise Failure("%s does not start: %s" % (unit, fault), self.log(unit, path))

    def launch(self, unit: str, path: str = "") -> None:
        self.start(unit, path)

    def restart(self, unit: str, path: str = "") -> None:
        self.stop(unit)
        self.begin(unit, path)
        self.start(unit, path)

    def retire(self, unit: str) -> None:
        """Have it stopped for good, without waiting for its end; its definition is off the disk already.

        Supervisor forgets only what has ended, for which there is time until the run ends.
        """
        if not self.leave_out(unit, 0.0):
            self.system.parting.append(functools.partial(self.leave_out, unit, 1.0))

    def leave_out(self, unit: str, seconds: float) -> bool:
        """Have it stopped and forgotten, and tell whether it has ended within some seconds, so that this was done.

        One that a new definition has brought back is let alone.
        """
        if self.state(unit).enabled:
            return True
        ended = self.ends(unit, seconds)
        if ended:
            self.attempt("removeProcessGroup", unit)
        return ended

    def stop(self, unit: str) -> None:
        """Have it stopped, and wait for its end.

        :raises Failure: it does not end, although supervisor kills what is too slow.
        """
        if not self.ends(unit, LONGEST_STOP):
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

    def left_behind(self, unit: str) -> List[int]:
        """Return what an earlier life of a program has left, and nothing once supervisor has begun the next one."""
        found = self.rest_of(unit)
        # Asked afterwards: what has begun since is not among those that were found.
        return [] if found and self.state(unit).pid else found

    def has_started(self, variables: Sequence[bytes]) -> bool:
        """Tell from a process's variables whether it is this supervisor, and no other one, that it comes from."""
        prefix = b"SUPERVISOR_SERVER_URL=unix://"
        paths = [each[len(prefix) :] for each in variables if each.startswith(prefix)]
        return all(os.path.realpath(path) == os.path.realpath(self.access.address).encode() for path in paths)

    def end_rest(self, unit: str) -> None:
        """End the processes that a stopped program has left behind, in its process group or out of it.

        supervisor itself looks after the program alone; systemd ends all that belongs to a unit. A program that it has
        started again by itself meanwhile is let alone.

        :raises Failure: something does not end.
        """
        left: List[int] = []
        for number, seconds in ((signal.SIGTERM, REST_STOP), (signal.SIGKILL, 5.0)):
            left = self.left_behind(unit)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while left and time.monotonic() < deadline:
                time.sleep(0.05)
                left = self.left_behind(unit)
            if not left:
                return
        raise Failure(
            "%s has left processes behind that do not end: %s; next: mend what they hang on, a disk or a mount, or"
            " reboot the host; then the same command" % (unit, some(list(map(str, left))))
        )

    def ends(self, unit: str, seconds: float) -> bool:
        """Have a program stopped, and tell whether it has ended for good within some seconds.

        Supervisor refuses to stop what has just ended by itself, and starts it again in its next round, which comes
        before its next answer.
        """
        deadline = time.monotonic() + seconds
        self.attempt("stopProcess", unit, False)
        while True:
            state = self.state(unit)
            if not state.wanted and not state.stopping:
                return True
            if time.monotonic() > deadline:
                return False
            if state.wanted:
                self.attempt("stopProcess", unit, False)
            else:
                time.sleep(0.1)

    def forget(self, unit: str) -> None:
        """Take note that its definition is gone."""
        self.attempt("removeProcessGroup", unit)

    def log(self, unit: str, path: str = "") -> str:
        """Return the last lines that the program wrote to its log file since it was started."""
        return tail(path, self.system.starts.get(unit))
