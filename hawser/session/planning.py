"""What a dry run finds, kept for review; and a run that is held to it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..answers.messages import Message
from ..resources import Catalog

# What a run may find changed; nothing else is.
OPEN = ("would_change", "unknown")
# What says who does it, from where and when: another one may apply a plan than has made it.
WHO, OF_WHOM = "entry", ("HAWSER_WHO", "HAWSER_FROM")


class PlannedRow(NamedTuple):
    """What a dry run has found about one resource of one host.

    :param status: ``ok``, ``would_change`` or ``unknown``.
    :param digest: a keyed digest of what is wanted, and of what is there instead.
    """

    step: str
    label: str
    status: str
    digest: str


class Recorder:
    """Takes down what a dry run finds on each host, in its order, without the records of the run.

    :param digest: makes a keyed digest of a text, for catalogs hold secrets.
    :ivar revisions: the commits that were looked up, by what was asked for.
    """

    def __init__(self, digest: Callable[[str], str]) -> None:
        self.digest = digest
        self.rows: dict[str, list[PlannedRow]] = {}
        self.revisions: dict[str, str] = {}

    def recording(self, name: str, catalog: Catalog, heard: Callable[[Message], None]) -> Callable[[Message], None]:
        """Return the function that takes the messages about a catalog on a host, and passes them on."""
        wanted, mine = catalog.to_wire(), self.rows.setdefault(name, [])
        unknown: set[int] = set()

        def hear(message: Message) -> None:
            if message["t"] == "event" and message["position"] not in catalog.records:
                row: Mapping[str, Any] = wanted[message["position"]]  # type: ignore[assignment]
                status = str(message["status"])
                # What follows up something unknown is not known either, nor what goes by what comes before it: there
                # are more releases when a new one is there.
                momentary = catalog.items[message["position"]].resource.momentary
                later = momentary and any(each.status in OPEN for each in mine)
                if status == "ok" and (later or unknown.intersection(row.get("when") or ())):
                    status = "unknown"
                if status == "unknown":
                    unknown.add(message["position"])
                found = [message.get("diff"), message.get("note")] if status == "would_change" else []
                digest = self.digest(json.dumps([_wish(row), *found]))
                mine.append(PlannedRow(str(message["step"]), str(message["label"]), status, digest))
            heard(message)

        return hear


class Guard:
    """Has hosts change nothing but what a plan says, until something has failed: then they are put back.

    :param rows: those of the plan, by host.
    """

    def __init__(self, rows: Mapping[str, Sequence[PlannedRow]]) -> None:
        self._open: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for name, those in rows.items():
            self._open[name] = {(each.step, each.label) for each in those if each.status in OPEN}
        self._lifted = False

    def held(self, name: str, catalog: Catalog) -> Catalog:
        """Return a catalog in which everything is held as it is that the plan does not change."""
        if self._lifted:
            return catalog
        planned = self._open[name]
        fast = {
            position
            for position, item in enumerate(catalog.items)
            if position not in catalog.records and (item.step, item.resource.label) not in planned
        }
        return replace(catalog, held=frozenset(fast))

    def lift(self) -> None:
        """Hold hosts to the plan no longer."""
        self._lifted = True


def _wish(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of a catalog wants, whoever wants it."""
    wished = {key: value for key, value in row.items() if key != WHO}
    if isinstance(row.get("env"), Mapping):
        wished["env"] = {name: value for name, value in row["env"].items() if name not in OF_WHOM}
    return wished


def differences(then: Sequence[PlannedRow], now: Sequence[PlannedRow]) -> list[str]:
    """Return, in words, how what a dry run finds on a host differs from what it found when the plan was made."""
    told: list[str] = []
    before, after = _by_name(then), _by_name(now)
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, []), after.get(key, [])
        if [each[2:] for each in old] == [each[2:] for each in new]:
            continue
        told.append(f"{key[0]}: {key[1]} {_turn(old, new)}")
    return told


def _by_name(rows: Collection[PlannedRow]) -> dict[tuple[str, str], list[PlannedRow]]:
    found: dict[tuple[str, str], list[PlannedRow]] = {}
    for each in rows:
        found.setdefault((each.step, each.label), []).append(each)
    return found


def _turn(old: Sequence[PlannedRow], new: Sequence[PlannedRow]) -> str:
    """Say what has become of a resource."""
    if not old or not new:
        return "is new" if new else "is gone"
    then, now = ({each.status for each in rows} - {"ok"} for rows in (old, new))
    if now and not then:
        return "was as wanted, and is not now"
    if then and not now:
        return "was to be changed, and is as wanted now"
    return "would be changed otherwise: what is there, or what is wanted, is something else"
