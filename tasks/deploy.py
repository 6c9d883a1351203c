"""Rollouts: a release onto the whole fleet, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hawser.fleet import Fleet
from hawser.release import Release
from hawser.steps import rollout

from . import apache, builds, certs, code, config, cron, db, nginx, once, release, shares, venv, volumes

PREPARE = [code.pull, builds.make, venv.build, config.install, release.build]
SWITCH = [
    release.begin,
    config.place,
    release.start,
    certs.install,
    apache.leave,
    nginx.install,
    apache.install,
    release.activate,
]
FINISH = [cron.install, once.remember, release.record, release.tidy]
PUT_BACK = [*SWITCH, release.tidy]
LEAVE = [nginx.install, apache.leave, cron.install, release.leave]


@rollout(
    help={
        "revision": "a branch, a tag or a commit; default: the environment's branch",
        "partial": "leave hosts that -H does not name on another commit",
    }
)
def deploy(fleet: Fleet, revision: str = "", partial: bool = False) -> None:
    """Release a revision on every host: build everywhere, migrate once, then switch batch by batch."""
    fleet.needing_code().expect()
    wanted = fleet.resolve(revision)
    if not partial:
        fleet.refuse_two_commits(wanted)
    roll_out(fleet, wanted, migrations=True)


@rollout(help={"to": "the release to go back to; default: the one before"})
def rollback(fleet: Fleet, to: str = "") -> None:
    """Go back to the release that was deployed before, with its own code and configuration and today's secrets."""
    wanted = fleet.release(to or fleet.previous())
    roll_out(fleet, wanted, migrations=False)


def roll_out(fleet: Fleet, wanted: Release, migrations: bool) -> None:
    """Bring a release into service: nothing that visitors see changes before every host has built it."""
    if fleet.serves(wanted):
        fleet.report.note("", f"{wanted.id} serves already; nothing to do")
        if wanted.environment.brings_certificates:
            # They are no part of a release: one that was renewed takes its place all the same.
            fleet.needing_code().apply([certs.install], wanted, phase="certificates")
        return
    hosts = fleet.needing_code()
    fleet.with_leader().require_bootstrapped()
    with hosts.recording_failure(release.record, wanted):
        if wanted.environment.shares or wanted.environment.volumes:
            fleet.with_leader().apply([shares.require, volumes.require], wanted, phase="mounts")
        fleet.with_leader().apply(PREPARE, wanted, phase="prepare")
        if migrations:
            with settled(fleet.leader(), wanted):
                migrate(fleet, wanted)
        with hosts.undo_on_failure(PUT_BACK):
            batches = list(hosts.batches())
            for number, batch in enumerate(batches, 1):
                batch.apply(SWITCH, wanted, phase=f"switch {number}/{len(batches)}")
        hosts.apply(FINISH, wanted, phase="finish")
    left = fleet.left_over()
    if left.names:
        left.apply(LEAVE, wanted, phase="leave")
    if not fleet.dry:
        fleet.session.refresh(fleet.names)
        fleet.report.note("", f"{wanted.id} serves on {', '.join(hosts.names)}")


def migrate(fleet: Fleet, wanted: Release) -> None:
    """Run what runs once: the migration on the leader, after a backup, and commands that never ran before."""
    if wanted.environment.release.migrate:
        if wanted.environment.backup.before_migrate:
            db.about(fleet.everyone(), "").apply([db.save], phase="backup")
        fleet.leader().apply([db.migrate], wanted, phase="migrate")
    once.first_time(fleet, wanted)


@contextmanager
def settled(leader: Fleet, wanted: Release) -> Iterator[None]:
    """Have the settings outside of the release in their place for what runs inside; put them back when that fails."""
    runs = wanted.environment.release.migrate or wanted.environment.once
    if not runs or not config.lies_outside(leader.host(leader.names[0], wanted)):
        yield
        return
    with leader.undo_on_failure(PUT_BACK):
        leader.apply([release.begin, config.place], wanted, phase="settings")
        yield
