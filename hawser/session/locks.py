"""One change at a time: the lock over the hosts of a run, and who holds it or has frozen a host, in words."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import HawserError
from ..resources import JSON
from ..runner.processes.cron import LATEST

if TYPE_CHECKING:
    from ..fleet.fleet import Fleet
    from .session import Session


def operator() -> str:
    """Return who gives the command: the user's name, or their number where the machine knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def take(session: Session, names: Sequence[str], wait: float = 2.0) -> None:
    """Take the application's lock on these hosts, in sorted order, and hold it until the end of the run.

    :param wait: seconds; a holder that was killed a moment ago needs some to end.
    :raises HawserError: somebody else holds it: who, since when, from where, doing what.
    """
    info: dict[str, JSON] = {**session.entry, "since": time.time()}
    # One after the other: of two who come at once, whoever gets the first one gets all.
    for name in sorted(set(names) - session.locked):
        answer = session.wires[name].request("lock", {"info": info, "wait": wait}, session.secrets.mask_values())
        if not answer.ok:
            holder = answer.message.get("holder")
            if not holder:
                raise HawserError(f"{name}: the lock cannot be taken: {answer.error}")
            raise HawserError(
                f"{name}: {at_work(holder)}; nothing was touched\n  next: wait, then the same command again"
            )
        session.facts[name] = answer.message["facts"]
        session.locked.add(name)


def refuse_hold(fleet: Fleet) -> None:
    """Stop where somebody has frozen what is deployed, or may have; a dry run only says so.

    :raises HawserError: who, since when and why.
    """
    fleet.connect()
    refuse_damaged(fleet.session, fleet.names)
    told = [f"{name}: {held(hold)}" for name in fleet.names if (hold := fleet.facts(name).hold)]
    if told and fleet.dry:
        fleet.report.note("", "\n".join(["deploys are frozen:", *told]), "warning")
    elif told:
        next_move = f"fab -H {fleet.environment.name} lock.release, when they agree"
        raise HawserError("\n".join(["deploys are frozen; nothing was touched", *told, f"  next: {next_move}"]))


def refuse_damaged(session: Session, names: Sequence[str]) -> None:
    """Stop where a host's record of a rollout, of a freeze or of its secrets is damaged; a dry run only says so.

    :param names: hosts that have been asked already.
    :raises HawserError: which, and what helps.
    """
    told = [f"  {name}: {path}" for name in names for path in session.facts[name].damaged]
    what = "records of hosts are damaged, so that nobody knows what they said"
    if told and session.dry:
        session.report.note("", "\n".join([f"{what}:", *told]), "warning")
    elif told:
        ways = [
            "  next: put them right there, or remove them, then the same command again; what goes with them:",
            "  journal.json: a rollout that is open (deploy again), hold.json: a freeze, secrets.json: what was made",
        ]
        raise HawserError("\n".join([f"{what}; nothing was touched", *told, *ways]))


def at_work(holder: Mapping[str, Any]) -> str:
    """Say who holds a lock, since when, and doing what."""
    since = moment(holder.get("since"))
    return f"{holder.get('who')} on {holder.get('from')} is at work on it since {since} ({holder.get('what')})"


def held(hold: Mapping[str, Any]) -> str:
    """Say who has frozen a host, since when, and why."""
    return f"{hold.get('who')} on {hold.get('from')} since {moment(hold.get('since'))}: {hold.get('why')}"


def moment(seconds: object) -> str:
    """Write a time in the operator's time zone; with its date, unless it is today.

    :param seconds: since the epoch, as a number or its text; what is neither is the epoch.
    """
    try:
        when = time.localtime(min(max(float(str(seconds or 0)), 0.0), LATEST))
    except ValueError:
        when = time.localtime(0)
    today = when[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", when)
