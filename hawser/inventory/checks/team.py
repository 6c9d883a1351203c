"""Contradictions between the people of a team, other users of the hosts, and how hosts let them log in."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import Loc, SettingError
from ..schema import Environment
from ..values.keys import blob_of

# Unix groups have at most 32 characters.
LONGEST_GROUP = 32


def check_team(environment: Environment) -> Iterator[SettingError]:
    """Members have names and keys of their own, and the group of those who deploy can be made."""
    app = environment.app
    taken = {"root": "is the superuser", "hawser-team": "is the group of all members", app.user: "is app.user"}
    taken.setdefault(app.group, "is app.group")
    taken[f"{app.name}-deploy"] = "is the group of those who deploy"
    for name, process in environment.processes.items():
        taken.setdefault(process.user, f"is the user of processes.{name}")
    for name, entry in environment.cron.items():
        taken.setdefault(entry.user, f"is the user of cron.{name}")
    owners: dict[str, str] = {}
    for name, member in environment.team.items():
        at: Loc = ("team", name)
        if name in taken:
            yield SettingError(at, f"{name} {taken[name]}", "name the member otherwise", needs=frozenset({"app"}))
        for position, key in enumerate(member.keys):
            other = owners.setdefault(blob_of(key), name)
            if other != name:
                yield SettingError((*at, "keys", position), f"is a key of {other} too", "one key is one person's")
        group = f"{app.name}-deploy"
        if member.role == "deploy" and len(group) > LONGEST_GROUP:
            message = f"{group} would be its group, and is longer than {LONGEST_GROUP} characters"
            yield SettingError((*at, "role"), message, "shorten app.name", needs=frozenset({"app"}))


def check_sshd(environment: Environment) -> Iterator[SettingError]:
    """Only where addresses are banned, some never are."""
    sshd = environment.sshd
    if sshd is not None and sshd.never_banned and not sshd.fail2ban:
        yield SettingError(("sshd", "never_banned"), "nobody is banned", "add fail2ban = true, or remove it")
