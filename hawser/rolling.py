"""One rollout under way: its hosts, those that were given up on the way, and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby

from .errors import HawserError, StepFailed
from .fleet import Fleet
from .journal import PUT_BACK, SWITCH, Record
from .release import Release
from .steps import Step


@dataclass(frozen=True)
class Ways:
    """The steps that a rollout needs besides its own phases.

    :param put_back: what makes a host serve a release and nothing else.
    :param close: closes the journal, or leaves in it what is still missing.
    :param record: writes a line into the history.
    """

    put_back: Sequence[Step]
    close: Step
    record: Step


class Rolling:
    """A release on its way onto some hosts.

    :param hosts: those that shall serve it.
    :param record: what their journals say of it.
    """

    def __init__(self, hosts: Fleet, wanted: Release, record: Record, ways: Ways) -> None:
        self.hosts = hosts
        self.wanted = wanted
        self.ways = ways
        self.session = hosts.session
        self.failed: dict[str, str] = {}
        self.switched: set[str] = set()
        # What is to be done when all hosts have been put back.
        self.later: list[Callable[[], None]] = []
        # Those that do not answer, where the settings say that the others go on.
        self.skipped: dict[str, str] = {
            name: self.session.lost[name] for name in record.hosts if name in self.session.lost
        }
        self.session.rollout = record
        self.before = {name: record.on(self.session.facts[name]) for name in record.hosts if name in self.session.facts}

    @property
    def record(self) -> Record:
        assert self.session.rollout is not None
        return self.session.rollout

    def note(self, **changes: object) -> None:
        """Have the journals say something else from now on."""
        self.session.rollout = dataclasses.replace(self.record, **changes)  # type: ignore[arg-type]

    def still(self, fleet: Fleet) -> Fleet:
        """Return those of some hosts that were not given up."""
        return fleet.some([name for name in fleet.names if name not in {**self.failed, **self.skipped}])

    def apply(self, fleet: Fleet, steps: Sequence[Step], phase: str) -> None:
        """Apply steps to hosts that were not given up; one that fails is given up, as far as the settings allow.

        :raises StepFailed: more hosts have failed than `release.max_failures` allows, or one that all depend on.
        """
        there = self.still(fleet)
        failures = there.attempt(steps, self.wanted, phase)
        if not failures:
            return
        self.give_up(failures, phase)
        switched = [name for name in failures if self.record.phase == SWITCH and name not in self.skipped]
        if switched:
            self.put_back(switched, f"put back {', '.join(switched)}")
            self.leave_open(switched, "; ".join(failures[name] for name in switched))

    def give_up(self, failures: Mapping[str, str], phase: str) -> None:
        """Take note of hosts that failed.

        :raises StepFailed: the rollout cannot go on without them.
        """
        setting = self.hosts.environment.release
        for name, why in failures.items():
            lost = name in self.session.lost and setting.unreachable == "skip"
            (self.skipped if lost else self.failed)[name] = why
        awaited = self.record.migrations and not self.record.migrated
        needed = [name for name in failures if name == self.hosts.environment.leader and awaited]
        if needed or len(self.failed) > setting.max_failures or not self.still(self.hosts).names:
            raise self.hosts.failure(phase, failures)
        self.hosts.report.note(
            "", f"{phase} failed on {', '.join(failures)}; the others go on, as the settings say", "warning"
        )

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Have a failure of what is inside written into the history and the journals of the hosts that answer."""
        try:
            yield
        except Exception as error:
            if not self.hosts.dry and self.session.locked:
                first = str(error).splitlines()[0]
                self.session.result = f"failed: {first}"
                self.note(failed=first)
                names = [
                    name for name in self.hosts.names if name in self.session.locked and name not in self.session.lost
                ]
                with suppress(Exception):
                    # What it was about is told by the error itself.
                    self.hosts.some(names).attempt([self.ways.record], self.wanted, phase="record")
            raise

    @contextmanager
    def undo_on_failure(self) -> Iterator[None]:
        """Put every host back to the release that served before, when something inside fails."""
        try:
            yield
        except Exception as error:
            if self.hosts.dry:
                raise
            try:
                self.turn_back()
            except Exception as second:
                raise HawserError(
                    f"{error}\nand not every host could be put back: {second}\n"
                    f"  next: fab -H {self.hosts.environment.name} resume, which finishes this"
                ) from error
            raise

    def turn_back(self) -> None:
        """Put all hosts back to what they served before the rollout, also those that were lost and answer again.

        :raises HawserError: not all of them could be.
        """
        self.session.reopen(self.hosts.names)
        # Those that never answered go on serving what they serve.
        touched = [name for name in self.hosts.names if name in self.before]
        gone = [name for name in touched if name in self.session.lost]
        there = [name for name in touched if name not in gone]
        self.put_back(there, "")
        fresh = [name for name in there if not self.before[name].before]
        old = [name for name in there if self.before[name].before]
        if fresh:
            told = ", ".join(fresh)
            self.hosts.report.note("", f"nothing served before on {told}, so nothing is put back there", "warning")
        self.note(phase=PUT_BACK, waits=tuple(gone))
        self.hosts.some(old).apply([self.ways.close], self.wanted, phase="close")
        for act in self.later:
            act()
        if gone:
            raise HawserError(f"no answer from {', '.join(gone)}")

    def put_back(self, names: Sequence[str], phase: str) -> None:
        """Make hosts serve the release that they served before; those without one are left as they are.

        Those first that others wait for, as in a switch.

        :param phase: the name a person reads; the release's when it is empty.
        :raises StepFailed: on one or more hosts.
        """
        self.session.refresh(names)
        for name in names:
            # What `activate` takes for the release before becomes again what it was.
            facts = self.session.facts[name]
            self.session.facts[name] = dataclasses.replace(facts, current=self.before[name].previous)
        there, self.session.rollout = self.record, dataclasses.replace(self.record, phase=PUT_BACK)
        self.switched -= set(names)
        wanted = {name: self.before[name].before for name in names if self.before[name].before}
        failed: list[StepFailed] = []
        try:
            for identifier in sorted(set(wanted.values())):
                fleet = self.hosts.some([name for name in names if wanted.get(name) == identifier])
                release = self.kept(identifier, fleet)
                rank = release.environment.host_rank
                for _rank, equals in groupby(sorted(fleet.names, key=rank), rank):
                    try:
                        self.hosts.some(list(equals)).apply(
                            self.ways.put_back, release, phase or f"put back {identifier}"
                        )
                    except StepFailed as error:
                        # The others are put back all the same.
                        failed.append(error)
        finally:
            self.session.rollout = there
        if failed:
            raise failed[0]

    def kept(self, identifier: str, fleet: Fleet) -> Release:
        """Return a release that served before, as it was made."""
        return self.wanted if identifier == self.wanted.id else fleet.release(identifier)

    def leave_open(self, names: Sequence[str], why: str) -> None:
        """Write down on hosts that were given up that the rollout is not complete there."""
        there = self.record
        self.note(failed=why, waits=tuple(names))
        self.hosts.some(names).apply([self.ways.close], self.wanted, phase="close")
        self.session.rollout = there

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
        next_move = f"next: fab -H {self.hosts.environment.name} resume, when they are well again"
        if self.failed:
            raise StepFailed(f"{told}\n  {next_move}")
        self.hosts.report.note("", f"{told}; {next_move}", "warning")
