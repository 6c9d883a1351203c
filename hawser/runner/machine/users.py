"""System users."""

from __future__ import annotations

import grp
import pwd

from ..system import Change, Failure, Kind, account_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.system import UserSpec


class User(Kind):
    """See `hawser.resources.User`."""

    spec: UserSpec

    def group(self) -> str:
        return self.spec["group"] or self.spec["name"]

    def account(self) -> Optional[pwd.struct_passwd]:
        """Return the user's entry, or None; the superuser is nobody's service user."""
        try:
            account = pwd.getpwnam(self.spec["name"])
        except KeyError:
            return None
        if account.pw_uid == 0:
            raise Failure("%s is the superuser (uid 0); next: name another user" % self.spec["name"])
        return account

    def lacking(self, account: pwd.struct_passwd) -> List[str]:
        """Return the groups that an existing user has to join.

        Its home, shell and own group are left alone: somebody else may have made it for a purpose of theirs.
        """
        named = [self.spec["group"]] if self.spec["group"] else []
        return [name for name in [*named, *self.spec["groups"]] if not is_member(account, name)]

    def check(self) -> Optional[Change]:
        account = self.account()
        if account is None:
            return Change("new")
        lacking = self.lacking(account)
        return Change("joins " + ", ".join(lacking)) if lacking else None

    def apply(self, change: Change) -> None:
        name = self.spec["name"]
        for group in self.spec["groups"]:
            if not has_group(group):
                raise Failure("%s cannot join %s: there is no such group on this host" % (name, group))
        if not has_group(self.group()) and (self.spec["group"] or self.account() is None):
            self.system.run(["groupadd", "--system", self.group()])
        if self.account() is None:
            argv = ["useradd", "--system", "--no-create-home", "--gid", self.group(), "--home-dir", self.spec["home"]]
            self.system.run([*argv, "--shell", self.spec["shell"], name])
        lacking = self.lacking(account_of(name))
        if lacking:
            self.system.run(["usermod", "--append", "--groups", ",".join(lacking), name])


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
