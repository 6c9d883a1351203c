"""The accounts of those who work on applications: made, given their keys, and locked when somebody leaves.

Each application notes its own team in its state folder. What an account may do is the sum of these notes, so that no
application takes away what another one gives. Accounts that were made here are in the Unix group `accounts.GROUP`,
which root alone changes; no other account is ever touched.

Their keys lie in `FOLDER`, which is root's, and for the members of the group sshd reads no others: nobody can leave a
key of their own in an account. Whoever leaves is locked by an expiry date, which holds for logins with keys as well as
for cron (shadow(5), pam_unix(8)); the files stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os

from ..files.disk import read, remove, write_atomically
from ..files.files import unified
from ..files.records import parsed
from ..system import Change, Failure, Kind
from . import accounts
from .accounts import account, ancestors, end_programs, made, programs
from .sshd import MAIN, Written, effective, judge, reload, require
from .users import has_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Tuple

    from ..specs.access import TeamSpec
    from ..specs.answers import MemberRights, TeamState
    from ..system import System

    # The role and the keys of somebody.
    Rights = Tuple[str, List[str]]

FOLDER = "/etc/hawser/team"
SETTINGS = "/etc/ssh/sshd_config.d/00-hawser.conf"
RECORD = "team.json"
LOCK = "/run/hawser-team.lock"
# No password fits, and sshd takes none for a lock; a lock is an exclamation mark before it, and a date that is over.
NO_PASSWORD, OVER = "*", "1"
# Keywords by which sshd lets in nobody else.
ALONE = {"allowusers": "AllowUsers", "allowgroups": "AllowGroups"}
CONTENT = """\
# Of Hawser: whoever is in [team] of an application logs in with the keys of its settings alone.
Match Group %s
    AuthorizedKeysFile %s/%%u
    PasswordAuthentication no
    KbdInteractiveAuthentication no
