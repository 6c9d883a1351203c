"""Commands that run once in the life of an environment, and the record of when they did."""

from __future__ import annotations

import json
import os

from ..facts import done_once
from ..files.disk import read, write_atomically
from ..files.records import parsed
from ..machine.commands import Program
from ..system import Change, Failure, how_it_ended
from .releases import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from ..specs.system import OnceSpec
    from ..system import System

# The first of the exit codes with which a shell says that it could not run a command, or that a signal ended it.
NOT_RUN = 126


def listing(system: System) -> Dict[str, Dict[str, object]]:
    """Return, by name, the records of the commands that have run."""
    return {
        name: parsed(read(os.path.join(system.state, "once", name)), dict) or {} for name in done_once(system.state)
    }


class Once(Program):
    """See `hawser.resources.Once`."""

    spec: OnceSpec

    noted = False

    def marker(self) -> str:
        return os.path.join(self.system.state, "once", self.spec["name"])

    def check(self) -> Optional[Change]:
        spec = self.spec
        if os.path.exists(self.marker()) and not spec["again"]:
            return None
        self.noted = not spec["argv"] or self.was_done()
        return Change("was done already, which is noted" if self.noted else "runs " + self.title())

    def was_done(self) -> bool:
        """Ask the environment's own command whether it has been done; in a dry run its release may not be there yet.

        :raises Failure: it failed, which is no answer: what is not harmless the second time would run again.
        """
        spec = self.spec
        if spec["again"] or not spec["unless"] or not os.path.isdir(spec["cwd"]):
            return False
        ended = self.run(spec["unless"], check=False)
        if (
            ended.code >= NOT_RUN
            or ended.code < 0
            or (ended.code and "Traceback (most recent call last)" in ended.output)
        ):
            told = "its `unless`, %s, %s: whether it has been done is not known, and nothing ran"
            why = told % (" ".join(spec["unless"][-1:]), how_it_ended(ended.code))
            raise Failure(why + "\n" + spec["hint"], ended.output)
        return ended.code == 0

    def apply(self, change: Change) -> None:
        if not self.noted:
            try:
                self.run_itself()
            except Failure as failure:
                raise Failure(failure.message + "\n" + self.spec["hint"], failure.output) from None
        os.makedirs(os.path.dirname(self.marker()), mode=0o700, exist_ok=True)
        entry = dict(self.spec["entry"], at=now(), ran=not self.noted)
        write_atomically(self.marker(), (json.dumps(entry) + "\n").encode(), 0o600)
