"""System users."""

from __future__ import annotations

import grp
import pwd

from .system import Change, Failure, Kind, account_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple


class User(Kind):
    """See `hawser.resources.User`."""

    def group(self) -> str:
        return str(self.spec.get("group") or self.spec["name"])

    def account(self) -> Optional[pwd.struct_passwd]:
        """Return the user's entry, or None; the superuser is nobody's service user."""
        try:
            account = pwd.getpwnam(self.spec["name"])
        except KeyError:
            return None
        if account.pw_uid == 0:
            raise Failure("%s is the superuser (uid 0); name another user" % self.spec["name"])
        return account

    def differences(self, account: pwd.struct_passwd) -> List[Tuple[List[str], str]]:
        """Return usermod's arguments, each with a note, for what differs on an existing user."""
        found = []
        if not has_group(self.group()) or grp.getgrnam(self.group()).gr_gid != account.pw_gid:
            found.append((["--gid", self.group()], "group -> " + self.group()))
        if account.pw_dir != self.spec["home"]:
            found.append((["--home", self.spec["home"]], "home %s -> %s" % (account.pw_dir, self.spec["home"])))
        if account.pw_shell != self.spec["shell"]:
            found.append((["--shell", self.spec["shell"]], "shell %s -> %s" % (account.pw_shell, self.spec["shell"])))
        lacking = [name for name in self.spec["groups"] if not is_member(account, name)]
        if lacking:
            found.append((["--append", "--groups", ",".join(lacking)], "joins " + ", ".join(lacking)))
        return found

    def check(self) -> Optional[Change]:
        account = self.account()
        if account is None:
            return Change("new")
        found = self.differences(account)
        return Change(", ".join(note for _arguments, note in found)) if found else None

    def apply(self, change: Change) -> None:
        name = self.spec["name"]
        for group in self.spec["groups"]:
            if not has_group(group):
                raise Failure("%s cannot join %s: there is no such group on this host" % (name, group))
        if not has_group(self.group()):
            self.system.run(["groupadd", "--system", self.group()])
        if self.account() is None:
            argv = ["useradd", "--system", "--no-create-home", "--gid", self.group(), "--home-dir", self.spec["home"]]
            self.system.run([*argv, "--shell", self.spec["shell"], name])
        for arguments, note in self.differences(account_of(name)):
            result = self.system.run(["usermod", *arguments, name], check=False)
            if "currently used by process" in result.output:
                raise Failure("%s (%s) needs its processes to be stopped first" % (name, note), result.output)
            if result.code:
                raise Failure("%s (%s) could not be changed" % (name, note), result.output)


def has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def is_member(account: pwd.struct_passwd, name: str) -> bool:
    return has_group(name) and (
        account.pw_name in grp.getgrnam(name).gr_mem or account.pw_gid == grp.getgrnam(name).gr_gid
    )
