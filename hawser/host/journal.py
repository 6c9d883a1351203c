"""The record that a rollout keeps on its hosts while it is open: its subject, its progress, the way back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..answers.kinds import adapter
from ..report.text import hearsay
from ..resources import JSON

if TYPE_CHECKING:
    from .facts import Facts

# How far ahead of this machine a host's clock may be before it is not believed, in seconds.
AHEAD = 86400
PREPARE, MIGRATE, SWITCH, PUT_BACK = "prepare", "migrate", "switch", "put back"
REPAIR, UPGRADE = "repair", "upgrade"
# The rollouts of a release where it serves already.
AGAIN = (REPAIR, UPGRADE)


@dataclass(frozen=True)
class Record:
    """A rollout in the words of a host's journal.

    :param release: the release that the hosts shall serve.
    :param what: ``deploy``, ``rollback``, ``repair`` or ``upgrade``.
    :param by: who began it, from where and when; the same on all hosts.
    :param hosts: those that shall serve it.
    :param phase: how far the host has come; ``put back``: it returns to what it served before.
    :param before: what the host served when the last rollout that was completed had ended, and
    :param previous: what it served before that.
    :param waits: the hosts on which it is not complete yet, though it ended; empty while it is under way.
    :param complete: this host itself has nothing left to do.
    :param migrations: the database is migrated for it, and
    :param migrated: that was done.
    :param accepted: migrations that running code may not survive were accepted.
    :param maintenance: the site is closed for migration and switch.
    :param closed: its maintenance page was put there by this rollout.
    :param risky: the migrations that were begun and that the code of before may not survive.
    :param failed: why it failed; empty when it was broken off.
    :param anew: the hosts whose processes start anew, also where they are those of the release already.
    :param begun: its place among all rollouts, as `beginning` gives it; 0 where an older version has begun it.
    """

    release: str
    commit: str = ""
    what: str = "deploy"
    by: str = ""
    hosts: tuple[str, ...] = ()
    phase: str = PREPARE
    before: str = ""
    previous: str = ""
    waits: tuple[str, ...] = ()
    complete: bool = False
    migrations: bool = True
    migrated: bool = False
    accepted: bool = False
    maintenance: bool = False
    closed: bool = False
    risky: str = ""
    failed: str = ""
    since: str = ""
    anew: tuple[str, ...] = ()
    begun: int = 0

    @classmethod
    def of(cls, facts: Facts) -> Record | None:
        """Read the journal of a host; None when no rollout is open there.

        It may be none of ours: its words are told as the host's.
        """
        if facts.journal is None:
            return None
        known = {each.name for each in dataclasses.fields(cls)}
        values = {name: _told(value) for name, value in facts.journal.items() if name in known}
        found: Record = adapter(cls).validate_python(values)
        return found

    def on(self, facts: Facts) -> Record:
        """Return it as one host keeps it: with the release to which that host reverts."""
        known = Record.of(facts)
        if known is not None and not known.complete:
            # A rollout that never ended is none to go back to.
            return dataclasses.replace(self, before=known.before, previous=known.previous, since="")
        return dataclasses.replace(self, before=facts.current, previous=facts.previous, since="")

    def entry(self) -> dict[str, JSON]:
        """Return it as the host writes it down."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name != "since"
        }


def _told(value: object) -> object:
    return hearsay(value) if isinstance(value, str) else value


def beginning(facts: Mapping[str, Facts], names: Sequence[str]) -> int:
    """Return where a rollout that begins now stands among all others: after every one that these hosts know of.

    These are seconds since the epoch by the clock of one host: those of the machines from which people deploy differ. A
    host that names a moment far ahead is not believed, or no later rollout could come after it.

    :param facts: what the hosts that answer have said.
    :param names: hosts, the one whose clock counts first; one that does not answer is passed over.
    """
    known = [record.begun for each in facts.values() if (record := Record.of(each))]
    known += [each.begun for each in facts.values()]
    clock = next((facts[name].clock for name in names if name in facts), 0.0)
    return max(int(believable(clock)), *(int(believable(begun)) + 1 for begun in known), 1)


def believable(moment: float) -> float:
    """Return a moment that a host names; 0 where it lies far ahead of our own clock."""
    return moment if 0 <= moment <= time.time() + AHEAD else 0


def latest(records: dict[str, Record]) -> Record | None:
    """Return the rollout that counts where hosts have journals of several: the youngest that covers all others.

    :param records: by host.
    :returns: None when there is none such.
    """
    # `by` ends with the time of its start, which is all that older versions have written down.
    newest = max(records.values(), key=lambda record: (record.begun, record.by.rpartition(" ")[2]))
    same = [record for record in records.values() if record.by == newest.by]
    others = {name for name, record in records.items() if record.by != newest.by}
    if not others <= set(newest.hosts):
        return None
    # Once one host is on its way back, all are.
    return next((record for record in same if record.phase == PUT_BACK), newest)
