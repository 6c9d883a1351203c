"""Who is at work on hosts: as whom, with which key and from where, as the next login would be; and that it stays so."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import paramiko
from fabric import Connection

from ..answers import reading
from ..answers.rows import TeamState
from ..errors import HawserError, Unreachable
from ..host.access import closes, sshd_question
from ..inventory.tables.team import Member
from ..inventory.values.keys import blob_of
from ..ssh.login import Login
from .fleet import Fleet

# Seconds: sshd that reads its settings anew listens nowhere for a moment, and between two attempts.
PATIENCE, PAUSE = 5.0, 1.0
# Bytes of what a host says of a connection.
LONGEST = 1000


@dataclass(frozen=True)
class AtWork:
    """A login of this run.

    :param key: the public key, ``TYPE BASE64``; empty: a password alone was asked for.
    :param address: from where, as the host sees it; empty where it does not say.
    """

    user: str
    key: str
    address: str


def at_work(fleet: Fleet) -> dict[str, AtWork]:
    """Log in to each host once more, over the same way, and return who we are there.

    :raises HawserError: a host cannot be reached, or lets nobody in.
    """

    def look(name: str) -> AtWork:
        connection = fleet.session.connector.open(fleet.session.address(name))
        try:
            return described(connection)
        finally:
            connection.close()

    found: dict[str, AtWork] = {}
    for name, result in fleet.connections.parallel(fleet.names, look).items():
        if isinstance(result, HawserError):
            raise result
        found[name] = result
    return found


def described(connection: Connection) -> AtWork:
    login = cast(Login, connection.connect_kwargs["auth_strategy"])
    key = f"{login.taken.get_name()} {login.taken.get_base64()}" if login.taken is not None else ""
    said = ""
    with suppress(OSError, paramiko.SSHException):
        _stdin, stdout, _stderr = connection.client.exec_command("printenv SSH_CONNECTION", timeout=PATIENCE)
        said = stdout.read(LONGEST).decode("ascii", "replace")
    return AtWork(str(connection.user), key, address_in(said.partition(" ")[0]))


def address_in(text: str) -> str:
    """Return an address that a host has said; empty where it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def require_way_back(fleet: Fleet, members: Mapping[str, Member] | None = None) -> dict[str, AtWork]:
    """Stop where what the settings say of logins would lock out the one that brings it there.

    :param members: the team as it will be; None: that of the settings.
    :returns: who is at work on each host; nothing where the settings say nothing of logins.
    :raises HawserError: names the hosts; nothing was touched.
    """
    environment = fleet.environment
    if not environment.team and environment.sshd is None:
        return {}
    fleet.connect()
    found = at_work(fleet)
    if environment.team:
        refuse_lockout(fleet, found, environment.team if members is None else members)
    if any(closes(fleet.host(name)) for name in fleet.names):
        refuse_passwords(found)
    return found


def refuse_passwords(found: Mapping[str, AtWork]) -> None:
    """Stop where a login comes by a password, and passwords shall count no more.

    :raises HawserError: names the hosts.
    """
    names = [name for name, each in found.items() if not each.key]
    if names:
        raise HawserError(
            f"{', '.join(names)}: this login comes by a password, which [sshd] passwords = false takes away; nothing "
            "was touched",
            next=f"ssh-copy-id {found[names[0]].user}@HOST for each of them, then the same command with that key",
        )


def refuse_lockout(fleet: Fleet, found: Mapping[str, AtWork], members: Mapping[str, Member]) -> None:
    """Stop where this login is a member's, and its key could become root nowhere any more.

    :param members: the team as it will be.
    :raises HawserError: names the hosts.
    """
    application = fleet.environment.app.name
    after = {blob_of(key) for each in members.values() if each.role == "admin" for key in each.keys}
    states = fleet.ask_all(reading.TEAM, {})
    names = [
        name
        for name, each in found.items()
        if any(account["name"] == each.user for account in states[name]["accounts"])
        and each.key in keys_of_admins(states[name])
        and each.key not in after | keys_of_admins(states[name], but=application)
    ]
    if names:
        user = found[names[0]].user
        raise HawserError(
            f"{', '.join(names)}: this run is logged in as {user}, whose key could become root there no more; nothing "
            "was touched",
            next="leave that key with an admin in [team], or log in as somebody else",
        )


def keys_of_admins(state: TeamState, but: str = "") -> set[str]:
    """Return the keys that may become root on a host, by the teams of all its applications.

    :param but: one that does not count.
    """
    return {
        key
        for each in state["rights"]
        if each["role"] == "admin" and each["application"] != but
        for key in each["keys"]
    }


def on_trial(fleet: Fleet) -> list[str]:
    """Return the hosts on which sshd has settings that are taken back unless somebody confirms them."""
    if not fleet.names:
        return []
    answers = fleet.ask_all(reading.SSHD, sshd_question(fleet.host(fleet.names[0])))
    return [name for name, answer in answers.items() if answer["trial"]]


def log_in_again(fleet: Fleet) -> dict[str, HawserError]:
    """Log in to each host anew and become root there, over the same way and with the same key.

    :returns: why it does not work, by host.
    """

    def attempt(name: str) -> None:
        line = fleet.session.engine.line(fleet.session.address(name), fleet.session.greeting)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line.open(lambda: False)
                line.close()
                return
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)

    found = fleet.connections.parallel(fleet.names, attempt)
    failed = {name: result for name, result in found.items() if isinstance(result, HawserError)}
    # It was another line than the one that is open.
    fleet.connections.forget_losses(failed)
    return failed
