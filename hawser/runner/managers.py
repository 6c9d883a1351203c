"""systemd and supervisor, asked and told through one set of verbs."""

import http.client
import os
import socket
import time
import xmlrpc.client

from .system import Failure

SUPERVISOR_SOCKET = "/var/run/supervisor.sock"
LOG_LINES = 25


class State:
    """What a manager says of a unit.

    :param known: the manager has a definition of it.
    :param active: it runs.
    :param stopping: it has been told to stop and has not ended yet.
    :param enabled: it starts at boot.
    :param since: seconds since the epoch at which it entered this state, 0 when unknown.
    :param pid: its main process, 0 when there is none.
    :param word: the manager's own word.
    """

    def __init__(self, known, active, stopping, enabled, since, pid, word, stale=False):
        self.known = known
        self.active = active
        self.stopping = stopping
        self.enabled = enabled
        self.since = since
        self.pid = pid
        self.word = word
        self.stale = stale


class Systemd:
    """Units of systemd; a unit's name comes without ``.service``."""

    folder = "/etc/systemd/system"
    suffix = ".service"

    def __init__(self, system):
        self.system = system

    def ctl(self, *words, check=True):
        return self.system.run(["systemctl", *words], check=check)

    def states(self, units):
        """Ask for many units at once; returns {unit: State}."""
        if not units:
            return {}
        wanted = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,StateChangeTimestamp,MainPID"
        names = [unit + self.suffix for unit in units]
        answer = self.ctl("show", "--timestamp=unix", "-p", wanted, *names, check=False)
        if answer.code:
            # systemd before 250 knows no --timestamp=unix.
            answer = self.ctl("show", "-p", wanted, *names)
        states = {}
        for block in answer.output.strip().split("\n\n"):
            row = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
            since = row.get("StateChangeTimestamp", "")
            states[row["Id"][: -len(self.suffix)]] = State(
                known=row["LoadState"] == "loaded",
                active=row["ActiveState"] == "active" and row["SubState"] == "running",
                stopping=row["ActiveState"] == "deactivating",
                enabled=row["UnitFileState"] in ("enabled", "static"),
                since=int(since[1:]) if since.startswith("@") else 0,
                pid=int(row["MainPID"] or 0),
                word="%s (%s)" % (row["ActiveState"], row["SubState"]),
                stale=row["NeedDaemonReload"] == "yes",
            )
        return states

    def state(self, unit):
        return self.states([unit])[unit]

    def take_up(self, unit):
        """Make the definition on disk the one that counts."""
        self.ctl("daemon-reload")

    def start(self, unit):
        self.ctl("enable", "--quiet", unit + self.suffix)
        self.ctl("reset-failed", unit + self.suffix, check=False)
        started = self.ctl("start", unit + self.suffix, check=False)
        if started.code:
            raise Failure("%s does not start" % unit, self.log(unit))

    def restart(self, unit):
        self.ctl("enable", "--quiet", unit + self.suffix)
        restarted = self.ctl("restart", unit + self.suffix, check=False)
        if restarted.code:
            raise Failure("%s does not start again" % unit, self.log(unit))

    def retire(self, unit):
        self.ctl("disable", "--quiet", unit + self.suffix, check=False)
        self.ctl("stop", "--no-block", unit + self.suffix)

    def stop(self, unit):
        """Stop and wait for the end."""
        self.ctl("disable", "--quiet", unit + self.suffix, check=False)
        self.ctl("stop", unit + self.suffix, check=False)

    def forget(self, unit):
        self.ctl("daemon-reload")
        self.ctl("reset-failed", unit + self.suffix, check=False)

    def log(self, unit, path=""):
        """Return the last lines that the unit wrote."""
        lines = str(LOG_LINES)
        return self.system.run(
            ["journalctl", "-q", "--no-pager", "-o", "cat", "-n", lines, "-u", unit + self.suffix], check=False
        ).output + tail(path)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=10.0):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket, as supervisor speaks it."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return UnixConnection(self.path, timeout=120.0)


class Supervisor:
    """Programs of supervisor, over its XML-RPC socket: a few milliseconds, where supervisorctl takes 170."""

    folder = "/etc/supervisor/conf.d"
    suffix = ".conf"

    def __init__(self, system, path=SUPERVISOR_SOCKET):
        self.system = system
        self.path = path

    def call(self, name, *arguments):
        if not os.path.exists(self.path):
            raise Failure("supervisor does not run on this host (no %s); next: fab -H HOST bootstrap" % self.path)
        server = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.path))
        try:
            return getattr(server.supervisor, name)(*arguments)
        except OSError as error:
            raise Failure("supervisor does not answer on %s: %s" % (self.path, error)) from None

    def attempt(self, name, *arguments):
        """Call, and return the fault's text instead of raising it."""
        try:
            self.call(name, *arguments)
        except xmlrpc.client.Fault as fault:
            return fault.faultString
        return ""

    def states(self, units):
        if not units:
            return {}
        known = {row["group"]: row for row in self.call("getAllProcessInfo")} if os.path.exists(self.path) else {}
        states = {}
        for unit in units:
            row = known.get(unit)
            if row is None:
                states[unit] = State(False, False, False, False, 0, 0, "unknown")
                continue
            states[unit] = State(
                known=True,
                active=row["statename"] == "RUNNING",
                stopping=row["statename"] == "STOPPING",
                enabled=os.path.exists(os.path.join(self.folder, unit + self.suffix)),
                since=row["start"],
                pid=row["pid"],
                word=row["statename"].lower(),
            )
        return states

    def state(self, unit):
        return self.states([unit])[unit]

    def take_up(self, unit):
        try:
            _added, altered, removed = self.call("reloadConfig")[0]
        except xmlrpc.client.Fault as fault:
            raise Failure("supervisor refuses its configuration: %s" % fault.faultString) from None
        if unit in altered or unit in removed:
            self.stop(unit)
            self.attempt("removeProcessGroup", unit)
        self.attempt("addProcessGroup", unit)

    def start(self, unit):
        fault = self.attempt("startProcess", unit, False)
        if fault and "ALREADY_STARTED" not in fault:
            raise Failure("%s does not start: %s" % (unit, fault), self.log(unit))

    def restart(self, unit):
        self.attempt("stopProcess", unit, True)
        self.start(unit)

    def retire(self, unit):
        self.attempt("stopProcess", unit, False)
        for _ in range(10):
            if not self.state(unit).stopping:
                break
            time.sleep(0.1)
        self.attempt("removeProcessGroup", unit)

    def stop(self, unit):
        self.attempt("stopProcess", unit, True)

    def forget(self, unit):
        self.attempt("removeProcessGroup", unit)

    def log(self, unit, path=""):
        return tail(path)


def tail(path):
    """Return the last lines of a log file; nothing when there is none."""
    if not path or not os.path.exists(path):
        return ""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - 16384))
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:])


def manager(name, system):
    return {"systemd": Systemd, "supervisor": Supervisor}[name](system)
