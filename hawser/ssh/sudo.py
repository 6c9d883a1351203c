"""What sudo says when it refuses, and what helps then.

It is started with ``LC_ALL=C``: its words are the same on every host, whatever language the host speaks.
"""

from __future__ import annotations

import re

from ..errors import Unreachable

ENGLISH = "env LC_ALL=C"
# What comes first counts: some words of sudo's stand in several of its messages. Those of sudo-rs are here as well.
REFUSALS = (
    (
        r"must have a tty|sudo: no tty present",
        "sudo wants a terminal of {user} (requiretty);",
        "`Defaults:{user} !requiretty` in a file of /etc/sudoers.d there",
    ),
    (
        r"password is required|a terminal is required|interactive authentication is required",
        "sudo asks {user} for a password;",
        "name the secret that holds it with `ssh.sudo_password`, or give the user NOPASSWD",
    ),
    (
        r"sudo: .*\bexpired\b",
        "sudo refuses {user}, whose account or password has expired;",
        "`chage -l {user}` there shows it",
    ),
    (
        r"incorrect password|incorrect authentication|[Tt]ry again",
        "sudo refuses the password of {user};",
        "correct the secret that `ssh.sudo_password` names; `sudo -k -v` there tries it by hand",
    ),
    (
        r"not in the sudoers|not allowed|may not run sudo|I'm afraid I can't do that",
        "{user} may not use sudo on this host;",
        "`{user} ALL=(ALL) NOPASSWD: ALL` in a file of /etc/sudoers.d there, or another `user`",
    ),
    (
        r"sudo\W*: (?:command )?not found|unknown command: sudo|.sudo.: No such file",
        "there is no sudo for {user};",
        "install it there, or log in as root (`user`)",
    ),
)


def refusal(text: str, user: str, host: str) -> Unreachable | None:
    """Return the error that sudo's last words stand for; None: they are somebody else's, or of another kind."""
    for pattern, what, next_move in REFUSALS:
        if re.search(pattern, text):
            return Unreachable(what.format(user=user), host=host, next=next_move.format(user=user))
    return None
