"""Process managers, asked and told through one set of verbs; each in a module of its own."""

from __future__ import annotations

import contextlib
import importlib
import os

from ..files.disk import opened
from ..kernel.starts import Start
from ..system import Failure
from .logs import journal_arguments, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence, Type

    from ..system import System
    from .traits import ManagerTraits

LOG_LINES = 25
# Seconds that the longest stop may take; the manager itself kills what is slower than its definition allows.
LONGEST_STOP = 3600.0

ACTIVE, STARTING, RESTARTING, STOPPING, STOPPED = "active", "starting", "restarting", "stopping", "stopped"

# By name, the module and its class; modules are imported when a host's processes need them.
CLASSES = {"systemd": "Systemd", "supervisor": "Supervisor"}


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
    :param restarts: how often it was started again by itself; None: the manager does not count.
    """

    def __init__(
        self,
        known: bool,
        phase: str,
        enabled: bool,
        since: float,
        pid: int,
        word: str,
        stale: bool = False,
        restarts: Optional[int] = None,
    ) -> None:
        self.known = known
        self.phase = phase
        self.enabled = enabled
        self.since = since
        self.pid = pid
        self.word = word
        self.stale = stale
        self.restarts = restarts

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


class ProcessManager:
    """A process manager: what runs the processes and starts them at boot. A process goes by the name of its unit.

    :cvar traits: the places of its definitions, among others.
    """

    traits: ManagerTraits

    def __init__(self, system: System) -> None:
        self.system = system

    def states(self, units: Sequence[str]) -> Dict[str, State]:
        """Ask for many units at once, by their names.

        :raises Failure: it does not answer.
        """
        raise NotImplementedError

    def state(self, unit: str) -> State:
        return self.states([unit])[unit]

    def begin(self, unit: str, path: str) -> None:
        """Note that it is about to start: what it wrote before says nothing of this start.

        :param path: the file that takes its output; empty: none does.
        """
        self.system.starts[unit] = Start(path)

    def take_up(self, unit: str, path: str = "") -> None:
        """Make the definition on disk the one that counts, and touch no other unit.

        :param path: the file that takes its output, where that starts it; see `begin`.
        """
        raise NotImplementedError

    def launch(self, unit: str, path: str = "") -> None:
        """Start it now, and not at boot where its manager tells the two apart.

        :raises Failure: it does not start; with its last words.
        """
        raise NotImplementedError

    def start(self, unit: str, path: str = "") -> None:
        """Start it, now and at boot.

        :raises Failure: it does not start; with its last words.
        """
        raise NotImplementedError

    def restart(self, unit: str, path: str = "") -> None:
        """Start it anew, and have it start at boot.

        :raises Failure: it does not start again; with its last words.
        """
        raise NotImplementedError

    def retire(self, unit: str) -> None:
        """Have it stopped for good, without waiting for its end."""
        raise NotImplementedError

    def stop(self, unit: str) -> None:
        """Have it stopped for good, and wait for its end and that of all that it has started."""
        raise NotImplementedError

    def forget(self, unit: str) -> None:
        """Take note that its definition is gone."""
        raise NotImplementedError

    def log(self, unit: str, path: str = "") -> str:
        """Return its last words since it was started last.

        :param path: the file that takes its output; empty: none does.
        """
        raise NotImplementedError


def journal(system: System, units: Sequence[str], since: float, lines: int = LOG_LINES) -> str:
    """Return the last lines in systemd's journal of some units, as `systemctl` names them.

    :param since: seconds since the epoch; nothing that is older is told.
    """
    # What a program said before its end may be on its way there still.
    with contextlib.suppress(Failure):
        system.run(["journalctl", "--sync"], check=False, timeout=10)
    # Without --reverse, journalctl before version 254 takes the first lines since then for the last ones.
    argv = [*journal_arguments({"name": "", "units": list(units)}), "--reverse", "-n", str(lines)]
    answer = system.run([*argv, "--since", "@%.6f" % since], check=False, apart=True, timeout=30)
    entries = answer.output.split("\n")
    told = [text for entry in reversed(entries) for _moment, text in parse(entry.encode("utf-8", "replace"))]
    return "".join(text + "\n" for text in told[-lines:])


def tail(path: str, start: Optional[Start] = None) -> str:
    """Return the last lines of a log file; nothing when there is none.

    :param start: what was written before is left out.
    """
    if not path:
        return ""
    size = 16384
    try:
        with opened(path) as stream:
            # From the byte before on: a line that was begun before the start is none of it.
            before = max(0, start.offset(path) - 1) if start else 0
            first = max(before, os.fstat(stream.fileno()).st_size - size)
            stream.seek(first)
            data = stream.read(size)
    except (OSError, Failure):
        # It may lie in a folder of the user, who may have put anything there.
        return ""
    # The first line is cut, and with it maybe a secret, which nobody would recognize then.
    lines = data.split(b"\n")[1 if first else 0 :]
    return b"\n".join(lines[-LOG_LINES - 1 :]).decode("utf-8", "replace")


def class_of(name: str) -> Type[ProcessManager]:
    """Return the class of a manager."""
    found: Type[ProcessManager] = getattr(importlib.import_module("." + name, __package__), CLASSES[name])
    return found


def manager(name: str, system: System) -> ProcessManager:
    """Return the manager of a name."""
    return class_of(name)(system)
