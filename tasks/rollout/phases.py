"""The phases of a rollout: migrate, switch, and the site closed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import serving_releases
from hawser.fleet.migration_risk import Verdict, summaries
from hawser.fleet.rolling import RevertBatch, Rollout
from hawser.host import Host, journal
from hawser.host.databases import databases_of
from hawser.host.processes import left_in_place
from hawser.host.release import Release
from hawser.runner.code.operations import ADDITIVE
from hawser.steps import StepLike

from .. import config, db, maintenance, once, release
from . import drain, hooks, migrations, passwords, visit
from .migrations import PendingMigrations


def hosts_to_lock(hosts: Fleet, record: journal.Record) -> Fleet:
    """Return all hosts that a rollout may touch: its own, the leader, databases, web servers."""
    names = [*hosts.with_leader().names]
    names += to_save(hosts).names if record.migrations else ()
    names += passwords.servers(hosts).names
    names += closable(hosts).names if record.maintenance or record.closed else ()
    names += [front for name in hosts.names for front in drain.fronts(hosts, hosts.subset([name]))]
    return hosts.subset(tuple(dict.fromkeys(name for name in names if name not in hosts.lost)))


def to_save(hosts: Fleet) -> Fleet:
    """Return the hosts whose databases are backed up before they are migrated."""
    if hosts.environment.backup.before_migrate is False:
        return hosts.subset(())
    return hosts.subset([name for name in hosts.environment.hosts if databases_of(hosts.host(name))])


def closable(hosts: Fleet) -> Fleet:
    """Return the hosts of the environment that serve the site and answer."""
    names = [name for name in hosts.environment.hosts if hosts.host(name).serves_site]
    return hosts.subset(names).required_hosts()


@contextmanager
def settings_in_place(rolling: Rollout) -> Iterator[None]:
    """Have the settings outside of the release in their place meanwhile; put them back after a failure."""
    leader, wanted = rolling.hosts.leader(), rolling.wanted
    runs = wanted.environment.release.migrate or wanted.environment.once
    # One that has no part in the rollout keeps the settings of what it serves.
    concerned = leader.names[0] in rolling.record.hosts
    if not runs or not concerned or not config.lies_outside(leader.host(leader.names[0], wanted)):
        yield
        return
    try:
        leader.apply([release.advance, config.place], wanted, phase="settings")
        yield
    except Exception:
        if not rolling.hosts.dry and leader.names[0] not in rolling.hosts.lost:
            rolling.prepare_revert()
            rolling.revert_hosts(leader.names, f"put back the settings of {leader.names[0]}")
        raise


def migrate(rolling: Rollout, pending: PendingMigrations) -> None:
    """Back up the databases, unless nothing is pending and the settings do not insist, and migrate, once."""
    hosts = rolling.hosts
    rolling.note(phase=journal.MIGRATE, risky=risky(pending.verdicts) or pending.open)
    saved = to_save(hosts)
    insists = hosts.environment.backup.before_migrate is True
    if saved.names and (insists or (not pending.nothing and migrations.serves_anywhere(hosts))):
        saved.apply([db.save], phase="backup")
    once.first_time(rolling.remaining(hosts), rolling.wanted, before="migrate")
    with hooks.around_phase(rolling, "migrate", hosts.leader()):
        steps: list[StepLike] = [db.migrate.given(again=not pending.unchanged)]
        if rolling.wanted.environment.release.after_migrate and not pending.unchanged:
            steps.append(db.after_migrate)
        hosts.leader().apply(steps, rolling.wanted, phase="migrate")
    rolling.note(migrated=True)
    hosts.leader().apply([release.advance], rolling.wanted, phase="migrated")


def switch(rolling: Rollout, part: Fleet, steps: Sequence[StepLike]) -> None:
    """Move the traffic to the new release, batch by batch."""
    rolling.note(phase=journal.SWITCH)
    hand_over = release.hand_over.given(left=left_singles(rolling))
    there = {name: rolling.hosts.host(name, rolling.wanted) for name in rolling.remaining(part).names}
    giving = [name for name, host in there.items() if any(True for _ in hand_over.resources(host))]
    if giving:
        rolling.handed.update(giving)
        rolling.apply(rolling.hosts.subset(giving), [release.advance, hand_over], "hand over")
    batches = list(part.batches())
    for number, batch in enumerate(batches, 1):
        now = rolling.remaining(batch)
        if not now.names:
            continue
        place = f"{number}/{len(batches)}"
        fronts = drain.fronts(rolling.hosts, now)
        with (
            hooks.around_phase(rolling, "batch", now),
            drain.drained(rolling.hosts, now, fronts, partial(current_releases, rolling, fronts), stays_out=True),
        ):
            rolling.apply(now, steps, f"switch {place}")
            rolling.switched.update(rolling.remaining(now).names)
        if number < len(batches) and pause(rolling):
            rolling.apply(now, [visit.visit], f"look again {place}")
    far = [name for name in rolling.remaining(part).names if passes_on(rolling.hosts.host(name, rolling.wanted))]
    if far:
        rolling.apply(rolling.hosts.subset(far), [visit.through], "visit")


def revert_batches(rolling: Rollout, names: Sequence[str]) -> Iterator[RevertBatch]:
    """Yield the portions in which hosts are put back: all at once, but backends of other hosts' web servers in batches.

    Those that are out already come first, for nobody misses them; what never switched has nothing to restart.
    """
    hosts = rolling.hosts
    away = {*rolling.switched, *rolling.handed, *hosts.session.progress.drained}
    moved = [
        name for name in names if not away or name in away or hosts.facts(name).current != rolling.before[name].before
    ]
    bound = [name for name in moved if drain.fronts(hosts, hosts.subset([name]))]
    free = [name for name in names if name not in bound]
    if free:
        yield hosts.subset(free), nullcontext()
    first = [name for name in bound if name in hosts.session.progress.drained]
    rest = hosts.subset([name for name in bound if name not in first])
    for there in [*([hosts.subset(first)] if first else []), *rest.batches()]:
        fronts = drain.fronts(hosts, there)
        yield there, drain.drained(hosts, there, fronts, partial(current_releases, rolling, fronts))


def left_singles(rolling: Rollout) -> tuple[str, ...]:
    """Return the processes of which there is one that the release before has and the new one has not."""
    hosts, processes = rolling.hosts, rolling.wanted.environment.processes
    names = [name for name in rolling.remaining(hosts).names if left_in_place(hosts.host(name, rolling.wanted))]
    if not names:
        return ()
    try:
        former = serving_releases(hosts.subset(names))
    except HawserError:
        # What served there cannot be read, or not be believed: its processes end when their hosts switch.
        return ()
    settings = [setting for each in former.values() for setting in each.environment.processes.items()]
    return tuple(dict.fromkeys(name for name, setting in settings if setting.single and name not in processes))


def passes_on(host: Host) -> bool:
    """Whether a host's web server passes requests on to processes of other hosts."""
    return any(True for _ in visit.visits(host, beside=False))


