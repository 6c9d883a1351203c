"""The facts of a host: of the machine, and of the application on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..answers import kinds, messages, records


@dataclass(frozen=True)
class Facts:
    """The facts of a host: of the machine, and of the application on it.

    :param process_inputs: what the processes of the current release read, as its `Release` has it.
    :param hawser: the Hawser that made the current release; empty where it was too old to say so.
    :param around: what was used with the current release and is not kept, as its `Release` has it.
    :param processes: one mapping per process definition: process, unit, manager, release and what it reads, state,
        active, seconds, live.
    :param live: by process the colour that serves.
    :param astray: the processes whose link in the run folder leads elsewhere.
    :param since: when the current release began to serve, in seconds since the epoch.
    :param generated: the names of the generated secrets that it was set up with.
    :param bootstrapped: whether it was made ready for this application.
    :param set_up: with which settings, as the id of a release of them; empty where nobody has written it down.
    :param set_up_for: a digest of what the settings said of it then, and
    :param made_for: of what they said when the current release was rolled out.
    :param damaged: the paths of its records of which nobody knows what they said.
    :param ipv6: whether programs can listen on addresses of IPv6.
    :param nginx: the version of its nginx; empty where there is none.
    :param closed: whether the site shows its maintenance page.
    :param once: the commands that run once per environment, and have.
    :param restores: the journals of the restores of databases that were not completed.
    :param signing: the public key with which what it keeps was signed when it was last deployed to.
    :param begun: the youngest rollout that it has had a journal of, as `journal.beginning` gives it.
    :param interpreter: the Python of the current release, where pip has filled its environment and not uv.
    :param gone_python: the Python of the current release's environment, where the host has it no more.
    :param taken: the files of others that stand where the application would write its own.
    :param hold: who has frozen what is deployed, since when, and why.
    """

    hostname: str = ""
    os: messages.System = field(default_factory=messages.System)
    machine: str = ""
    python: kinds.Version = ""
    systemd: bool = True
    disk_free: kinds.Size = 0
    disk_total: kinds.Size = 0
    clock: kinds.Moment = 0.0
    offset: kinds.Offset = 0
    uid: kinds.Size = 0
    ipv6: bool = True
    nginx: kinds.Version = ""
    current: kinds.NameOrNone = ""
    commit: kinds.NameOrNone = ""
    process_inputs: kinds.NameOrNone = ""
    hawser: kinds.NameOrNone = ""
    around: kinds.NameOrNone = ""
    previous: kinds.NameOrNone = ""
    releases: kinds.FewFacts[kinds.Name] = ()
    live: messages.Live = field(default_factory=dict)
    astray: kinds.FewFacts[kinds.Name] = ()
    processes: kinds.ManyFacts[messages.ProcessRow] = ()
    journal: records.JournalAsWritten | None = None
    hold: records.Entry | None = None
    restores: kinds.FewFacts[records.OpenRestore] = ()
    since: kinds.Moment = 0.0
    generated: kinds.FewFacts[kinds.Name] = ()
    bootstrapped: bool = False
    set_up: kinds.NameOrNone = ""
    set_up_for: kinds.NameOrNone = ""
    made_for: kinds.NameOrNone = ""
    damaged: kinds.FewFacts[kinds.Text] = ()
    closed: bool = False
    once: kinds.FewFacts[kinds.Name] = ()
    signing: kinds.PublicKey = ""
    begun: kinds.Size = 0
    interpreter: kinds.Text = ""
    gone_python: kinds.Text = ""
    taken: kinds.ManyFacts[messages.TakenName] = ()

    @classmethod
    def from_wire(cls, row: object) -> Facts:
        """Read the runner's greeting.

        :raises ValueError: these are no facts.
        """
        if not isinstance(row, Mapping) or not isinstance(own := row.get("app"), Mapping):
            raise ValueError("facts of the application are missing")
        found: Facts = kinds.adapter(cls).validate_python({**row, **own})
        return found

    @property
    def lacks_python(self) -> str:
        """Say that the Python of the current release's environment is gone; empty where it is there."""
        return f"{self.gone_python}, with which its environment was made, is there no more" if self.gone_python else ""

    def release_of(self, unit: str, manager: str) -> str:
        """Return the release that a unit's definition belongs to, empty when its manager has no such unit."""
        row = self.defined(unit, manager)
        return str(row["release"]) if row else ""

    def defined(self, unit: str, manager: str) -> messages.ProcessRow | None:
        """Return the row of a unit; None when its manager has no such unit."""
        return next((row for row in self.processes if (row["unit"], row["manager"]) == (unit, manager)), None)