"""


def noted(path: str) -> Optional[Dict[str, Rights]]:
    """Return the team of an application as it was noted; None where nobody can tell what it was.

    :param path: of the note.
    """
    data = read(path)
    if data is None:
        return {}
    found = parsed(data, dict)
    if found is None:
        return None
    try:
        return {str(name): (str(each["role"]), [str(key) for key in each["keys"]]) for name, each in found.items()}  # type: ignore[index]
    except (KeyError, TypeError):
        return None


def applications(states: str) -> List[str]:
    """Return the applications of the host.

    :param states: the folder with the state folders of all of them.
    """
    try:
        return sorted(name for name in os.listdir(states) if os.path.isdir(os.path.join(states, name)))
    except FileNotFoundError:
        return []


def teams(states: str) -> Dict[str, Dict[str, Rights]]:
    """Return the teams of all applications of the host.

    :param states: the folder with the state folders of all of them.
    :raises Failure: nobody knows whom one of them lets in.
    """
    found = {}
    for name in applications(states):
        path = os.path.join(states, name, RECORD)
        team = noted(path)
        if team is None:
            raise Failure("%s is damaged, so that nobody knows who may log in; next: remove it, then bootstrap" % path)
        if team:
            found[name] = team
    return found


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep others from counting the teams while notes are written: each application has a lock of its own."""
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Team(Kind):
    """See `hawser.resources.Team`."""

    spec: TeamSpec

    @property
    def states(self) -> str:
        return os.path.dirname(self.system.state)

    @property
    def record(self) -> str:
        return os.path.join(self.system.state, RECORD)

    @property
    def wanted(self) -> Dict[str, Rights]:
        return {name: (role, list(keys)) for name, role, keys in self.spec["members"]}

    def others(self) -> Dict[str, List[Tuple[str, Rights]]]:
        """Return what other applications give to each of their members."""
        found: Dict[str, List[Tuple[str, Rights]]] = {}
        for application, team in teams(self.states).items():
            if application != os.path.basename(self.system.state):
                for name, rights in team.items():
                    found.setdefault(name, []).append((application, rights))
        return found

    def former(self) -> Dict[str, Rights]:
        found = noted(self.record)
        if found is None:
            raise Failure("%s is damaged, so that nobody knows who was in the team; next: remove it" % self.record)
        return found

    def keys(self, name: str) -> bytes:
        """Return the keys of a member, those that other applications give with them."""
        lines: Dict[str, str] = {}
        for _role, keys in [self.wanted[name], *(rights for _, rights in self.others().get(name, []))]:
            for key in keys:
                lines.setdefault(" ".join(key.split()[:2]), key)
        return "".join("%s\n" % line for line in lines.values()).encode()

    def leaving(self) -> List[str]:
        """Return the members of before whom nobody names any more."""
        return sorted(set(self.former()) - set(self.wanted) - set(self.others()))

    def content(self) -> bytes:
        """Return what sshd is told: nothing where no application of the host has a team."""
        return (CONTENT % (accounts.GROUP, FOLDER)).encode() if self.wanted or self.others() else b""

    def check(self) -> Optional[Change]:
        former, wanted = self.former(), self.wanted
        if not former and not wanted:
            return None
        if wanted:
            require(Written(MAIN), SETTINGS)
        self.refuse_strangers()
        told: List[str] = []
        diffs: List[str] = []
        here = ancestors()
        for name in self.leaving():
            user = account(name)
            if user is not None and user.made and here.intersection(programs(user.uid)):
                raise Failure(
                    "this run is logged in as %s, who would be locked out; nothing was touched" % name
                    + "; next: log in as somebody else"
                )
            count = len(programs(user.uid)) if user is not None and user.made else 0
            ended = ", %d program%s ended" % (count, " is" if count == 1 else "s are") if count else ""
            told.append("%s leaves: the account is locked%s" % (name, ended))
        told += [
            "%s leaves this team, and stays in that of %s" % (name, self.others()[name][0][0])
            for name in sorted(set(former) - set(wanted) - set(self.leaving()))
        ]
        for name in wanted:
            change = self.difference(name, former)
            if change:
                told.append("%s: %s" % (name, change))
            diffs += self.key_diff(name)
        if (read(SETTINGS) or b"") != self.content():
            diffs.append(unified(SETTINGS, read(SETTINGS) or b"", self.content()))
        if not told and not diffs and former == wanted:
            return None
        return Change("; ".join(told), "\n".join(diffs))

    def refuse_strangers(self) -> None:
        """Stop where somebody else has made a user of a member's name.

        :raises Failure: names them all.
        """
        found = [user for user in map(account, self.wanted) if user is not None and not user.made]
        if found:
            names = ", ".join(user.name for user in found)
            raise Failure(
                "there are users that were not made for a team: %s; nothing was touched" % names
                + "; next: name the members otherwise, or remove these users"
            )

    def difference(self, name: str, former: Dict[str, Rights]) -> str:
        """Say what is not as it shall be of a member, but for the keys."""
        user, (role, _keys) = account(name), self.wanted[name]
        if user is None:
            return "new, %s" % role
        told = []
        if user.locked:
            told.append("is back")
        elif user.password != NO_PASSWORD:
            told.append("has a password, which goes")
        if name in former and former[name][0] != role:
            told.append("%s -> %s" % (former[name][0], role))
        group = self.spec["group"]
        if (role == "deploy") != (has_group(group) and name in grp.getgrnam(group).gr_mem):
            told.append("%s %s" % ("joins" if role == "deploy" else "leaves", group))
        return ", ".join(told)

    def key_diff(self, name: str) -> List[str]:
        path = os.path.join(FOLDER, name)
        now, wanted = read(path) or b"", self.keys(name)
        return [unified(path, now, wanted)] if now != wanted else []

    def apply(self, change: Change) -> None:
        with alone():
            # Whoever comes after a crash knows of those who leave and of those who come.
            self.note({**self.former(), **self.wanted})
            for name in sorted(set(self.former()) - set(self.wanted)):
                self.let_go(name)
            if self.wanted and not has_group(accounts.GROUP):
                self.system.run(["groupadd", "--system", accounts.GROUP])
            for name in self.wanted:
                write_keys(os.path.join(FOLDER, name), self.keys(name))
            self.tell_sshd()
            for name in self.wanted:
                self.let_in(name)
            self.prove()
            self.tidy()
            self.note(self.wanted)

    def note(self, team: Dict[str, Rights]) -> None:
        """Note the team; no team: nothing is noted."""
        if not team:
            remove(self.record)
            return
        rows = {name: {"role": role, "keys": keys} for name, (role, keys) in team.items()}
        write_atomically(self.record, (json.dumps(rows, indent=1) + "\n").encode(), 0o600)

    def let_go(self, name: str) -> None:
        """Take away from a member of before what this application gave."""
        user, elsewhere = account(name), self.others().get(name, [])
        if user is None or not user.made:
            return
        self.leave_group(name)
        path = os.path.join(FOLDER, name)
        if elsewhere:
            kept = {" ".join(key.split()[:2]): key for _, (_role, keys) in elsewhere for key in keys}
            write_keys(path, "".join("%s\n" % key for key in kept.values()).encode())
            return
        # In this order: nobody comes in again while programs are ended.
        self.system.run(["usermod", "--lock", "--expiredate", OVER, name])
        remove(path)
        end_programs(self.system, name, user.uid)

    def leave_group(self, name: str) -> None:
        group = self.spec["group"]
        if has_group(group) and name in grp.getgrnam(group).gr_mem:
            self.system.run(["gpasswd", "--delete", name, group])

    def let_in(self, name: str) -> None:
        """Bring an account in order."""
        role, _keys = self.wanted[name]
        user, group = account(name), self.spec["group"]
        if user is None:
            argv = ["useradd", "--create-home", "--user-group", "--shell", "/bin/bash", "--groups", accounts.GROUP]
            # Never without one of the two: a user without a password is one that `passwd` has not seen yet.
            self.system.run([*argv, "--password", NO_PASSWORD, name])
        elif user.locked or user.password != NO_PASSWORD:
            self.system.run(["usermod", "--expiredate", "", "--password", NO_PASSWORD, name])
        if role != "deploy":
            self.leave_group(name)
        else:
            if not has_group(group):
                self.system.run(["groupadd", "--system", group])
            if name not in grp.getgrnam(group).gr_mem:
                self.system.run(["gpasswd", "--add", name, group])

    def tell_sshd(self) -> None:
        """Have sshd read the members' keys where they lie.

        :raises Failure: it refuses that, or something else goes before it; it is as it was.
        """
        wanted, now = self.content(), read(SETTINGS)
        if (now or b"") == wanted:
            return
        try:
            if wanted:
                write_atomically(SETTINGS, wanted, 0o644)
            else:
                remove(SETTINGS)
            judge(self.system)
        except BaseException:
            if now is None:
                remove(SETTINGS)
            else:
                write_atomically(SETTINGS, now, 0o644)
            raise
        reload(self.system)

    def prove(self) -> None:
        """See that sshd reads the keys of members where they lie.

        :raises Failure: something else goes before what it was told.
        """
        for name in list(self.wanted)[:1]:
            elsewhere = keys_elsewhere(self.system, name)
            if elsewhere:
                raise Failure(
                    "sshd reads the keys of %s in %s: another `Match` comes before %s; next: see sshd -T -C user=%s"
                    % (name, elsewhere, SETTINGS, name)
                )

    def tidy(self) -> None:
        """Take the group away that nobody is in any more, and the folder without keys."""
        if not self.content():
            with contextlib.suppress(OSError):
                os.rmdir(FOLDER)
        group = self.spec["group"]
        if not self.wanted and has_group(group) and not grp.getgrnam(group).gr_mem:
            self.system.run(["groupdel", group])


