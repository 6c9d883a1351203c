"""What of a rollout the helper of a deploy user would not do: it is known before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence

from hawser.answers.messages import EventRow
from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host.release import Release
from hawser.steps import StepLike

# As the helper begins it; see `hawser.runner.engine`.
NEEDS = "needs an administrator"


def require_allowed(fleet: Fleet, wanted: Release, steps: Sequence[StepLike]) -> None:
    """Stop where a deploy user may not have done all that a rollout does on its hosts.

    :param steps: those of a switch and of what follows it.
    :raises HawserError: names hosts and resources, and who may.
    """
    if fleet.environment.ssh.admin is None or fleet.session.as_admin or fleet.dry:
        return

    def refusal(event: EventRow) -> str:
        note = event.get("note", "")
        return f"  {event['label']}: {note.partition(': ')[2]}" if note.startswith(NEEDS) else ""

    told: dict[str, list[str]] = {}
    for name, lines in fleet.foresee(steps, wanted, refusal).items():
        if lines:
            told.setdefault("\n".join(lines), []).append(name)
    if told:
        lines = [f"{', '.join(names)}:\n{text}" for text, names in told.items()]
        raise HawserError(
            "\n".join(["this needs an administrator once; nothing was touched", *lines]),
            next=f"fab -H {fleet.environment.name} --as-admin deploy",
        )
