"""A process started beside the one that it shall replace, on a port of its own, and ended again."""

from __future__ import annotations

import contextlib
import os
import re
import socket

from ..files.disk import digest, remove, write_atomically
from ..kernel.ports import described, sockets
from ..system import Change, Failure
from .health import Healthy
from .managers import manager
from .processes import wait_until_stable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Set

    from ..specs.processes import TriedSpec

# Last words of a program that wants for itself alone what the other one has: they say nothing of the release.
IN_USE = re.compile(
    r"(?i)already in use|EADDRINUSE|errno 98\b|already running|another instance|temporarily unavailable"
    r"|\b(?:is|already|be|acquire|acquiring|get|getting|obtain|take)\s(?:\w+\s){0,2}lock(?:ed)?\b"
)
# Seconds for which one must stay up that was asked for a connection alone.
STAYS = 2.0


class Tried(Healthy):
    """See `hawser.resources.Tried`."""

    spec: TriedSpec

    def check(self) -> Optional[Change]:
        spec = self.spec
        there = manager(spec["serves_under"], self.system)
        state = there.state(spec["serves"])
        path = os.path.join(there.traits.folder, spec["serves"] + there.traits.suffix)
        if not state.active or not os.path.exists(path) or digest(path) == spec["becomes"]:
            return None
        ports = self.ports_of(state.pid)
        renamed = not spec["unit"].startswith(spec["serves"] + ".")
        if len(ports) > 1 or (renamed and spec["port"] not in ports):
            return None
        return Change("is started beside the one that serves")

    def ports_of(self, pid: int) -> Set[int]:
        """Return the ports on which the process that serves listens."""
        unit = self.spec["serves"] + ".service"
        rows = described(sockets())
        return {row["port"] for row in rows if row["unit"] == unit or (pid and pid in row["pids"])}

    def apply(self, change: Change) -> None:
        self.on_port(free_port())
        try:
            self.end()
            self.start()
            super().apply(change)
            self.see_that_it_stays()
        except Failure as failure:
            with contextlib.suppress(Failure):
                self.end()
            self.judge(failure)
        else:
            self.end()

    def on_port(self, port: int) -> None:
        """Fill in the port of the trial wherever its texts speak of it."""
        spec, mark, text = self.spec, self.spec["placeholder"], str(port)
        spec["address"] = spec["address"].replace(mark, text)
        spec["definition"] = spec["definition"].replace(mark, text)
        spec["command"] = [word.replace(mark, text) for word in spec["command"]]

    def start(self) -> None:
        """Start it once; no boot does."""
        spec, there = self.spec, manager(self.spec["manager"], self.system)
        write_atomically(spec["path_of_definition"], spec["definition"].encode(), 0o644)
        there.take_up(spec["unit"], spec["log"])
        there.launch(spec["unit"], spec["log"])

    def see_that_it_stays(self) -> None:
        """Watch it for a while where a connection is all that it was asked for: it may listen before it has loaded.

        :raises Failure: it ends.
        """
        spec, there = self.spec, manager(self.spec["manager"], self.system)
        if spec["path"] or spec["command"]:
            return
        wait_until_stable(there, spec["unit"], spec["log"], STAYS)

    def end(self) -> None:
        """End it, and what a trial that was broken off has left."""
        spec, there = self.spec, manager(self.spec["manager"], self.system)
        if not os.path.lexists(spec["path_of_definition"]):
            return
        there.stop(spec["unit"])
        remove(spec["path_of_definition"])
        there.forget(spec["unit"])

    def judge(self, failure: Failure) -> None:
        """Tell of a failed trial, unless only the process that serves was in its way.

        :raises Failure: the release does not work.
        """
        serves = self.spec["serves"]
        lines = [line for line in failure.output.splitlines() if IN_USE.search(line)]
        if not lines:
            told = "%s; it was tried beside %s, which goes on serving" % (failure.message, serves)
            raise Failure(told, failure.output) from None
        self.system.warnings.append(
            "%s was not tried before it was replaced, for two cannot run side by side: %s" % (serves, lines[-1].strip())
        )


def free_port() -> int:
    """Return a port of this host on which nobody listens."""
    with socket.socket() as found:
        found.bind(("", 0))
        port: int = found.getsockname()[1]
        return port
