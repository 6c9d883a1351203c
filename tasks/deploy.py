"""Rollouts: a release onto the whole fleet, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from hawser.errors import HawserError
from hawser.fleet import kept, outgoing
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import (
    changed_since,
    previous,
    refuse_taken_names,
    refuse_two_commits,
    require_bootstrapped,
    resolve,
    serves,
    why_not_serving,
)
from hawser.fleet.rolling import RevertPlan, Rollout
from hawser.host import journal
from hawser.host.journal import AGAIN, Record, latest
from hawser.host.release import Release, short
from hawser.steps import Step, StepLike, fleet_task, own_steps

from . import (
    acme,
    bootstrap,
    builds,
    certs,
    code,
    config,
    cron,
    db,
    once,
    processes,
    release,
    shares,
    venv,
    volumes,
    webservers,
)
from .rollout import allowed, confined, hooks, migrations, passwords, phases, visit
from .rollout.migrations import PendingMigrations

FETCH = [release.begin, code.pull, config.early, builds.make, venv.python, venv.resolve]
PREPARE = [*FETCH, venv.build, config.install, release.build]
SWITCH = [
    release.advance,
    bootstrap.folders,  # those of an older Hawser are more open than today's
    config.place,
    certs.place,  # before what reads them
    release.start,
    *webservers.SWITCH,
    release.activate,
    visit.visit,
]
FINISH = [
    cron.install,
    volumes.leave,
    acme.issue,
    once.remember,
    bootstrap.secrets,
    release.record,
    release.tidy,
    release.close,
]
DECOMMISSION = [*webservers.LEAVE, acme.issue, cron.install, config.leave, release.decommission]


def switching(tries: bool = True, before: Sequence[StepLike] = ()) -> list[StepLike]:
    """Return the steps of a switch: a team's own come before the processes that may read what they write.

    :param tries: processes that restart in place are tried before.
    :param before: further steps, before all that a switch does on a host.
    """
    place = SWITCH.index(release.start)
    start = release.start if tries else release.start.given(tries=False)
    return [SWITCH[0], *before, *SWITCH[1:place], *own_steps("switch"), start, *SWITCH[place + 1 :]]


def finishing() -> list[Step]:
    """Return the steps of the end: a team's own come before it is written down that all went well."""
    place = FINISH.index(release.record)
    return [*FINISH[:place], *own_steps("finish"), *FINISH[place:]]


def revert_plan(record: Record) -> RevertPlan:
    """Return how hosts go back.

    From a repair there is no way back to what somebody had changed, and from an upgrade none to older packages. What
    serves still is left alone: to start it again might be its end.
    """
    back = [processes.cleaned_up] if record.what in AGAIN else [*switching(), cron.install, release.tidy]
    return RevertPlan(
        revert_hosts=back,
        undeploy=[*webservers.REMOVE, cron.remove, release.undeploy],
        close=release.close,
        record=release.record,
        revert_batches=phases.revert_batches,
    )


@fleet_task(
    releases=True,
    rolls_out=True,
    help={
        "revision": "a branch, a tag or a commit, or the version of a package; default: what the environment says",
        "partial": "leave hosts that -H does not name on another commit",
        "maintenance": "show visitors a page with 503 while the database is migrated and the hosts switch",
        "accept-migrations": "migrate, although the code that serves meanwhile may not survive it",
    },
)
def deploy(
    fleet: Fleet,
    revision: str = "",
    partial: bool = False,
    maintenance: bool = False,
    accept_migrations: bool = False,
) -> None:
    """Release a revision on every host: build everywhere, migrate once, then switch batch by batch."""
    fleet.needing_code().connect_early()
    wanted = resolve(fleet, revision)
    for name in fleet.session.secrets.half_turned:
        told = f"a rotation of {name} is half done, and this goes on with the value of before"
        fleet.report.note("", f"{told}; next: fab -H {fleet.environment.name} secrets.rotate {name}", "warning")
    if not partial:
        refuse_two_commits(fleet, wanted)
    record = Record(wanted.id, wanted.commit, "deploy", maintenance=maintenance, accepted=accept_migrations)
    roll_out(fleet, wanted, record)


@fleet_task(rolls_out=True, help={"to": "the release to go back to, or its first digits; default: the one before"})
def rollback(fleet: Fleet, to: str = "") -> None:
    """Go back to the release that was deployed before, with its own code and configuration and today's secrets.

    Typed again, it goes one further back. It says whether the database fits the older code, and changes nothing in it.
    """
    identifier = kept.identifier(fleet, to) if to else previous(fleet)
    wanted = with_todays_secrets(fleet, kept.release(fleet.with_leader(), identifier))
    migrations.report_reverts(fleet, wanted)
    roll_out(fleet, wanted, Record(wanted.id, wanted.commit, "rollback", migrations=False))


