"""Open files of this process: each connection is one, or some, and a shell allows a thousand where it says nothing."""

from __future__ import annotations

import resource

from ..errors import HawserError

# A socket; the pipes of a ProxyCommand.
A_HOST = 4
# Those of Python, of git, and of what is read meanwhile.
OWN = 64


def make_room(hosts: int) -> None:
    """Allow this process as many open files as the connections to some hosts need.

    :raises HawserError: this machine does not allow so many; says what helps.
    """
    needed = OWN + A_HOST * hosts
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        allowed = f"this machine allows {hard} (ulimit -Hn); nothing was touched"
        raise HawserError(
            f"{hosts} hosts at once need {needed} open files, and {allowed}",
            next="have it allow more (/etc/security/limits.conf, LimitNOFILE), or name fewer hosts after -H",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
