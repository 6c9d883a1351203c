"""What `status` shows beside the facts: health, certificate, clock."""

from __future__ import annotations

import calendar
import os
import time

from .health import ask, expected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Sequence

    from .system import System


def status(system: System, checks: Sequence[Mapping[str, Any]], certificate: str) -> Dict[str, Any]:
    """Ask each process for its health now, and read how long the certificate still holds.

    :param checks: dicts with name, address, path, host and statuses (first and last of each range).
    :param certificate: its path; empty for none.
    :returns: health by process (``ok`` or what is wrong), certificate days (None without one), the host's clock.
    """
    health = {}
    for check in checks:
        answer, why = ask(check["address"], check["path"], check["host"], 5.0)
        if expected(answer, check["path"], check["statuses"]):
            health[check["name"]] = "ok"
        else:
            health[check["name"]] = why if answer is None else "answers %d" % answer
    return {"health": health, "days": days_left(system, certificate), "clock": time.time()}


def days_left(system: System, path: str) -> Optional[int]:
    """Return how many days a certificate is still valid, None when there is none that can be read."""
    if not path or not os.path.exists(path):
        return None
    answer = system.run(["openssl", "x509", "-noout", "-enddate", "-in", path], check=False, apart=True)
    if answer.code:
        return None
    end = time.strptime(answer.output.strip().partition("=")[2], "%b %d %H:%M:%S %Y GMT")
    return int((calendar.timegm(end) - time.time()) // 86400)