@fleet_task(rolls_out=True)
def resume(fleet: Fleet) -> None:
    """Finish a rollout that was broken off or has failed on some hosts: the same release, where it is missing.

    Restores of databases that were broken off are finished or undone before.
    """
    finished = db.finish_restores(fleet)
    if finished and not fleet.with_code().names:
        return
    hosts = fleet.needing_code().required_hosts()
    fleet.connections.refuse_damaged(hosts.names)
    if not any(hosts.facts(name).journal for name in hosts.names):
        fleet.report.note("", f"no rollout is open on {', '.join(hosts.names)}; nothing to resume")
        return
    records = kept.records(hosts)
    record = latest(records)
    if record is None:
        told = "\n".join(f"  {name}: {found.what} of {found.release}" for name, found in records.items())
        raise HawserError(
            f"the hosts have different rollouts open, and none covers all of them:\n{told}",
            next=f"fab -H {fleet.environment.name} deploy",
        )
    if record.phase == journal.PUT_BACK:
        require_all(fleet, record, None)
        revert_all(hosts, record)
        return
    found = kept.release(hosts.subset([name for name in hosts.names if name in record.hosts]), record.release)
    wanted = with_todays_secrets(fleet, found)
    require_all(fleet, record, wanted)
    if record.what == "deploy":
        require_same_inputs(fleet, wanted)
    hosts = hosts.subset([name for name in hosts.names if name in record.hosts])
    missing = [name for name in hosts.names if why_not_serving(hosts, name, wanted)]
    require_journals(hosts.subset(missing), record, [name for name in records if records[name].by == record.by])
    where = f"missing on {', '.join(missing)}" if missing else "missing nowhere"
    fleet.report.note("", f"{record.what} of {record.release}, begun by {record.by}; {where}")
    roll_out(hosts, wanted, dataclasses.replace(record, waits=(), complete=False, failed=""), missing)


def require_all(fleet: Fleet, record: Record, wanted: Release | None) -> None:
    """Stop where hosts of a rollout have something left to do and are not named: they might go the other way.

    :param wanted: the release that goes on; None when hosts are put back.
    :raises HawserError: names them, and what to type.
    """
    known = fleet.everyone().with_code().names
    rest = fleet.subset([name for name in known if name in record.hosts and name not in fleet.names]).required_hosts()
    left = []
    for name in rest.names:
        found = Record.of(rest.facts(name))
        if wanted and (why := why_not_serving(rest, name, wanted)):
            left.append(f"  {name}: {why}")
        elif not wanted and found and not found.complete:
            left.append(f"  {name}: a rollout of {found.release} was not completed")
    if left:
        target = fleet.environment.target(*(record.hosts if set(known) - set(record.hosts) else ()))
        lines = [f"{record.what} of {record.release} is not complete on hosts that are not named; nothing was touched"]
        raise HawserError("\n".join([*lines, *left]), next=f"fab -H {target} resume")


def require_journals(missing: Fleet, record: Record, told_by: Sequence[str]) -> None:
    """Stop where a rollout would reach hosts that know nothing of it, or of a later one: no host speaks for others.

    :param told_by: the hosts with a journal of it.
    :raises HawserError: names those hosts, and what to type.
    """
    strangers = [name for name in missing.names if not kept.joins(missing, name, record, told_by)]
    if strangers:
        raise HawserError(
            f"{record.what} of {record.release} is open on {', '.join(told_by)}, and {', '.join(strangers)} "
            "knows nothing of it, or of a later one; nothing was touched",
            next=f"fab -H {missing.environment.name} deploy --revision {short(record.commit)}",
        )


def with_todays_secrets(fleet: Fleet, release: Release) -> Release:
    """Return a kept release as it goes out now: its processes get the secrets of today, which are not kept with it."""
    if not release.process_inputs:
        return release
    made = fleet.session.made(release.commit, release.environment, release.templates)
    return dataclasses.replace(release, process_inputs=made.process_inputs)


def with_todays_surroundings(fleet: Fleet, release: Release) -> Release:
    """Return a release that says what is used with it now, for whoever looks later for what has changed on hosts."""
    made = fleet.session.compared(release.commit, release.environment, release.templates)
    return dataclasses.replace(release, around=made.around, hosts=made.hosts)


