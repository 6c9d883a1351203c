"""The jail of fail2ban for sshd: one file for all applications of the host, each of which notes what it wants.

Where the journal alone has what sshd says, as on Debian 12, fail2ban's own `auto` finds no log file and does not start:
the jail names `systemd`. Since OpenSSH 9.8 a login is served by a program of another name, `sshd-session`.
"""

from __future__ import annotations

import json
import os

from ..files.disk import read, remove, write_atomically
from ..files.files import unified
from ..files.records import parsed, rows_in
from ..system import Change, Kind
from .team import applications

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from ..specs.access import BansSpec
    from ..specs.answers import BansState
    from ..system import System

RECORD = "bans.json"
CLIENT = "/usr/bin/fail2ban-client"
UNIT = "fail2ban.service"
# Addresses from which Hawser has worked, which are never banned: the latest ones.
MOST_PLACES = 20
ALWAYS = ("127.0.0.0/8", "::1")
CONTENT = """\
# Of Hawser: [sshd] of %(who)s; replaced by `sshd.install`.
[sshd]
enabled = true
backend = systemd
journalmatch = _SYSTEMD_UNIT=ssh.service + _COMM=sshd + _COMM=sshd-session
banaction = nftables
maxretry = 5
findtime = 600
bantime = 600
port = %(ports)s
ignoreip = %(never)s
"""


def noted(state: str) -> Dict[str, object]:
    """Return what an application wants; an empty table where it wants nothing, or nobody can tell."""
    return parsed(read(os.path.join(state, RECORD)), dict) or {}


def texts(record: Dict[str, object], name: str) -> List[str]:
    return [str(each) for each in rows_in(record, name)]


class Bans(Kind):
    """See `hawser.resources.Bans`."""

    spec: BansSpec

    def wants(self) -> Dict[str, object]:
        """Return what this application wants, as it is noted; an empty table where it wants nothing."""
        if not self.spec["wanted"]:
            return {}
        former = noted(self.system.state)
        places, here = texts(former, "places"), self.spec["here"]
        if here and here not in places:
            places = [*places, here][-MOST_PLACES:]
        found = former.get("found", self.runs_anyway())
        return {"ports": list(self.spec["ports"]), "never": list(self.spec["never"]), "places": places, "found": found}

    def runs_anyway(self) -> bool:
        """Tell whether somebody else had it run before any application of the host wanted that."""
        if any(self.others()):
            return all(bool(each.get("found")) for each in self.others().values())
        enabled = self.system.run(["systemctl", "is-enabled", "--quiet", UNIT], check=False)
        return os.path.exists(CLIENT) and enabled.code == 0

    def others(self) -> Dict[str, Dict[str, object]]:
        """Return what other applications of the host want."""
        states, own = os.path.split(self.system.state)
        found = {name: noted(os.path.join(states, name)) for name in applications(states) if name != own}
        return {name: record for name, record in found.items() if record}

    def content(self) -> bytes:
        """Return the jail; empty where nobody wants one."""
        wanted = {**self.others(), self.spec["application"]: self.wants()}
        records = {name: record for name, record in sorted(wanted.items()) if record}
        if not records:
            return b""
        never = [each for record in records.values() for each in (*texts(record, "never"), *texts(record, "places"))]
        ports = [each for record in records.values() for each in texts(record, "ports")]
        words = {
            "who": ", ".join(records),
            "ports": ",".join(dict.fromkeys(ports)),
            "never": " ".join(dict.fromkeys([*ALWAYS, *never])),
        }
        return (CONTENT % words).encode()

    def check(self) -> Optional[Change]:
        path = self.spec["path"]
        former = noted(self.system.state)
        if not former and not self.spec["wanted"]:
            return None
        now, content = read(path) or b"", self.content()
        if now == content and former == self.wants():
            return None
        return Change("", unified(path, now, content)) if now != content else Change("noted")

    def apply(self, change: Change) -> None:
        path, former, wants = self.spec["path"], noted(self.system.state), self.wants()
        content = self.content()
        record = os.path.join(self.system.state, RECORD)
        if wants:
            write_atomically(record, (json.dumps(wants, indent=1) + "\n").encode(), 0o600)
        if content:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            write_atomically(path, content, 0o644)
        else:
            remove(path)
            self.leave(bool(former.get("found")))
        if not wants:
            if content:
                self.system.run(["systemctl", "reload", UNIT], check=False)
            remove(record)

    def leave(self, found: bool) -> None:
        """Leave fail2ban to whoever had it before; else have it ban nobody any more.

        :param found: whether somebody had it before.
        """
        if not os.path.exists(CLIENT):
            return
        if found:
            self.system.run(["systemctl", "reload-or-restart", UNIT], check=False)
        else:
            self.system.run(["systemctl", "disable", "--now", UNIT])


def state(system: System) -> BansState:
    """Return what fail2ban does.

    :returns: whether it runs, whether its jail for sshd does, and who is banned by it.
    """
    none: BansState = {"there": os.path.exists(CLIENT), "jail": False, "banned": [], "never": []}
    if not none["there"]:
        return none
    said = system.run([CLIENT, "get", "sshd", "banip"], check=False, apart=True, timeout=30)
    if said.code:
        return none
    never = system.run([CLIENT, "get", "sshd", "ignoreip"], check=False, apart=True, timeout=30).output
    listed = [line.split("- ", 1)[1].strip() for line in never.splitlines() if "- " in line]
    return {"there": True, "jail": True, "banned": said.output.split()[:1000], "never": listed[:1000]}
