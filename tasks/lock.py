"""Who is at work on the hosts, and freezes: nobody deploys until they are lifted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from hawser.errors import AtWork, HawserError
from hawser.fleet.fleet import Fleet
from hawser.formats import json_text
from hawser.host import Host
from hawser.host.journal import Record
from hawser.host.places import hold_file
from hawser.resources import Absent, File, Resources
from hawser.session.locks import at_work, held, moment
from hawser.ssh.talk import Answer
from hawser.steps import fleet_task, step

COLUMNS = ["host", "state", "who", "from", "since", "what"]
# Seconds between two looks at who is at work.
BETWEEN_LOOKS = 2.0


@fleet_task(
    help={
        "wait": "until nobody else is at work and no host is frozen; then the lock is held for the tasks behind it",
        "minutes": "so long at most",
    },
)
def status(fleet: Fleet, wait: bool = False, minutes: int = 30) -> None:
    """Show who is at work on each host, which are frozen, and which rollouts are open; or wait until nobody is."""
    if wait:
        take_when_free(fleet, minutes)
        return
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


def take_when_free(fleet: Fleet, minutes: int) -> None:
    """Wait until nobody else is at work and no host is frozen, and take the lock; it is held until the run ends.

    Meanwhile the hosts are only looked at: who waits with a part of the locks would be in the way of others.

    :raises HawserError: it has taken too long; who is at work, or has frozen them.
    """
    fleet.connect()
    deadline = time.monotonic() + minutes * 60
    former: list[str] = []
    while True:
        told = obstacles(fleet)
        if not told:
            try:
                fleet.lock()
            except AtWork as error:
                # Somebody was faster.
                told = [error.what]
            else:
                break
        if fleet.dry:
            fleet.report.note("", "\n".join(["would wait:", *told]))
            return
        if time.monotonic() >= deadline:
            next_move = "look with lock.status, then the same command again, or a longer --minutes"
            raise HawserError("\n".join([f"waited for {minutes} min; nothing was touched", *told]), next=next_move)
        if told != former:
            fleet.report.note("", "\n".join([f"waiting, for {minutes} min at most:", *told]))
        former = told
        time.sleep(BETWEEN_LOOKS)
    fleet.report.note("", f"nobody else is at work on {', '.join(fleet.names)}")


def obstacles(fleet: Fleet) -> list[str]:
    """Return, in words, who else is at work on hosts, and who has frozen them."""
    others = [name for name in fleet.names if name not in fleet.connections.locked]
    found = {name: answer.message["holder"] for name, answer in asked(fleet, others).items()}
    fleet.connections.refresh(fleet.names)
    told = [f"{name}: {at_work(holder)}" for name, holder in found.items() if holder]
    return told + [f"{name}: frozen by {held(hold)}" for name in fleet.names if (hold := fleet.facts(name).hold)]


def asked(fleet: Fleet, names: Sequence[str]) -> dict[str, Answer]:
    """Return the answers of hosts to the question who holds their lock.

    :raises HawserError: one does not answer.
    """
    answers: dict[str, Answer] = {}
    for name, answer in fleet.each("holder", {name: {} for name in names}).items():
        if isinstance(answer, HawserError):
            raise answer
        answers[name] = answer
    return answers


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