def require_same_inputs(fleet: Fleet, release: Release) -> None:
    """Stop where a release would not become again what it was to be.

    :raises HawserError: its secrets, the hosts or Hawser have changed since.
    """
    if changed := changed_since(fleet, release):
        raise HawserError(
            f"{release.id} cannot be finished as it was begun: {changed} since",
            next=f"fab -H {fleet.environment.name} deploy --revision {short(release.commit)}",
        )


def revert_all(hosts: Fleet, record: Record) -> None:
    """Finish a putting back that was broken off."""
    there = hosts.subset([name for name in hosts.names if name in record.hosts])
    phases.hosts_to_lock(there, record).lock()
    found = {name: own for name in there.names if (own := kept.record(hosts, name))}
    fleet = there.subset(tuple(found))
    fleet.report.note("", f"{record.what} of {record.release} failed; putting back {', '.join(fleet.names)}")
    if fleet.dry:
        return
    rolling = Rollout(fleet, kept.release(fleet, record.release), record, revert_plan(record))
    if any(each.closed for each in found.values()):
        risky = next((each.risky for each in found.values() if each.risky), "")
        rolling.later.append(partial(phases.after_failure, rolling, phases.closable(hosts), lambda: risky))
    fleet.session.set_result(f"put back: {record.failed or 'it was broken off'}")
    rolling.sooner.append(lambda: passwords.put_back(rolling, passwords.to_change(rolling)))
    rolling.revert_all()
    fleet.apply([release.record], rolling.wanted, phase="record")


def roll_out(
    fleet: Fleet,
    wanted: Release,
    record: Record,
    only: Sequence[str] | None = None,
    again: bool = False,
    early: Sequence[StepLike] = (),
    before: Sequence[StepLike] = (),
    former_stay: bool = False,
) -> None:
    """Bring a release into service: nothing that visitors see changes before every host has built it.

    :param record: what is to be done, for the journals.
    :param only: the hosts on which it is missing; all unless given.
    :param again: also where it serves already.
    :param early: steps on all hosts before the release is built there, and
    :param before: on each host before all others of its switch.
    :param former_stay: the former passwords of services stay good where those hold two.
    """
    fleet.report.release(wanted.id, wanted.commit)
    hosts = fleet.needing_code().required_hosts()
    left = fleet.decommissioned()
    db.refuse_broken_off(fleet.everyone())
    if not again and serves(hosts, wanted):
        fleet.report.note("", f"{wanted.id} serves already; nothing to do")
        decommission(left, wanted)
        close_waiting_journals(hosts, wanted)
        if wanted.environment.brings_certificates:
            # They are no part of a release: one that was renewed takes its place all the same.
            certs.bring(hosts, wanted)
        return
    require_bootstrapped(hosts.with_leader())
    refuse_taken_names(hosts)
    venv.require_interpreter(hosts.with_leader(), wanted)
    kept.ready(hosts)
    wanted = with_todays_surroundings(fleet, wanted)
    allowed.require_allowed(hosts, wanted, [*switching(), *finishing()])
    to_lock = phases.hosts_to_lock(hosts, record)
    to_lock.lock()
    db.refuse_broken_off(to_lock)
    left.lock()
    if not again and not any(why_not_serving(hosts, name, wanted) for name in hosts.names):
        fleet.report.note("", f"{wanted.id} serves by now: somebody else was faster")
        return
    open_ones = [found for name in hosts.names if (found := kept.record(hosts, name))]
    record = dataclasses.replace(
        record,
        by=record.by or "{who} on {from} at {started}".format(**fleet.session.entry),
        begun=record.begun or journal.beginning(fleet.connections.facts, (fleet.environment.leader, *hosts.names)),
        hosts=record.hosts or fleet.needing_code().names,
        # A page that a rollout put there and could not take away is ours to take away.
        closed=any(found.closed for found in open_ones),
    )
    rolling = Rollout(hosts, wanted, record, revert_plan(record))
    part = hosts if only is None else hosts.subset(only)
    rolling.warn_of_unrevertible()
    confined.warn_of_folders(part)
    rolling.finished.update(name for name in hosts.names if name not in part.names)
    with fleet.session.notices.of(record):
        with rolling.recording_failure(), hooks.around_rollout(rolling, part):
            known = outgoing.known_before(wanted)
            if known or fleet.dry:
                outgoing.report_commits(hosts, wanted)
            if early:
                rolling.apply(part, [release.begin, *early], "put right")
            prepare(rolling, part, everything=only is None)
            if not known and not fleet.dry:
                outgoing.report_commits(hosts, wanted)
            servers = passwords.to_change(rolling)
            with passwords.changing(rolling, servers, anew=not open_ones):
                bring_into_service(rolling, part, before)
            rolling.note(waits=tuple({**rolling.skipped, **rolling.failed}))
            with hooks.around_phase(rolling, "finish", part):
                rolling.apply(part, finishing(), "finish")
            if not former_stay:
                passwords.end(rolling, servers)
            others = hosts.subset([name for name in hosts.names if name not in part.names])
            if others.names:
                rolling.apply(others, [release.close], "close")
        decommission(left, wanted)
        if not fleet.dry:
            fleet.connections.refresh(rolling.remaining(hosts).names)
            rolling.end()


