"""A plan: what tasks would change, saved for review; and its application, which changes that and nothing else."""

from __future__ import annotations

from pathlib import Path

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.plans import Plan, signer_of
from hawser.session.planning import Guard, Recorder
from hawser.session.session import Session
from hawser.steps import fleet_task


@fleet_task(plans=True, help={"save": "the file of the plan; without it, it is shown only"})
def plan(fleet: Fleet, save: str = "") -> None:
    """Show what the tasks behind it would change, as with -R, and save that for `apply`."""
    session = fleet.session
    if not session.following:
        raise HawserError("name the tasks of the plan behind it: plan --save FILE deploy", code=2)
    if not save:
        return
    signer = signer_of(session)
    session.recorder = Recorder(signer.digest)

    def keep() -> None:
        assert session.recorder is not None
        made = Plan.of(session, session.recorder, session.following)
        made.save(Path(save), signer)
        told = ", ".join(f"{count} on {name}" for name, count in made.changes.items() if count) or "none"
        target = target_of(session)
        fleet.report.note("", f"{save}: changes: {told}; after the review: fab -H {target} apply {save}")

    session.at_end = keep


@fleet_task(positional=["file"], help={"file": "what `plan --save` has written"})
def apply(fleet: Fleet, file: str) -> None:
    """Do what a plan says, and nothing else.

    It is refused when a host, the commit, the settings, the secrets or Hawser have changed since it was made; what
    somebody changes on a host in the meantime stays as it is, and fails.
    """
    session = fleet.session
    wanted = Plan.read(Path(file), session)
    if (wanted.environment, set(wanted.hosts)) != (fleet.environment.name, set(fleet.names)):
        target = ",".join(f"{wanted.environment}/{name}" for name in wanted.hosts)
        raise HawserError(f"{file} is a plan for other hosts;", next=f"fab -H {target} apply {file}", code=2)
    fleet.report.note("", f"{file}: {wanted.command}, planned by {wanted.by}")
    fleet.lock()
    refuse_changed(session, wanted, file)
    if not fleet.dry:
        session.guard = Guard(wanted.rows)
    assert session.perform is not None
    session.perform(session, wanted.tasks)


def refuse_changed(session: Session, wanted: Plan, file: str) -> None:
    """Refuse a plan that would be another one now.

    :raises HawserError: says what has changed.
    """
    look = Session(session.config, session.names, session.command, silent=True)
    # Whoever was asked for a PIN is not asked again.
    look.sources = session.sources
    try:
        look.recorder = Recorder(signer_of(look).digest)
        assert session.perform is not None
        session.perform(look, wanted.tasks)
        told = wanted.changed_since(Plan.of(look, look.recorder, wanted.tasks))
    finally:
        look.connections.close()
    if told:
        lines = [f"{file} was made when things were different; nothing was touched. Changed since:"]
        target = target_of(session)
        next_move = f"fab -H {target} plan --save {file} {wanted.command}, and another review"
        raise HawserError("\n".join([*lines, *(f"  {each}" for each in told)]), next=next_move)


def target_of(session: Session) -> str:
    """Return what is typed after ``-H`` for the hosts of a run."""
    environment, names = session.environment, session.selection.hosts
    return environment.target() if set(names) == set(environment.hosts) else environment.target(*names)
