"""Repair: what was changed by hand is put right by a rollout of the very release that serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hawser.errors import HawserError, StepFailed
from hawser.fleet import access, kept
from hawser.fleet.comparison import SERVES, SET_UP, Comparison, Difference, as_set_up
from hawser.fleet.fleet import Fleet
from hawser.fleet.references import Reference, only_release
from hawser.host import Host
from hawser.host.journal import REPAIR, Record
from hawser.host.release import Release
from hawser.resources import File, Resource, Running
from hawser.steps import Step, StepLike, fleet_task, own_steps

from . import bootstrap, builds, code, config, deploy, drift, managers, release, sshd, venv, volumes
from .services import SERVICES

# What processes have read, or run on, since they started.
READ = [
    step.title
    for step in (
        *(code.pull, builds.make, venv.python, venv.build, config.install, release.build),
        managers.systemd.only_ours,
    )
]
# The steps of `bootstrap` without which no release can be built.
EARLY: Sequence[StepLike] = [bootstrap.packages, bootstrap.account, volumes.install, bootstrap.tools]
NEWS = (
    "secrets, or hosts of the settings, have changed since, and a repair would bring that to some hosts alone; nothing "
    "was touched"
)


@dataclass(frozen=True)
class AsSetUp:
    """A step of `bootstrap`, with the settings with which each host was set up.

    :param made: them, by host; other hosts are left alone.
    """

    step: StepLike
    made: Mapping[str, Reference]

    @property
    def title(self) -> str:
        return self.step.title

    @property
    def bookkeeping(self) -> bool:
        return self.step.bookkeeping

    def resources(self, host: Host) -> Iterator[Resource]:
        """Return the resources of the step on a host, as it was set up."""
        if host.name in self.made:
            yield from self.step.resources(as_set_up(host.today or host, self.made[host.name]))


@fleet_task()
def repair(fleet: Fleet) -> None:
    """Put right what `drift` shows: roll the release that serves out once more where something differs, batch by batch.

    Nothing new comes: neither another commit, nor settings that were not deployed yet.
    """
    there = fleet.required_hosts()
    there.lock()
    kept.ready(there)
    compared = drift.compare(there)
    if errors := [each.error for each in compared if each.error]:
        raise errors[0]
    wrong = [each for each in compared if each.drift]
    report_unknown(there, compared)
    require_known(there, wrong)
    if not wrong:
        fleet.report.note("", f"{', '.join(there.names)}: nothing is known to differ; nothing to do")
        return
    for each in wrong:
        labels = ", ".join(row.event.label for row in each.drift)
        fleet.report.note(each.host, f"puts right: {labels}")
    made = made_of(wrong)
    refuse_news(there, wrong, made)
    wanted = release_of(there, wrong)
    access.require_way_back(there.subset([*made]))
    rolled = [each.host for each in wrong if SERVES in each.known and there.host(each.host).runs_code]
    rest = [each.host for each in wrong if each.host not in rolled]
    if rest:
        steps = [*EARLY, *later(made), *drift.WITHOUT_RELEASE]
        there.subset(rest).apply([AsSetUp(step, made) for step in steps], phase="repair")
    if wanted is not None:
        hosts = there.subset(rolled)
        anew = tuple(each.host for each in wrong if each.host in rolled and begins_anew(each))
        record = Record(wanted.id, wanted.commit, REPAIR, migrations=False, anew=anew)
        early: list[StepLike] = [*(AsSetUp(step, made) for step in EARLY), bootstrap.folders]
        before: list[StepLike] = [*(AsSetUp(step, made) for step in later(made)), managers.systemd.only_ours]
        deploy.roll_out(hosts, wanted, record, hosts.names, again=True, early=early, before=before)
        fleet.session.progress.end_anew()
    sshd.bring(there.subset([*made]))
    if not fleet.dry:
        prove(there.subset([each.host for each in wrong]))


def report_unknown(fleet: Fleet, compared: Sequence[Comparison]) -> None:
    """Warn of what is left alone, for nobody knows how it was."""
    for each in compared:
        for text in each.unknown:
            fleet.report.note(each.host, f"not compared: {text}", "warning")
        labels = ", ".join(row.event.label for row in each.found if row.doubt)
        if labels:
            fleet.report.note(each.host, f"not known to differ, so left alone: {labels}", "warning")


def require_known(fleet: Fleet, wrong: Sequence[Comparison]) -> None:
    """Stop where a host serves a release of which nothing is known.

    :raises HawserError: names those hosts, and why.
    """
    strange = [each for each in wrong if fleet.facts(each.host).current and SERVES not in each.known]
    if strange:
        told = "\n".join(f"  {each.host}: {'; '.join(each.unknown)}" for each in strange)
        raise HawserError(f"what serves is not known, so nothing was touched:\n{told}")


def made_of(wrong: Sequence[Comparison]) -> dict[str, Reference]:
    """Return the settings with which hosts were set up on which something of that differs."""
    return {each.host: each.known[SET_UP] for each in wrong if any(row.part == SET_UP for row in each.drift)}


def later(made: Mapping[str, Reference]) -> Iterator[StepLike]:
    """Yield the steps of `bootstrap` that may restart something, each host in its turn.

    :param made: the settings with which hosts were set up.
    """
    waiting = [each.install for each in SERVICES.values() if each.passwords]
    secrets = any(each.secrets for each in made.values())
    for step in drift.SET_UP:
        # What locks nobody out only when a new login has worked comes at the end.
        if step not in (*EARLY, sshd.without_passwords):
            # What serves may have the passwords of before.
            yield step.given(serving=True) if secrets and isinstance(step, Step) and step in waiting else step


def refuse_news(fleet: Fleet, wrong: Sequence[Comparison], made: Mapping[str, Reference]) -> None:
    """Stop where hosts would get more than what was there: secrets or hosts of the settings have changed since.

    :param made: the settings with which hosts were set up that get something of that.
    :raises HawserError: names what would be brought, and what does it everywhere.
    """
    told = []
    for each in wrong:
        if SERVES in each.known and each.known[SERVES].secrets:
            told.append(f"  {each.host}: secrets")
        parts = [SERVES, *([SET_UP] if each.host in made else [])]
        told += [f"  {each.host}: {row.event.label}" for row in each.found if row.outdated and row.part in parts]
    if told:
        tasks = "bootstrap deploy" if made else "deploy"
        raise HawserError(
            "\n".join([NEWS, *told]),
            next=f"fab -H {fleet.environment.name} {tasks}, which puts everything right",
        )


def release_of(fleet: Fleet, wrong: Sequence[Comparison]) -> Release | None:
    """Return the release that serves where something differs; None where none does.

    :raises HawserError: there are several, or it cannot be read.
    """
    found = {each.host: each.known[SERVES] for each in wrong if SERVES in each.known}
    if not found:
        return None
    identifier = only_release({name: each.release.id for name, each in found.items()}, REPAIR)
    return deploy.with_todays_secrets(fleet, kept.release(fleet.subset([*found]), identifier))


def begins_anew(compared: Comparison) -> bool:
    """Tell whether the processes of a host start anew: what they have read, or how they were started, differs."""
    return any(map(was_read, compared.drift))


def was_read(row: Difference) -> bool:
    """Tell whether a difference may have come into processes."""
    if row.part != SERVES:
        return False
    if isinstance(row.resource, Running):
        return row.event.note.startswith("restart")
    defines = row.event.step == release.start.title and isinstance(row.resource, File)
    own = [each.title for each in own_steps("switch") if each.for_processes]
    return defines or row.event.step in READ or row.event.step in own


def prove(fleet: Fleet) -> None:
    """Compare hosts once more, when they have been put right.

    :raises StepFailed: something still differs.
    """
    fleet.connections.refresh(fleet.names)
    left = [each for each in drift.compare(fleet) if each.drift]
    if left:
        told = "\n".join(f"  {each.host}: {', '.join(row.event.label for row in each.drift)}" for each in left)
        raise StepFailed(
            f"this still differs:\n{told}",
            next=f"fab -H {fleet.environment.target(*(each.host for each in left))} drift",
        )
    fleet.report.note("", f"{', '.join(fleet.names)}: all that is known is as it was left")
