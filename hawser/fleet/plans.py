"""Plans: what some tasks would change, as a file that somebody reviews, and that counts as it was saved."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HawserError
from ..host.release import short
from ..installed import this_version
from ..session import locks
from ..session.planning import OPEN, PlannedRow, Recorder, differences
from ..session.session import Session
from ..signatures import PLAN, Signer

# Bytes of a file, and resources of a host that are named where a plan no longer holds.
LONGEST, MOST_NAMED = 1 << 26, 5
KEYS = ("plan", "environment", "hosts", "tasks", "by", "made", "hawser", "settings", "secrets", "revisions", "rows")
# A task, and its options.
Call = tuple[str, Mapping[str, object]]


@dataclass(frozen=True)
class Plan:
    """What some tasks would change.

    :param hosts: those that ``-H`` named.
    :param by: who has made it, where.
    :param made: when, in seconds since 1970.
    :param hawser: the Hawser that has made it.
    :param settings: a keyed digest of the environment's settings and the team's templates.
    :param secrets: a keyed digest of the secrets.
    :param revisions: the commits that were looked up, by what was asked for.
    :param rows: by host, what is wanted and whether it is there.
    """

    environment: str
    hosts: tuple[str, ...]
    tasks: tuple[Call, ...]
    by: str
    made: float
    hawser: str
    settings: str
    secrets: str
    revisions: Mapping[str, str]
    rows: Mapping[str, Sequence[PlannedRow]]

    @property
    def command(self) -> str:
        return " ".join(name for name, _options in self.tasks)

    @property
    def changes(self) -> dict[str, int]:
        """How many resources it changes, or may change, by host."""
        return {name: sum(each.status in OPEN for each in rows) for name, rows in self.rows.items()}

    def text(self, signer: Signer) -> str:
        """Return the file: JSON, signed."""
        body = {
            "plan": 1,
            "environment": self.environment,
            "hosts": list(self.hosts),
            "tasks": [[name, dict(options)] for name, options in self.tasks],
            "by": self.by,
            "made": self.made,
            "hawser": self.hawser,
            "settings": self.settings,
            "secrets": self.secrets,
            "revisions": dict(self.revisions),
            "rows": {name: [list(each) for each in rows] for name, rows in self.rows.items()},
        }
        return json.dumps(signer.signed(PLAN, body), indent=1) + "\n"

    @classmethod
    def of(cls, session: Session, recorder: Recorder, tasks: Sequence[Call]) -> Plan:
        """Return the plan of a dry run."""
        signer, environment = signer_of(session), session.environment
        settings = [environment.model_dump(mode="json"), session.templates.own, dict(session.addresses)]
        return cls(
            environment.name,
            tuple(session.selection.hosts),
            tuple(tasks),
            f"{locks.operator()} on {session.entry['from']}",
            round(time.time(), 3),
            this_version(),
            signer.digest(json.dumps(settings)),
            signer.digest(json.dumps(sorted(session.secrets.values.items()))),
            recorder.revisions,
            recorder.rows,
        )

    @classmethod
    def read(cls, path: Path, session: Session) -> Plan:
        """Read a plan.

        :raises HawserError: it is none, of another environment or of other hosts; or one byte of it is not ours.
        """
        signer = signer_of(session)
        try:
            with path.open("rb") as stream:
                text = stream.read(LONGEST + 1).decode()
            content: dict[str, Any] = json.loads(text)
            body = {key: content[key] for key in KEYS}
        except OSError as error:
            raise HawserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", code=2) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HawserError(f"{path} is no plan", next="make one: plan --save FILE TASKS", code=2) from None
        # The signature of a text is always the same one.
        if body["plan"] != 1 or text != json.dumps(signer.signed(PLAN, body), indent=1) + "\n":
            raise HawserError(
                f"{path} was edited, or signed with another key than HAWSER_SIGNING_KEY of {session.environment.name}; "
                "nothing was touched",
                next="have the plan made anew",
                code=2,
            )
        return cls(
            body["environment"],
            tuple(body["hosts"]),
            tuple((name, options) for name, options in body["tasks"]),
            body["by"],
            body["made"],
            body["hawser"],
            body["settings"],
            body["secrets"],
            body["revisions"],
            {name: [PlannedRow(*each) for each in rows] for name, rows in body["rows"].items()},
        )

    def save(self, path: Path, signer: Signer) -> None:
        """Write the file, in one step.

        :raises HawserError: it cannot be written.
        """
        temporary = ""
        try:
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".plan")
            with os.fdopen(descriptor, "w") as stream:
                stream.write(self.text(signer))
            Path(temporary).replace(path)
        except OSError as error:
            with suppress(OSError):
                Path(temporary).unlink()
            raise HawserError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}", code=2) from None

    def changed_since(self, now: Plan) -> list[str]:
        """Say what has changed since the plan was made.

        :param now: the plan of the same tasks as of now.
        """
        told = []
        if self.hawser != now.hawser:
            told.append(f"Hawser: it was {self.hawser}, and is {now.hawser}")
        if self.settings != now.settings:
            told.append("the settings: the environment file, a template, or an address of a host")
        if self.secrets != now.secrets:
            told.append("the secrets")
        for wanted in dict.fromkeys([*self.revisions, *now.revisions]):
            then, today = (short(each.revisions.get(wanted, "nothing")) for each in (self, now))
            if then != today:
                told.append(f"the commit: {wanted} was {then}, and is {today}")
        for name in dict.fromkeys([*self.rows, *now.rows]):
            found = differences(self.rows.get(name, ()), now.rows.get(name, ()))
            told += [f"{name}: {each}" for each in found[:MOST_NAMED]]
            if len(found) > MOST_NAMED:
                told.append(f"{name}: and {len(found) - MOST_NAMED} more")
        return told


def signer_of(session: Session) -> Signer:
    """Return the signer of plans.

    :raises HawserError: there is no key yet.
    """
    signer = session.secrets.signer
    if signer is None:
        name = session.environment.name
        raise HawserError(
            f"{name} has no HAWSER_SIGNING_KEY yet, by which plans are signed",
            next=f"fab -H {session.environment.name} bootstrap",
        )
    return signer
