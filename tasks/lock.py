"""Who is at work on the hosts, and freezes: nobody deploys until they are lifted."""

from __future__ import annotations

import time
from collections.abc import Mapping

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.formats import json_text
from hawser.host import Host
from hawser.host.journal import Record
from hawser.host.places import hold_file
from hawser.resources import Absent, File, Resources
from hawser.session.locks import moment
from hawser.steps import fleet_task, step

COLUMNS = ["host", "state", "who", "from", "since", "what"]


@fleet_task()
def status(fleet: Fleet) -> None:
    """Show who is at work on each host, which are frozen, and which rollouts are open."""
    rows: list[list[str]] = []
    for name in fleet.reachable().names:
        holder = fleet.request(name, "holder", {}).message["holder"]
        facts, record = fleet.facts(name), Record.of(fleet.facts(name))
        mine: list[list[str]] = []
        if holder:
            mine.append([name, "at work", *cells(holder, "what")])
        if facts.hold:
            mine.append([name, "frozen", *cells(facts.hold, "why")])
        if record and not holder:
            begun = record.by.partition(" on ")
            place, _, since = begun[2].partition(" at ")
            what = f"{record.what} of {record.release}, at {record.phase}"
            mine.append([name, "rollout open", begun[0], place, since, what])
        rows.extend(mine or [[name, "free", "", "", "", ""]])
    fleet.report.table("lock", COLUMNS, rows)


def cells(entry: Mapping[str, object], what: str) -> list[str]:
    """Return a row's columns of who, from where, since when, and what or why."""
    since = moment(entry.get("since"))
    return [str(entry.get("who", "")), str(entry.get("from", "")), since, str(entry.get(what, ""))]


@fleet_task(help={"why": "the reason, which everyone is told who is refused"})
def hold(fleet: Fleet, why: str = "") -> None:
    """Freeze what is deployed: deploy, rollback, resume and bootstrap are refused until `lock.release`."""
    if not why.strip():
        raise HawserError(f'say why: fab -H {fleet.environment.name} lock.hold --why "…"', code=2)
    fleet.refuse_freeze()
    fleet.apply([freeze.given(why=why.strip(), since=str(time.time()))], phase="hold")


@fleet_task()
def release(fleet: Fleet) -> None:
    """End a freeze, whoever made it."""
    fleet.apply([thaw], phase="release")


@step()
def freeze(host: Host, why: str = "", since: str = "") -> Resources:
    """Write down who has frozen the host, and why."""
    entry = {**{key: host.entry.get(key, "") for key in ("who", "from")}, "why": why, "since": since}
    yield File(hold_file(host), json_text(entry) + "\n", mode=0o600, parents=True, opaque=True)


@step()
def thaw(host: Host) -> Resources:
    """Forget the freeze."""
    yield Absent(hold_file(host))
