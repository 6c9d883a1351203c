"""How the processes of the application are right now."""

from __future__ import annotations

from .health import ask, complaint, expected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Sequence

    from ..specs.questions import ProcessQuestion
    from ..system import System

# Seconds that one question may take.
PATIENCE = 5.0
# A command may have to load the whole application first.
COMMAND_PATIENCE = 30.0


def health(system: System, checks: Sequence[ProcessQuestion]) -> Dict[str, str]:
    """Ask each process for its health now.

    :returns: by process ``ok`` or what is wrong.
    """
    found = {}
    for check in checks:
        if not check["address"]:
            found[check["name"]] = own_complaint(system, check) or "ok"
            continue
        secure = check.get("tls", False), check.get("ca", "")
        answer, why = ask(check["address"], check["path"], check["host"], PATIENCE, *secure)
        if expected(answer, check["path"], check["statuses"]):
            found[check["name"]] = own_complaint(system, check) or "ok"
        else:
            found[check["name"]] = why if answer is None else "answers %d" % answer
    return found


def own_complaint(system: System, check: ProcessQuestion) -> str:
    """Return what a process's own command says is wrong; see `complaint`."""
    command, user, cwd = check.get("command", ()), check.get("user", ""), check.get("cwd", "/")
    return complaint(system, command, user, cwd, COMMAND_PATIENCE)
