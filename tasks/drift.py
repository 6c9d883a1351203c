"""Drift: what somebody has changed on hosts since `bootstrap` and the last rollout have left them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hawser.errors import StepFailed
from hawser.fleet import comparison
from hawser.fleet.comparison import Comparison, Composition
from hawser.fleet.fleet import Fleet
from hawser.steps import StepLike, fleet_task, own_steps

from . import (
    acme,
    bootstrap,
    builds,
    certs,
    code,
    config,
    cron,
    db,
    managers,
    release,
    shares,
    sshd,
    venv,
    volumes,
    webservers,
)

# What migrate commands have run is forgotten by `bootstrap`, and noted again by a deploy.
SET_UP: Sequence[StepLike] = [
    *(each for each in bootstrap.STEPS if each not in (bootstrap.folders, db.forget)),
    shares.mount,
    sshd.without_passwords,
]
WITHOUT_RELEASE: Sequence[StepLike] = [bootstrap.folders, certs.place]


def serving_steps() -> list[StepLike]:
    """Return the steps of a rollout that leave something on a host, a team's own among them."""
    return [
        bootstrap.folders,
        code.pull,
        code.untouched,
        config.early,
        builds.make,
        venv.python,
        venv.build,
        config.install,
        release.build,
        config.place,
        certs.place,
        *own_steps("switch"),
        managers.systemd.only_ours,
        release.start,
        *webservers.SWITCH,
        release.activate,
        cron.install,
        volumes.leave,
        acme.issue,
        *own_steps("finish"),
        bootstrap.secrets,
        release.tidy,
    ]


def compare(fleet: Fleet) -> list[Comparison]:
    """Compare hosts that answer with what they were made of, in one exchange each."""
    return comparison.compare(fleet, Composition(SET_UP, WITHOUT_RELEASE, serving_steps(), certs.place.title))


@fleet_task()
def drift(fleet: Fleet) -> None:
    """Show what is not on hosts as the last bootstrap and rollout have left it, as a diff; 1 if there is any.

    Nothing is changed. What cannot be known is listed as unknown, and is no drift.
    """
    there = fleet.reachable()
    compared = compare(there)
    report(there, compared)
    failed = [each.host for each in compared if each.error]
    wrong = [each for each in compared if each.drift]
    if wrong:
        number, names = sum(len(each.drift) for each in wrong), [each.host for each in wrong]
        raise StepFailed(
            f"{number} {'thing differs' if number == 1 else 'things differ'} on {', '.join(names)}",
            next=f"fab -H {fleet.environment.target(*names)} repair, which puts it right",
        )
    if lost := [name for name in fleet.names if name in fleet.lost or name in failed]:
        raise StepFailed(f"{', '.join(lost)}: not compared; the others are as they were left")
    if told := [each.host for each in compared if each.known]:
        fleet.report.note("", f"{', '.join(told)}: all that is known is as it was left")


def report(fleet: Fleet, compared: Sequence[Comparison]) -> None:
    """Tell what differs, and what is not known."""
    fleet.report.phase("drift", fleet.names)
    for each in compared:
        for row in each.found:
            note = "; ".join(filter(None, (row.event.note or row.event.error, row.doubt)))
            status = "unknown" if row.doubt else "differs"
            fleet.report.event(each.host, dataclasses.replace(row.event, status=status, note=note, error=""))  # type: ignore[arg-type]
        if each.error:
            fleet.connections.report_failure(each.host, each.error)
        fleet.report.host_done(each.host)
    fleet.report.pause()
    for each in compared:
        for text in each.unknown:
            fleet.report.note(each.host, f"not compared: {text}")
