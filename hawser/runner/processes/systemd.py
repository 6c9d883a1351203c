"""Processes under systemd."""

from __future__ import annotations

import collections
import glob
import os
import time

from ..system import Failure
from .managers import (
    ACTIVE,
    LONGEST_STOP,
    RESTARTING,
    STARTING,
    STOPPED,
    STOPPING,
    ProcessManager,
    State,
    journal,
    tail,
)
from .traits import MANAGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Sequence

    from ..system import Finished

# The other timestamps are words, which systemd writes as numbers only since version 251.
PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,StateChangeTimestampMonotonic"
PROPERTIES += ",NRestarts"


class Systemd(ProcessManager):
    """Units of systemd; a unit's name comes without ``.service``."""

    traits = MANAGERS["systemd"]

    def ctl(self, *words: str, check: bool = True, timeout: float = 300) -> Finished:
        return self.system.run(["systemctl", *words], check=check, timeout=timeout)

    def states(self, units: Sequence[str]) -> Dict[str, State]:
        if not units:
            return {}
        argv = ["systemctl", "show", "-p", PROPERTIES, "--", *(unit + self.traits.suffix for unit in units)]
        answer = self.system.run(argv, check=False, apart=True, whole=True)
        blocks = answer.output.strip().split("\n\n")
        if answer.code or len(blocks) != len(units):
            raise Failure("systemd does not answer", answer.errors or answer.output)
        return dict(zip(units, map(self.parse, units, blocks)))

    def boots(self, unit: str) -> bool:
        """Whether a boot starts it: systemd itself knows that as it was when it read all units last."""
        name = glob.escape(unit) + self.traits.suffix
        return any(glob.glob(os.path.join(self.traits.folder, kind, name)) for kind in ("*.wants", "*.requires"))

    def parse(self, unit: str, block: str) -> State:
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
            enabled=row["UnitFileState"] == "static" or self.boots(unit),
            since=time.time() - time.monotonic() + changed if changed else 0.0,
            pid=int(row["MainPID"] or 0),
            word="%s (%s)" % (active, sub),
            stale=row["NeedDaemonReload"] == "yes",
            restarts=int(row["NRestarts"] or 0),
        )

    def take_up(self, unit: str, path: str = "") -> None:
        self.ctl("daemon-reload")

    def at_boot(self, verb: str, unit: str) -> Finished:
        """Make or remove the links that a boot reads, without systemd.

        It need not read all units again for them now; and one that has made them itself calls every unit outdated.
        """
        argv = ["systemctl", "--quiet", verb, unit + self.traits.suffix]
        return self.system.run(argv, env={"SYSTEMD_OFFLINE": "1"}, check=False)

    def enable(self, unit: str) -> None:
        enabled = self.at_boot("enable", unit)
        if enabled.code:
            raise Failure("%s cannot be started at boot" % unit, enabled.output)

    def start(self, unit: str, path: str = "") -> None:
        self.enable(unit)
        self.launch(unit, path)

    def launch(self, unit: str, path: str = "") -> None:
        self.ctl("reset-failed", unit + self.traits.suffix, check=False)
        self.begin(unit, path)
        started = self.ctl("start", unit + self.traits.suffix, check=False, timeout=LONGEST_STOP)
        if started.code:
            raise Failure("%s does not start" % unit, started.output + self.log(unit, path))

    def restart(self, unit: str, path: str = "") -> None:
        self.enable(unit)
        self.begin(unit, path)
        restarted = self.ctl("restart", unit + self.traits.suffix, check=False, timeout=LONGEST_STOP)
        if restarted.code:
            raise Failure("%s does not start again" % unit, restarted.output + self.log(unit, path))

    def retire(self, unit: str) -> None:
        self.at_boot("disable", unit)
        self.ctl("stop", "--no-block", unit + self.traits.suffix)

    def stop(self, unit: str) -> None:
        self.at_boot("disable", unit)
        self.ctl("stop", unit + self.traits.suffix, check=False, timeout=LONGEST_STOP)

    def forget(self, unit: str) -> None:
        self.ctl("daemon-reload")
        self.ctl("reset-failed", unit + self.traits.suffix, check=False)

    def log(self, unit: str, path: str = "") -> str:
        """Return the last lines that the unit wrote since it was started, or since it was defined as it is."""
        start, name = self.system.starts.get(unit), unit + self.traits.suffix
        since = start.moment if start else self.defined(name)
        if not path:
            from .referred import last_words

            return "".join(last_words(self.system, name, since))
        return journal(self.system, [name], since) + tail(path, start)

    def defined(self, name: str) -> float:
        """Return when the definition of a unit was written, 0 where there is none."""
        try:
            return os.stat(os.path.join(self.traits.folder, name)).st_mtime
        except OSError:
            return 0.0