def bring_into_service(rolling: Rollout, part: Fleet, before: Sequence[StepLike]) -> None:
    """Migrate the database, and have the hosts serve the release.

    Where secrets alone differ from what serves, nothing can be pending: there it is migrated after the switch, for what
    serves may fail from the moment on at which a service has the new password.
    """
    first = not passwords.only_secrets_differ(rolling)
    # What serves waits for the new processes then, and they have the code that serves already.
    tries = first or not passwords.to_change(rolling).names
    pending = migrations.check_pending(rolling) if first and migrates(rolling) else PendingMigrations()
    with phases.maintenance_window(rolling, pending):
        if first:
            run_commands(rolling, pending)
        with rolling.undo_on_failure(), hooks.around_phase(rolling, "switch", part):
            phases.switch(rolling, part, switching(tries, before))
            if not first:
                run_commands(rolling, pending)


def run_commands(rolling: Rollout, pending: PendingMigrations) -> None:
    """Migrate the database, and run what runs once."""
    if not rolling.record.migrations:
        return
    with phases.settings_in_place(rolling):
        if migrates(rolling):
            phases.migrate(rolling, pending)
        once.first_time(rolling.remaining(rolling.hosts), rolling.wanted)


def close_waiting_journals(hosts: Fleet, wanted: Release) -> None:
    """Close the journals that waited for other hosts, when those serve the release as well by now."""
    found = {name: own for name in hosts.names if (own := kept.record(hosts, name))}
    done = hosts.subset([name for name, own in found.items() if set(own.waits) <= set(hosts.names)])
    if done.names:
        done.lock()
        done.apply([release.close], wanted, "close")


def decommission(fleet: Fleet, wanted: Release) -> None:
    """Have hosts serve the application no more that the settings no longer give it."""
    if fleet.names:
        fleet.lock()
        fleet.apply(DECOMMISSION, wanted, phase="leave")


def migrates(rolling: Rollout) -> bool:
    """Whether the database is still to be migrated."""
    record = rolling.record
    return record.migrations and not record.migrated and bool(rolling.wanted.environment.release.migrate)


def prepare(rolling: Rollout, part: Fleet, everything: bool) -> None:
    """Build the release on all hosts at once, and on the leader where the database is to be migrated."""
    rolling.note(phase=journal.PREPARE)
    there = part.with_leader() if everything or migrates(rolling) else part
    environment = rolling.wanted.environment
    mounts = [shares.require, volumes.require] if environment.shares or environment.volumes else []
    if mounts and not part.dry:
        rolling.apply(there, mounts, "mounts")
    with hooks.around_phase(rolling, "prepare", there):
        # A dry run looks for mounts last: what comes before it on the same line would make them.
        alone = len(part.everyone().with_code().names) == 1
        if part.dry or alone or not environment.python.leaves_open:
            rolling.apply(there, [*PREPARE, *mounts] if part.dry else PREPARE, "prepare")
        else:
            build_alike(rolling, there)


def build_alike(rolling: Rollout, there: Fleet) -> None:
    """Build the release on several hosts with one set of versions, which one of them chooses."""
    leader = rolling.wanted.environment.leader
    chooser = leader if leader in there.names else there.names[0]
    # Where a rollout is resumed, the leader may have finished it.
    known = venv.chosen(there, leader, rolling.wanted) if leader != chooser else ""
    first = [each for each in FETCH if each is not venv.resolve]
    rolling.apply(there, first if known else [*first, venv.resolve.given(chooser=chooser)], "prepare")
    there = rolling.remaining(there)
    chosen = known or (venv.chosen(there, chooser, rolling.wanted) if chooser in there.names else "")
    rolling.apply(there, [venv.build.given(chosen=chosen), config.install, release.build], "prepare")
