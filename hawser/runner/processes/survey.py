"""How the processes of the application are right now."""

from __future__ import annotations

from .health import ask, complaint, expected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Sequence

    from ..system import System

# Seconds that one question may take.
PATIENCE = 5.0
# A command may have to load the whole application first.
COMMAND_PATIENCE = 30.0


def health(system: System, checks: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    """Ask each process for its health now.

    :param checks: dicts with name, address, path, host, statuses (first and last of each range), tls, ca, command,
        user and cwd.
    :returns: by process ``ok`` or what is wrong.
    """
    found = {}
    for check in checks:
        if not check["address"]:
            found[check["name"]] = complaint(system, check, COMMAND_PATIENCE) or "ok"
            continue
        secure = check.get("tls", False), check.get("ca", "")
        answer, why = ask(check["address"], check["path"], check["host"], PATIENCE, *secure)
        if expected(answer, check["path"], check["statuses"]):
            found[check["name"]] = complaint(system, check, COMMAND_PATIENCE) or "ok"
        else:
            found[check["name"]] = why if answer is None else "answers %d" % answer
    return found