def keys_elsewhere(system: System, name: str) -> str:
    """Return where sshd reads the keys of a member; empty where that is as it shall be."""
    found = effective(system, name).get("authorizedkeysfile", "")
    return "" if found == "%s/%%u" % FOLDER else found or "no file"


def let_in_alone(system: System) -> str:
    """Return the setting by which sshd lets in some users or groups alone, as far as it is told; empty: none."""
    found = effective(system)
    return "; ".join("%s %s" % (name, found[key]) for key, name in ALONE.items() if key in found)


def write_keys(path: str, data: bytes) -> None:
    """Write keys where root alone changes them, and the user's own sshd reads them."""
    if read(path) != data:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write_atomically(path, data, 0o644)


def state(system: System) -> TeamState:
    """Return the accounts that were made for teams, and what each application of the host gives to whom.

    :returns: with ``elsewhere``, where sshd would read a member's keys; empty where that is as it shall be; and with
        ``alone``, by which setting it lets in some users alone.
    """
    known = [found for found in map(account, made()) if found is not None]
    rights: List[MemberRights] = [
        {"application": application, "name": name, "role": role, "keys": [" ".join(key.split()[:2]) for key in keys]}
        for application, team in teams(os.path.dirname(system.state)).items()
        for name, (role, keys) in team.items()
    ]
    at_work = [each.name for each in known if not each.locked]
    return {
        "accounts": [{"name": each.name, "locked": each.locked} for each in known],
        "rights": rights,
        "elsewhere": keys_elsewhere(system, at_work[0]) if at_work else "",
        "alone": let_in_alone(system) if at_work else "",
    }
