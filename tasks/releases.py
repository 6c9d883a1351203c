"""The releases that hosts keep, and the history of deploys."""

from __future__ import annotations

import calendar
import dataclasses
import re
import time
from collections.abc import Mapping

from hawser.answers import reading
from hawser.answers.rows import KeptRelease
from hawser.errors import HawserError
from hawser.fleet import kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import current_releases
from hawser.host import Host
from hawser.host.code import repository_access
from hawser.host.release import short
from hawser.report.text import shorten
from hawser.resources import Prune, Resources
from hawser.runner.processes.cron import LATEST
from hawser.steps import fleet_task, step

from .status import span

# Seconds, as an entry of the history has them.
NUMBER = re.compile("[0-9]{1,9}")
# What an entry of the history says, for programs; which Hawser it was, people ask for seldom.
WORDS = ("started", "what", "who", "from", "release", "result", "hawser")
# Characters of the subject of a commit in the table.
LONGEST_SUBJECT = 60
# Who is at work, as a journal has it (`hawser.tasks.deploy.roll_out`).
BY = re.compile(r"(\S+) on (\S+) at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


@fleet_task(name="list")
def listing(fleet: Fleet) -> None:
    """Show the releases that each host keeps, the youngest first, and which of them have served."""
    found = fleet.needing_code().ask_all(reading.RELEASES, {"root": fleet.environment.app.root})
    rows = [[name, *row(each)] for name, releases in found.items() for each in releases]
    none = f"no release is kept yet; next: fab -H {fleet.environment.name} deploy"
    fleet.report.table("releases", ["host", "release", "commit", "age", "size", "state"], rows, empty=none)


@fleet_task(help={"keep": "how many releases that have served stay on each host; default: app.keep"})
def prune(fleet: Fleet, keep: int = 0) -> None:
    """Remove old releases and environments; the one that serves and the one before stay, what never served goes."""
    if keep and keep < 2:
        raise HawserError("at least 2 releases stay: the one that serves and the one before", code=2)
    serving = current_releases(fleet.needing_code())
    if not keep:
        keep = fleet.environment.app.keep
    app = fleet.environment.app.model_copy(update={"keep": keep})
    environment = fleet.environment.model_copy(update={"app": app})
    fleet.subset(list(serving)).apply(
        [old],
        {name: dataclasses.replace(release, environment=environment) for name, release in serving.items()},
        "prune",
    )


@step()
def old(host: Host) -> Resources:
    """Remove the releases that are too many, and the environments that only they need."""
    if host.runs_code:
        yield Prune(host.root, host.app.keep)


@fleet_task(help={"yes": "do not ask"})
def sign(fleet: Fleet, yes: bool = False) -> None:
    """Show what hosts keep that we did not sign and, when confirmed, let it count for the very host that keeps it."""
    there = fleet.reachable()
    kept.ready(there)
    found = [each for name in there.names for each in kept.inventory(there, name)]
    if found:
        rows = [
            [each.host, each.release, each.path, each.standing.value, kept.differences(fleet, each)] for each in found
        ]
        fleet.report.table("not signed", ["host", "release", "file", "why", "differs from today in"], rows)
    else:
        fleet.report.note("", f"all that {', '.join(there.names)} keep is signed")
    if fleet.dry or (not found and all(fleet.facts(name).signing for name in there.names)):
        return
    if found and not yes and not confirmed(fleet):
        raise HawserError("nothing was signed")
    kept.accept(there, found)


def confirmed(fleet: Fleet) -> bool:
    """Ask whether what was shown shall count.

    :raises HawserError: nobody is there to say.
    """
    fleet.report.pause()
    try:
        return input("Shall each count for the host that keeps it? Type yes: ").strip() == "yes"
    except EOFError:
        raise HawserError(
            "nobody is there to say whether this shall count",
            next=f"look at the files, then: fab -H {fleet.environment.name} releases.sign --yes",
        ) from None


@fleet_task(help={"lines": "how many entries of each host"})
def history(fleet: Fleet, lines: int = 20) -> None:
    """Show who released what, when, from where, how long it took and with which result, the latest first."""
    hosts: dict[tuple[str, ...], list[str]] = {}
    seconds: dict[tuple[str, ...], str] = {}
    subjects: dict[tuple[str, ...], str] = {}
    there = fleet.needing_code()
    # Of a package, no host has the commits.
    app, (leader,) = fleet.environment.app, fleet.leader().names
    mirror = "" if app.package else repository_access(fleet.host(leader))["mirror"]
    for name, found in there.ask_all(reading.HISTORY, {"lines": lines, "mirror": mirror}).items():
        for entry in found:
            who, place, started = whence(entry)
            key = (
                started,
                str(entry.get("what", "")),
                who,
                place,
                str(entry.get("release", "")),
                str(entry.get("result", "ok")) + (f", without {entry['without']}" if entry.get("without") else ""),
                str(entry.get("hawser", "")),
            )
            hosts.setdefault(key, []).append(name)
            seconds[key] = str(entry.get("seconds", ""))
            # Not every host needs to have fetched it.
            subjects[key] = subjects.get(key) or str(entry.get("subject", ""))
    took = {key: span(int(each)) if NUMBER.fullmatch(each) else "" for key, each in seconds.items()}
    latest = sorted(hosts, reverse=True)[:lines]
    rows = [
        [local(key[0]), *key[1:5], shorten(subjects[key], LONGEST_SUBJECT), ", ".join(hosts[key]), took[key], key[5]]
        for key in latest
    ]
    # In UTC, and to the second, as it was written down.
    records = [
        {
            **dict(zip(WORDS, key, strict=True)),
            "subject": subjects[key],
            "hosts": hosts[key],
            "seconds": int(seconds[key]) if took[key] else None,
        }
        for key in latest
    ]
    columns = ["when", "what", "who", "from", "release", "subject", "hosts", "took", "result"]
    none = f"nothing has been deployed yet; next: fab -H {fleet.environment.name} bootstrap deploy"
    fleet.report.table("history", columns, rows, records, empty=none)


def whence(entry: Mapping[str, object]) -> tuple[str, str, str]:
    """Return who an entry of the history is by, from where, and since when.

    Of a rollout that was broken off, the one after it has noted all three as the journal has them, in one sentence.
    """
    who, place = str(entry.get("who", "")), str(entry.get("from", ""))
    started = str(entry.get("started") or entry.get("at", ""))
    found = BY.fullmatch(who) if not place else None
    return (found[1], found[2], found[3]) if found else (who, place, started)


def local(moment: str) -> str:
    """Write a time of the history as people here do: in their zone, to the minute; what is none stays as it is."""
    try:
        seconds = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return moment
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(min(max(seconds, 0), int(LATEST))))


def row(release: KeptRelease) -> list[str]:
    """Return one release's line of the table."""
    age = span(int(time.time() - release["built"]))
    state = release["state"] + (f"; why: {release['failure']}" if release["failure"] else "")
    return [release["id"], short(release["commit"]), age, f"{release['size'] / 2**20:.1f} MiB", state]
