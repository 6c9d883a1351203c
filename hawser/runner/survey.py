"""What `status` shows beside the facts: health, certificate, clock."""

import calendar
import os
import time

from .health import ask


def status(system, checks, certificate):
    """Ask each process for its health now, and read how long the certificate still holds.

    :param checks: dicts with name, address, path, host and statuses (first and last of each range).
    :param certificate: its path; empty for none.
    :returns: health by process (``ok`` or what is wrong), certificate days (None without one), the host's clock.
    """
    health = {}
    for check in checks:
        answer, why = ask(check["address"], check["path"], check["host"])
        if answer is None:
            health[check["name"]] = why
        elif not check["path"] or any(first <= answer <= last for first, last in check["statuses"]):
            health[check["name"]] = "ok"
        else:
            health[check["name"]] = "answers %d" % answer
    return {"health": health, "days": days_left(system, certificate), "clock": time.time()}


def days_left(system, path):
    """Return how many days a certificate is still valid, None when there is none."""
    if not path or not os.path.exists(path):
        return None
    answer = system.run(["openssl", "x509", "-noout", "-enddate", "-in", path], env={"TZ": "UTC"}, check=False)
    if answer.code:
        return None
    end = time.strptime(answer.output.strip().partition("=")[2], "%b %d %H:%M:%S %Y GMT")
    return int((calendar.timegm(end) - time.time()) // 86400)
