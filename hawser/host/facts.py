"""What a host says of itself, and of the application on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import answers


@dataclass(frozen=True)
class Facts:
    """What a host says of itself, and of the application on it.

    :param processes: one mapping per process definition: process, unit, manager, release, state, active, seconds, live.
    :param live: by process the colour that serves.
    :param astray: the processes whose link in the run folder leads elsewhere.
    :param since: when the current release began to serve, in seconds since the epoch.
    :param generated: the names of the generated secrets that it was set up with.
    :param bootstrapped: whether it was made ready for this application.
    :param damaged: the paths of its records of which nobody knows what they said.
    :param closed: whether the site shows its maintenance page.
    :param once: the commands that run once per environment, and have.
    :param restores: the journals of the restores of databases that were not completed.
    :param signing: the public key with which what it keeps was signed when it was last deployed to.
    :param begun: the youngest rollout that it has had a journal of, as `journal.beginning` gives it.
    :param interpreter: the Python of the current release, where pip has filled its environment and not uv.
    :param hold: who has frozen what is deployed, since when, and why.
    """

    hostname: str = ""
    os: answers.System = field(default_factory=answers.System)
    machine: str = ""
    python: answers.Version = ""
    systemd: bool = True
    disk_free: answers.Size = 0
    disk_total: answers.Size = 0
    clock: answers.Moment = 0.0
    uid: answers.Size = 0
    current: answers.NameOrNone = ""
    commit: answers.NameOrNone = ""
    previous: answers.NameOrNone = ""
    releases: answers.FewFacts[answers.Name] = ()
    live: answers.Live = field(default_factory=dict)
    astray: answers.FewFacts[answers.Name] = ()
    processes: answers.ManyFacts[answers.ProcessRow] = ()
    journal: answers.JournalAsWritten | None = None
    hold: answers.Entry | None = None
    restores: answers.FewFacts[answers.OpenRestore] = ()
    since: answers.Moment = 0.0
    generated: answers.FewFacts[answers.Name] = ()
    bootstrapped: bool = False
    damaged: answers.FewFacts[answers.Text] = ()
    closed: bool = False
    once: answers.FewFacts[answers.Name] = ()
    signing: answers.PublicKey = ""
    begun: answers.Size = 0
    interpreter: answers.Text = ""

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Facts:
        """Read the runner's greeting.

        :raises ValueError: these are no facts.
        """
        own = row.get("app") if isinstance(row, Mapping) else None
        if not isinstance(own, Mapping):
            raise ValueError("facts of the application are missing")
        found: Facts = answers.adapter(cls).validate_python({**row, **own})
        return found

    def release_of(self, unit: str, manager: str) -> str:
        """Return the release that a unit's definition belongs to, empty when its manager has no such unit."""
        rows = (row for row in self.processes if (row["unit"], row["manager"]) == (unit, manager))
        return next((str(row["release"]) for row in rows), "")
