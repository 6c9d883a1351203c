"""The users that were made for teams, and what runs for them."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import time

from ..files.disk import read
from ..kernel.ports import family, parents
from ..kernel.scopes import processes
from ..kernel.strays import belongs
from ..system import Failure
from .users import has_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Set, Tuple

    from ..system import System

# The Unix group of all of them, also of those who are locked.
GROUP = "hawser-team"
# Seconds that programs have to end when they are asked to.
PATIENCE = 3.0
LOGINCTL = "/usr/bin/loginctl"


class Account:
    """What the host says of a user.

    :ivar locked: whether nobody can log in as this user any more.
    """

    def __init__(self, entry: pwd.struct_passwd, shadow: Dict[str, Tuple[str, str]]) -> None:
        self.name, self.uid = entry.pw_name, entry.pw_uid
        self.password, self.expires = shadow.get(self.name, ("", ""))
        self.locked = bool(self.expires)
        with contextlib.suppress(KeyError):
            self.made = self.name in grp.getgrnam(GROUP).gr_mem
            return
        self.made = False


def shadow() -> Dict[str, Tuple[str, str]]:
    """Return the password field and the expiry date of every user; see shadow(5)."""
    text = (read("/etc/shadow") or b"").decode("utf-8", "replace")
    rows = (line.split(":") for line in text.splitlines())
    return {row[0]: (row[1], row[7]) for row in rows if len(row) >= 8}


def account(name: str) -> Optional[Account]:
    try:
        return Account(pwd.getpwnam(name), shadow())
    except KeyError:
        return None


def made() -> List[str]:
    """Return the accounts that were made for teams, those that are locked too."""
    return sorted(grp.getgrnam(GROUP).gr_mem) if has_group(GROUP) else []


def programs(uid: int) -> Set[int]:
    """Return the processes of a user, with all that they have started, also as another user."""
    parent_of = parents()
    own = {pid for pid in processes() if belongs(pid, uid)}
    below = {pid for pid in parent_of if own.intersection(family(pid, parent_of))}
    return {pid for pid in own | below if is_alive(pid)}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs something still: one that has ended, and that nobody has waited for, does not."""
    try:
        os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return False
    return True


def ancestors() -> Set[int]:
    return set(family(os.getpid(), parents()))


def end_programs(system: System, name: str, uid: int) -> None:
    """End everything that runs for a user.

    :raises Failure: something does not end.
    """
    if os.path.exists(LOGINCTL):
        system.run([LOGINCTL, "disable-linger", name], check=False)
        system.run([LOGINCTL, "terminate-user", name], check=False)
    for sent in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE
        for pid in programs(uid):
            with contextlib.suppress(OSError):
                os.kill(pid, sent)
        while programs(uid) and time.monotonic() < deadline:
            time.sleep(0.05)
    left = programs(uid)
    if left:
        raise Failure("%s is locked, and programs still run: %s" % (name, ", ".join(map(str, sorted(left)))))
