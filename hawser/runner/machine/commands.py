"""Programs that run when a trigger is due or a result is missing."""

from __future__ import annotations

import os
import re

from ..files.disk import read, write_atomically
from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence

    from ..specs.system import CommandSpec, ProgramSpec
    from ..system import Finished, System

VARIABLE = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\n', re.S | re.ASCII)
ESCAPE = re.compile(r"\\(.)", re.S)


def read_environment(path: str) -> Dict[str, str]:
    """Return the variables of a file of ``NAME="value"`` lines as a shell would read them, newlines included.

    :raises Failure: the file holds something else.
    """
    data = read(path)
    if data is None:
        raise FileNotFoundError(path)
    text = data.decode("utf-8")
    variables, position = {}, 0
    while position < len(text):
        found = VARIABLE.match(text, position)
        if not found:
            raise Failure("%s: line %d is no variable" % (path, text.count("\n", 0, position) + 1))
        variables[found.group(1)] = ESCAPE.sub(r"\1", found.group(2))
        position = found.end()
    return variables


def variables(system: System, paths: Sequence[str]) -> Dict[str, str]:
    """Return the variables of some such files; of two values of a variable, the later file's counts."""
    found: Dict[str, str] = {}
    for path in paths:
        try:
            found.update(read_environment(path))
        except FileNotFoundError:
            raise Failure("there is no %s; nothing has been deployed yet" % path) from None
    return found


class Program(Kind):
    """A program with its user, its folder and its variables."""

    spec: ProgramSpec

    def title(self) -> str:
        return self.spec["title"] or " ".join(self.spec["argv"])

    def run(self, argv: Sequence[str], check: bool = True, stdin: str = "") -> Finished:
        spec = self.spec
        env = read_environment(spec["env_file"]) if spec["env_file"] else {}
        env.update(spec["env"])
        # Those that name a user are the application's; ours may start what is to stay, as `service` does.
        user = spec["user"]
        return self.system.run(argv, user, spec["cwd"], env, stdin, spec["timeout"], check, scoped=bool(user))

    def run_itself(self, stdin: str = "") -> None:
        """Run the program; a failure is told with its title."""
        try:
            self.output = self.run(self.spec["argv"], stdin=stdin).output
        except Failure as failure:
            raise Failure("%s: %s" % (self.title(), failure.message), failure.output) from None


class Command(Program):
    """See `hawser.resources.Command`."""

    spec: CommandSpec

    def check(self) -> Optional[Change]:
        spec = self.spec
        if spec.get("when") is not None and not self.due:
            return None
        if spec["creates"] and os.path.lexists(spec["creates"]):
            return None
        if spec["marker"] and os.path.exists(spec["marker"]):
            return None
        if spec["unless"] and self.run(spec["unless"], check=False).code == 0:
            return None
        return Change()

    def apply(self, change: Change) -> None:
        self.run_itself(self.spec["stdin"])
        if self.spec["marker"]:
            write_atomically(self.spec["marker"], b"", 0o644)
