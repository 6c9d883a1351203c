"""Programs that run when a trigger is due or a result is missing."""

from __future__ import annotations

import os
import re

from ..files.disk import read, write_atomically
from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Sequence

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
    """Return the variables of some such files, what a later one says before what an earlier one does."""
    found: Dict[str, str] = {}
    for path in paths:
        try:
            found.update(read_environment(path))
        except FileNotFoundError:
            raise Failure("there is no %s; nothing has been deployed yet" % path) from None
    return found


class Command(Kind):
    """See `hawser.resources.Command`."""

    def title(self) -> str:
        return str(self.spec.get("title") or " ".join(self.spec["argv"]))

    def check(self) -> Optional[Change]:
        spec = self.spec
        if spec.get("when") is not None and not self.due:
            return None
        if spec.get("creates") and os.path.lexists(spec["creates"]):
            return None
        if spec.get("marker") and os.path.exists(spec["marker"]):
            return None
        if spec.get("unless") and self.run(spec["unless"], check=False).code == 0:
            return None
        return Change("runs " + self.title())

    def run(self, argv: Sequence[str], check: bool = True, stdin: str = "") -> Finished:
        spec = self.spec
        env = read_environment(spec["env_file"]) if spec.get("env_file") else {}
        env.update(spec.get("env") or {})
        user, cwd = spec.get("user", ""), spec.get("cwd", "/")
        # Those that name a user are the application's; ours may start what is to stay, as `service` does.
        return self.system.run(argv, user, cwd, env, stdin, spec["timeout"], check, scoped=bool(user))

    def apply(self, change: Change) -> None:
        spec = self.spec
        try:
            self.output = self.run(spec["argv"], stdin=spec.get("stdin", "")).output
        except Failure as failure:
            raise Failure("%s: %s" % (self.title(), failure.message), failure.output) from None
        if spec.get("marker"):
            write_atomically(spec["marker"], b"", 0o644)
