"""The connections of a run: a wire to each host that was asked for, the locks held over them, the hosts lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Protocol, TypeVar

from ..errors import AtWork, HawserError, Unreachable
from ..host.facts import Facts
from ..report import Report
from ..resources import JSON
from ..ssh.connect import Address
from ..ssh.protocol import HEARTBEAT
from ..ssh.talk import Talk
from ..ssh.transport import SILENCE
from . import locks, together
from .engine import Engine

T = TypeVar("T")

# What helps where the record of a host is damaged.
DAMAGED = (
    "  next: put them right there, or remove them, then the same command again; what goes with them:",
    "  journal.json: a rollout that is open (deploy again), hold.json: a freeze, secrets.json: what was made",
)
# Seconds that are left to the threads of a run that is broken off.
LAST_WAIT = 0.4


class Run(Protocol):
    """The run of ``fab`` to which the connections belong."""

    dry: bool
    report: Report
    engine: Engine

    @property
    def entry(self) -> dict[str, str]: ...

    @property
    def masks(self) -> tuple[str, ...]: ...

    @property
    def greeting(self) -> dict[str, str]: ...

    def address(self, name: str) -> Address: ...

    def preflight(self) -> None: ...


class Connections:
    """The hosts that a run speaks with.

    :ivar wires: the open ones, by host.
    :ivar lost: why hosts do not answer any more, by host.
    :ivar facts: what each host said of itself when it was last asked.
    :ivar locked: the hosts whose lock is held.
    :ivar lenient: whether a host that does not answer is left out, as `release.unreachable` says.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.wires: dict[str, Talk] = {}
        self.lost: dict[str, HawserError] = {}
        self.facts: dict[str, Facts] = {}
        self.locked: set[str] = set()
        self.lenient = False
        self._opening: Future[list[str]] | None = None
        # Hosts that were expected and could not be reached, until somebody asks for them.
        self._unreached: set[str] = set()
        self._closed = threading.Event()
        # Those on which a runner may have been started, and whether their lines were cut.
        self._begun: list[Talk] = []
        self._hung_up = False

    def be_lenient(self, lenient: bool) -> None:
        """Say from now on whether a host that does not answer is left out."""
        self.lenient = lenient

    def open_early(self, names: Sequence[str]) -> None:
        """Begin to open wires to these hosts while other work goes on; `open` waits for them."""
        self.run.preflight()
        self._opening = together.begin(lambda: self.open_missing(names))

    def open(self, names: Sequence[str]) -> None:
        """Open a wire to each of these hosts that has none yet, all at once.

        :raises Unreachable: names every one of these that could not be reached; the others stay open.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            self._unreached.update(self.wait_for(opening))
        # Those that did not answer a moment ago are not tried again.
        failed = [name for name in names if name in self._unreached]
        self._unreached.difference_update(failed)
        failed += self.open_missing([name for name in names if name not in failed])
        if failed:
            raise Unreachable(f"not reached: {', '.join(failed)}")

    def wait_for(self, opening: Future[list[str]]) -> list[str]:
        """Wait for the connections that `open_early` has begun."""
        try:
            return opening.result()
        except KeyboardInterrupt:
            self.hang_up()
            raise

    def open_missing(self, names: Sequence[str]) -> list[str]:
        """Open a wire to each of these hosts that has none yet; report and return the hosts that cannot be reached."""
        missing = [name for name in names if name not in self.wires]
        if not missing:
            return []
        self.run.preflight()
        failures = self.try_open(missing)
        for name, failure in failures.items():
            self.report_failure(name, failure)
        return list(failures)

    def try_open(self, names: Sequence[str], only_look: bool = False) -> dict[str, HawserError]:
        """Open a wire to each of these hosts, all at once.

        :param only_look: change nothing, so install no Python either.
        :returns: why some could not be reached, by host.
        """
        if not names:
            return {}
        greeting = self.run.greeting
        self.run.engine.make_room(len({*self.wires, *names}))
        found = self.parallel(names, lambda name: self.open_one(name, greeting, only_look))
        failures = {name: result for name, result in found.items() if isinstance(result, HawserError)}
        self.lost.update(failures)
        return failures

    def open_one(self, name: str, greeting: Mapping[str, str], only_look: bool) -> None:
        wire = self.run.engine.line(self.run.address(name), greeting)

        def install_python() -> bool:
            if only_look:
                return False
            if self.run.dry:
                raise Unreachable("has no python3; it would be installed first", host=name)
            self.run.report.note(name, "has no python3; it is installed first")
            return True

        self._begun.append(wire)
        try:
            wire.open(install_python)
        except Unreachable:
            # It is cut.
            self._begun.remove(wire)
            raise
        self.wires[name] = wire
        self.facts[name] = wire.facts
        # One thread a wire: a line that takes nothing must not silence the others.
        threading.Thread(target=self.ping, args=(name, wire), daemon=True).start()

    def ping(self, name: str, wire: Talk) -> None:
        while not self._closed.wait(HEARTBEAT) and self.wires.get(name) is wire:
            wire.ping()

    def parallel(self, names: Sequence[str], work: Callable[[str], T]) -> dict[str, T | HawserError]:
        """Do something for each host at once; every host is finished before this returns.

        :returns: for each host its result, or the error that a user can act on.
        """

        def guarded(name: str) -> T | HawserError:
            try:
                return work(name)
            except HawserError as error:
                if isinstance(error, Unreachable):
                    self.lost[name] = error
                return error
            except Exception as error:
                # Our own mistake must not keep the other hosts from being put back.
                bug = HawserError(f"a bug in Hawser: {type(error).__name__}: {error}", host=name)
                bug.__cause__ = error
                return bug

        futures = together.begin_each(names, guarded)
        try:
            return {name: future.result() for name, future in futures.items()}
        except KeyboardInterrupt:
            self.hang_up()
            # What they still have to say shall not come between the last words.
            wait(futures.values(), timeout=LAST_WAIT)
            raise

    def report_failure(self, name: str, error: HawserError) -> None:
        """Report an error that broke off a host: loudly in any case, as a failure unless the settings leave it out."""
        if self.lenient and name in self.lost:
            self.run.report.note(name, error.without_host, "warning")
        else:
            self.run.report.host_failed(name, str(error))

    def reopen(self, names: Sequence[str]) -> None:
        """Try once more to reach hosts that were lost on the way, and take their lock again; some may stay lost."""
        gone = [name for name in names if name in self.lost and name in self.wires]
        for name in gone:
            self.wires.pop(name).cut()
            self.locked.discard(name)
        failures = self.try_open(gone)
        for name in gone:
            if name in failures:
                continue
            try:
                # Our former runner there may need some time to notice that nobody speaks to it any more.
                self.lock([name], wait=SILENCE + HEARTBEAT)
            except HawserError as error:
                self.lost[name] = error
            else:
                del self.lost[name]
                self.run.report.note(name, "answers again")

    def look_again(self, names: Sequence[str]) -> None:
        """Have the next question find hosts as they are by then: facts are read anew, what was lost is tried anew."""
        gone = [name for name in names if name in self.lost]
        for name in gone:
            del self.lost[name]
            self.drop(name)
        self.refresh([name for name in names if name in self.wires])

    def drop(self, name: str) -> None:
        """Cut the line to a host, where there is one, and with it the lock."""
        self.locked.discard(name)
        if name in self.wires:
            wire = self.wires.pop(name)
            wire.cut()
            if wire in self._begun:
                self._begun.remove(wire)

    def come_back(self, name: str, seconds: float, every: float, back: Callable[[], bool]) -> bool:
        """Wait for a host that goes down in this moment, and open its line anew; it is not locked then.

        :param seconds: how long at most, and
        :param every: how long between two attempts.
        :param back: asks the host whether it has been down.
        :returns: whether it is there again.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.drop(name)
            if not self.try_open([name]):
                self.lost.pop(name, None)
                # It may go down while it is asked.
                with suppress(HawserError):
                    if back():
                        return True
            if time.monotonic() > deadline:
                return False
            time.sleep(every)

    def forget_losses(self, names: Iterable[str]) -> None:
        """Forget that hosts do not answer, for whoever asks for them to learn why."""
        for name in names:
            self.lost.pop(name, None)

    def lock(self, names: Sequence[str], wait: float = 2.0) -> None:
        """Take the application's lock on these hosts, and hold it until the end of the run.

        :param wait: seconds; a holder that was killed a moment ago needs some to end.
        :raises AtWork: somebody else holds it: who, since when, from where, doing what.
        """
        for error in self.take_locks(names, wait).values():
            raise error

    def lock_reachable(self, names: Sequence[str]) -> None:
        """Take the lock on some hosts; one that does not answer is lost, and fatal unless the settings skip it.

        :raises AtWork: somebody else holds it.
        """
        for name, error in self.take_locks(names, 2.0).items():
            if not self.lenient or not isinstance(error, Unreachable):
                raise error
            if name not in self.lost:
                self.lost[name] = error
                self.report_failure(name, error)

    def take_locks(self, names: Sequence[str], wait: float) -> dict[str, HawserError]:
        """Take the lock on hosts: on the first one that answers, then on all others at once.

        Of two who come at once for the same hosts, whoever gets the first one gets all. Where their hosts differ, who
        holds one behind a host of the other's gives up sooner, so that not both do.

        :returns: why it was not to be had, by host, in their order.
        """

        def attempt(name: str, seconds: float) -> HawserError | None:
            try:
                self.take_lock(name, seconds)
            except HawserError as error:
                return error
            return None

        found: dict[str, HawserError | None] = {}
        rest = sorted(set(names) - self.locked)
        while rest and all(isinstance(error, Unreachable) for error in found.values()):
            first = rest.pop(0)
            found[first] = attempt(first, wait)
        if all(error is None or isinstance(error, Unreachable) for error in found.values()):
            found.update(self.parallel(rest, lambda name: attempt(name, wait / 2)))
            for name in rest:
                if isinstance(found[name], AtWork) and max(self.locked, default="") < name:
                    found[name] = attempt(name, wait)
        return {name: error for name, error in found.items() if error is not None}

    def take_lock(self, name: str, wait: float) -> None:
        """Take the lock on one host.

        :raises AtWork: somebody else holds it.
        """
        info: dict[str, JSON] = {**self.run.entry, "since": time.time()}
        answer = self.wires[name].request("lock", {"info": info, "wait": wait}, self.run.masks)
        if not answer.ok:
            holder = answer.message.get("holder")
            if not holder:
                raise HawserError(f"the lock cannot be taken: {answer.error}", host=name)
            next_move = "wait, then the same command again; `lock --wait` in front of its task does both"
            raise AtWork(f"{locks.at_work(holder)}; nothing was touched", host=name, next=next_move)
        self.facts[name] = answer.message["facts"]
        self.locked.add(name)

    def refuse_damaged(self, names: Sequence[str]) -> None:
        """Stop where a host's record of a rollout, of a freeze or of its secrets is damaged; a dry run only says so.

        :param names: hosts that have been asked already.
        :raises HawserError: which, and what helps.
        """
        told = [f"  {name}: {path}" for name in names for path in self.facts[name].damaged]
        what = "records of hosts are damaged, so that nobody knows what they said"
        if told and self.run.dry:
            self.run.report.note("", "\n".join([f"{what}:", *told]), "warning")
        elif told:
            raise HawserError("\n".join([f"{what}; nothing was touched", *told, *DAMAGED]))

    def refresh(self, names: Sequence[str]) -> None:
        """Read the facts of these hosts anew; one that does not answer any more is lost."""

        def ask(name: str) -> Facts:
            found: Facts = self.wires[name].request("facts").message["facts"]
            return found

        for name, result in self.parallel(names, ask).items():
            if not isinstance(result, Exception):
                self.facts[name] = result

    def text_at(self, name: str, path: str) -> str | None:
        """Return a short text file of a host whose wire is open; None where it has none."""
        text = self.wires[name].request("read", {"path": path}).message.get("text")
        return None if text is None else str(text)

    def assume(self, name: str, facts: Facts) -> None:
        """Have facts of a host be so without asking it, as after a step, or where a dry run would have made them so."""
        self.facts[name] = facts

    def hang_up(self) -> None:
        """Cut every line at once: the runners end their work."""
        self._closed.set()
        self._hung_up = True
        wait([together.begin(wire.cut) for wire in self._begun], timeout=LAST_WAIT)

    def close(self) -> None:
        """Say goodbye to every host; nobody is waited for after the lines were cut."""
        if self._hung_up:
            return
        if self._opening is not None:
            # What failed there is reported already, and did not matter to what ended the run.
            wait([self._opening])
        self._closed.set()
        self.parallel(list(self.wires), lambda name: self.wires[name].close())
        self.run.engine.close()