def current_releases(rolling: Rollout, names: Sequence[str]) -> Mapping[str, Release]:
    """Return the release that serves on each of some hosts by now."""
    own = serving_releases(rolling.hosts.subset([name for name in names if name not in rolling.switched]))
    return {**own, **{name: rolling.wanted for name in names if name in rolling.switched}}


def pause(rolling: Rollout) -> bool:
    """Wait between two batches, as the settings say; return whether there was a wait."""
    seconds = rolling.hosts.environment.release.pause
    if seconds and rolling.hosts.dry:
        rolling.hosts.report.note("", f"would wait {seconds} s before the next batch")
    elif seconds:
        rolling.hosts.report.note("", f"waiting {seconds} s before the next batch")
        time.sleep(seconds)
    return bool(seconds)


@contextmanager
def maintenance_window(rolling: Rollout, pending: PendingMigrations) -> Iterator[None]:
    """Show visitors the maintenance page meanwhile, where the rollout asks for it.

    A page that was there before stays. After a failure the site opens again, unless the database has changed under the
    code that serves again.
    """
    hosts = rolling.hosts
    sites = closable(hosts) if rolling.record.maintenance or rolling.record.closed else hosts.subset(())
    if rolling.record.maintenance and not rolling.record.closed:
        if all(hosts.facts(name).closed for name in sites.names):
            sites = hosts.subset(())
        else:
            # First the journal: whoever comes after a crash shall know that the page is ours.
            rolling.note(closed=True)
            rolling.remaining(hosts).apply([release.advance], rolling.wanted, "close the site")
    open_again = only_once(partial(after_failure, rolling, sites, partial(database_changes, rolling, pending)))
    rolling.later.append(open_again)
    try:
        if rolling.record.maintenance and sites.names:
            sites.apply([maintenance.close], rolling.wanted, "close the site")
        yield
    except Exception as error:
        try:
            open_again()
        except HawserError as second:
            raise HawserError(
                f"{error}\nand the site could not be opened everywhere: {second}",
                next=f"fab -H {hosts.environment.name} maintenance.off",
            ) from error
        raise
    if sites.names:
        reopen(rolling, sites)


def only_once(act: Callable[[], None]) -> Callable[[], None]:
    """Return a function that acts the first time it is called."""
    left = [act]
    return lambda: left.pop()() if left else None


def after_failure(rolling: Rollout, sites: Fleet, changes: Callable[[], str]) -> None:
    """Open the site again where a rollout that has failed had closed it, unless the database may not fit any more.

    :param sites: the hosts whose page is the rollout's own.
    :param changes: says what was done to the database that the code of before may not survive.
    """
    changed = changes()
    if sites.names and not changed:
        reopen(rolling, sites)
    elif sites.names:
        rolling.hosts.report.note(
            "",
            f"the site stays closed, for the database may not fit the code that serves any more: {changed}\n"
            f"  next: fab -H {rolling.hosts.environment.name} maintenance.off, when it does",
            "warning",
        )
    elif changed:
        rolling.hosts.report.note("", f"the database is not put back: {changed}", "warning")


def reopen(rolling: Rollout, sites: Fleet) -> None:
    """Take the maintenance page away."""
    sites.subset([name for name in sites.names if name not in sites.lost]).apply(
        [maintenance.reopen], rolling.wanted, "open the site"
    )
    rolling.note(closed=False)


def database_changes(rolling: Rollout, pending: PendingMigrations) -> str:
    """Return, in words, the changes of the database that older code may not survive; empty where there are none."""
    if rolling.hosts.dry or rolling.record.phase == journal.PREPARE or pending.nothing:
        return ""
    if not any(each.before for each in rolling.before.values()):
        return ""
    done = migrations.applied(rolling.hosts, rolling.wanted, pending)
    if done is None:
        return "which migrations were applied is unknown"
    return risky(done)


def risky(verdicts: Iterable[Verdict]) -> str:
    """Say which migrations running code may not survive."""
    return ", ".join(summaries(each for each in verdicts if each.kind != ADDITIVE))
