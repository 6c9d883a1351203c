"""One rollout under way: its hosts, the hosts given up on the way, and the revert."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby

from ..errors import HawserError, StepFailed
from ..host.journal import AGAIN, PUT_BACK, SWITCH, Record
from ..host.release import Release
from ..signatures import Kept
from ..steps import Step, StepLike
from . import kept
from .fleet import Fleet

# Hosts that are put back together, and what holds meanwhile.
RevertBatch = tuple[Fleet, AbstractContextManager[None]]


@dataclass(frozen=True)
class RevertPlan:
    """The steps that a rollout needs besides its own phases.

    :param revert_hosts: what makes a host serve a release and nothing else.
    :param undeploy: what takes a release from a host that served none before.
    :param close: closes the journal, or leaves in it what is still missing.
    :param record: writes a line into the history.
    :param revert_batches: in which portions hosts are put back.
    """

    revert_hosts: Sequence[StepLike]
    undeploy: Sequence[StepLike]
    close: Step
    record: Step
    revert_batches: Callable[[Rollout, Sequence[str]], Iterator[RevertBatch]]


class Rollout:
    """A release on its way onto some hosts.

    :param hosts: those that shall serve it.
    :param record: what their journals say of it.
    """

    def __init__(self, hosts: Fleet, wanted: Release, record: Record, plan: RevertPlan) -> None:
        self.hosts = hosts
        self.wanted = wanted
        self.plan = plan
        self.session = hosts.session
        self.progress, self.connections = hosts.session.progress, hosts.connections
        self.failed: dict[str, str] = {}
        self.switched: set[str] = set()
        # Those that have stopped what another host gets.
        self.handed: set[str] = set()
        # Those on which an earlier run of the same rollout has come to its end: they have nothing to go back to.
        self.finished: set[str] = set()
        # What is to be done before hosts are put back: what served before must find what it needs.
        self.sooner: list[Callable[[], None]] = []
        # What is to be done when all hosts have been put back, while their journals are still open.
        self.later: list[Callable[[], None]] = []
        # Those that do not answer, where the settings say that the others go on.
        self.skipped: dict[str, str] = {
            name: str(self.hosts.lost[name]) for name in record.hosts if name in self.hosts.lost
        }
        self.progress.set_rollout(record)
        known = self.connections.facts
        self.before = {name: record.on(known[name]) for name in record.hosts if name in known}

    @property
    def record(self) -> Record:
        assert self.progress.rollout is not None
        return self.progress.rollout

    def note(self, **changes: object) -> None:
        """Have the journals say something else from now on."""
        self.progress.set_rollout(dataclasses.replace(self.record, **changes))  # type: ignore[arg-type]

    def remaining(self, fleet: Fleet) -> Fleet:
        """Return those of some hosts that were not given up."""
        return fleet.subset([name for name in fleet.names if name not in {**self.failed, **self.skipped}])

    def apply(self, fleet: Fleet, steps: Sequence[StepLike], phase: str) -> None:
        """Apply steps to the remaining hosts; a host that fails is given up, as far as the settings allow.

        :raises StepFailed: more hosts have failed than `release.max_failures` allows, or one that all depend on.
        """
        there = self.remaining(fleet)
        failures = there.attempt(steps, self.wanted, phase)
        if not failures:
            return
        self.give_up(failures, phase)
        # What is lost has an open journal already.
        switched = [name for name in failures if self.record.phase == SWITCH and name not in self.hosts.lost]
        if switched:
            self.revert_hosts(switched, f"put back {', '.join(switched)}")
            self.keep_open(switched, "; ".join(failures[name] for name in switched))

    def give_up(self, failures: Mapping[str, str], phase: str) -> None:
        """Take note of hosts that failed.

        :raises StepFailed: the rollout cannot go on without them.
        """
        setting = self.hosts.environment.release
        for name, why in failures.items():
            lost = name in self.hosts.lost and setting.unreachable == "skip"
            (self.skipped if lost else self.failed)[name] = why
        awaited = self.record.migrations and not self.record.migrated
        needed = [name for name in failures if name == self.hosts.environment.leader and awaited]
        if needed or len(self.failed) > setting.max_failures or not self.remaining(self.hosts).names:
            raise self.hosts.failure(phase, failures)
        self.hosts.report.note(
            "", f"{phase} failed on {', '.join(failures)}; the others go on, as the settings say", "warning"
        )

    def warn_of_unrevertible(self) -> None:
        """Say before anything changes which hosts could not be put back if the rollout failed."""
        for identifier, names in self.revert_targets(self.before).items():
            try:
                own, refused = kept.releases(self.hosts.subset(names), identifier)
                why = "\n".join(f"  {each.sentence}" for each in refused)
            except HawserError as error:
                own, why = {}, f"  {error}"
            if lost := [name for name in names if name not in own]:
                told = f"{', '.join(lost)} could not be put back to {identifier} if this rollout failed"
                self.hosts.report.note("", "\n".join([told, *([why] if why else [])]), "warning")

    def revert_targets(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Return the releases to which some hosts revert, with the hosts of each; who served nothing has none."""
        found: dict[str, list[str]] = {}
        for name in names:
            if before := self.before[name].before:
                found.setdefault(before, []).append(name)
        return dict(sorted(found.items()))

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Have a failure inside written into the history and the journals of the hosts that answer."""
        try:
            yield
        except Exception as error:
            if not self.hosts.dry and self.connections.locked:
                first = str(error).splitlines()[0]
                self.session.set_result(f"failed: {first}")
                self.note(failed=first)
                left = {*self.hosts.lost, *self.finished}
                names = [name for name in self.hosts.names if name in self.connections.locked and name not in left]
                with suppress(Exception):
                    # What it was about is told by the error itself.
                    self.hosts.subset(names).attempt([self.plan.record], self.wanted, phase="record")
                with suppress(Exception):
                    self.report_serving()
            raise

    def report_serving(self) -> None:
        """Say which release serves on which host, as they say it themselves, and what can be typed."""
        asked = [name for name in self.hosts.names if name not in self.hosts.lost]
        self.connections.refresh(asked)
        serving: dict[str, list[str]] = {}
        for name in self.hosts.names:
            lost = name in self.hosts.lost
            current = self.connections.facts[name].current or "nothing" if name in self.connections.facts else ""
            serving.setdefault("unknown, it does not answer" if lost else f"{current} serves", []).append(name)
        told = [f"  {', '.join(names)}: {what}" for what, names in serving.items()]
        task = self.record.what if self.record.what in AGAIN else "deploy"
        next_move = f"mend what failed, then fab -H {self.hosts.environment.name} {task}"
        self.hosts.report.note("", "\n".join(["after the failure:", *told, f"  next: {next_move}"]))

    @contextmanager
    def undo_on_failure(self) -> Iterator[None]:
        """Put every host back to the release that served before, when something inside fails."""
        try:
            yield
        except Exception as error:
            if self.hosts.dry:
                raise
            try:
                self.revert_all()
            except Exception as second:
                raise HawserError(
                    f"{error}\nand not every host could be put back: {second}",
                    next=f"fab -H {self.hosts.environment.name} resume, which finishes this",
                ) from error
            raise

    def revert_all(self) -> None:
        """Revert all hosts to the releases of before the rollout, also lost hosts that answer again.

        :raises HawserError: not all of them could be.
        """
        self.connections.reopen(self.hosts.names)
        self.prepare_revert()
        # Those that never answered go on serving what they serve.
        touched = [name for name in self.hosts.names if name in self.before and name not in self.finished]
        gone = [name for name in touched if name in self.hosts.lost]
        there = [name for name in touched if name not in gone]
        fresh = [name for name in there if not self.before[name].before]
        old = [name for name in there if self.before[name].before]
        self.revert_hosts(old, "")
        if fresh:
            self.undeploy(fresh, alone=not old and not gone and not self.finished)
        if self.finished:
            self.report_open(old, gone)
            return
        self.note(phase=PUT_BACK)
        for act in self.later:
            act()
        self.note(waits=tuple(gone))
        self.hosts.subset(old).apply([self.plan.close], self.wanted, phase="close")
        if gone:
            raise HawserError(f"no answer from {', '.join(gone)}")

    def prepare_revert(self) -> None:
        """Do once what is to be done before hosts are put back."""
        while self.sooner:
            self.sooner.pop()()

    def undeploy(self, fresh: Sequence[str], alone: bool) -> None:
        """Take the release from hosts that served none before; where no host did, what came up stays for a look."""
        told = ", ".join(fresh)
        if alone:
            self.hosts.report.note("", f"nothing served before on {told}, so nothing is put back there", "warning")
        else:
            self.hosts.subset(fresh).apply(self.plan.undeploy, self.wanted, phase=f"withdraw {self.wanted.id}")

    def report_open(self, revert_hosts: Sequence[str], gone: Sequence[str]) -> None:
        """Leave a rollout open on the hosts that were put back while others have long finished it."""
        self.keep_open(revert_hosts, self.record.failed or "it failed when it was resumed")
        self.hosts.report.note(
            "",
            f"{self.wanted.id} goes on serving on {', '.join(sorted(self.finished))}, which had finished before; "
            f"not on {', '.join([*revert_hosts, *gone])}\n"
            f"  next: fab -H {self.hosts.environment.name} resume, when they are well again",
            "warning",
        )

    def revert_hosts(self, names: Sequence[str], phase: str) -> None:
        """Make hosts serve the release that they served before; those without one are left as they are.

        Where that fails, the others are put back all the same.

        :param phase: the name a person reads; the release's when it is empty.
        :raises StepFailed: on one or more hosts.
        """
        failed: list[StepFailed] = []
        for portion, meanwhile in self.plan.revert_batches(self, [name for name in names if name in self.before]):
            try:
                with meanwhile:
                    failed += self.revert_together(portion.names, phase)
            except StepFailed as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def revert_together(self, names: Sequence[str], phase: str) -> list[StepFailed]:
        """Revert some hosts in the order of a switch; return the failures."""
        self.connections.refresh(names)
        for name in names:
            # What `activate` takes for the release before becomes again what it was.
            facts = self.connections.facts[name]
            self.connections.assume(name, dataclasses.replace(facts, current=self.before[name].previous))
        there = self.record
        self.note(phase=PUT_BACK)
        self.switched -= set(names)
        failed: list[StepFailed] = []
        try:
            for identifier, going in self.revert_targets(names).items():
                try:
                    found, refused = self.kept(identifier, self.hosts.subset(going))
                except StepFailed as error:
                    failed.append(error)
                    continue
                if missing := [name for name in going if name not in found]:
                    why = [f"  {each.sentence}" for each in refused] or ["  it is not kept there"]
                    told = f"{', '.join(missing)}: cannot be put back to {identifier}"
                    failed.append(StepFailed("\n".join([told, *why])))
                if not found:
                    continue
                rank = next(iter(found.values())).environment.host_rank
                for _rank, equals in groupby(sorted(found, key=rank), rank):
                    try:
                        self.hosts.subset(list(equals)).apply(
                            self.plan.revert_hosts, found, phase or f"put back {identifier}"
                        )
                    except StepFailed as error:
                        failed.append(error)
        finally:
            self.progress.set_rollout(there)
            self.connections.refresh(names)
        return failed

    def kept(self, identifier: str, fleet: Fleet) -> tuple[Mapping[str, Release], Sequence[Kept]]:
        """Return a release that served before, as it was made, by host, and the records that are refused as it."""
        if identifier == self.wanted.id:
            return dict.fromkeys(fleet.names, self.wanted), ()
        try:
            return kept.releases(fleet, identifier)
        except HawserError as error:
            # The others are put back all the same.
            raise StepFailed(f"{', '.join(fleet.names)}: {error}") from None

    def keep_open(self, names: Sequence[str], why: str) -> None:
        """Write down on hosts that were given up that the rollout is not complete there."""
        there = self.record
        self.note(failed=why, waits=tuple(names))
        self.hosts.subset(names).apply([self.plan.close], self.wanted, phase="close")
        self.progress.set_rollout(there)

    def end(self) -> None:
        """Say how it went.

        :raises StepFailed: hosts failed that the settings let fail.
        """
        missing = {**self.skipped, **self.failed}
        served = ", ".join(name for name in self.hosts.names if name not in missing)
        self.hosts.report.note("", f"{self.wanted.id} serves on {served}")
        if not missing:
            return
        told = f"{self.wanted.id} does not serve on {', '.join(missing)}"
        next_move = f"fab -H {self.hosts.environment.name} resume, when they are well again"
        if self.failed:
            raise StepFailed(told, next=next_move)
        self.hosts.report.note("", f"{told}; next: {next_move}", "warning")
