"""Fabric's executor, ours: names after ``-H`` are hosts of the inventory, and a task sees the whole fleet at once."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, cast

import paramiko
from fabric import Connection
from fabric.executor import Executor as FabricExecutor
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import CommandTimedOut, Exit, Failure
from invoke.runners import Result
from invoke.tasks import Call, Task

from .completion import kept
from .errors import HawserError, Unreachable
from .fleet.fleet import Fleet
from .named import Named, load_steps
from .options import require_plain
from .report.text import brief, hearsay, reason, safe
from .session.session import Session
from .steps import FleetTask, SessionTask

# What ran on the hosts has ended with the lines to them.
AGAIN = "nothing goes on running on the hosts, and their locks are free; the same command can be given again"


class Ended(KeyboardInterrupt):
    """Somebody wants this process to end."""


@contextlib.contextmanager
def ended_by(number: signal.Signals) -> Iterator[None]:
    """Have a signal end the block as Ctrl-C would; a second signal ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_arguments: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Ended

    former = signal.signal(number, end)
    try:
        yield
    finally:
        signal.signal(number, former)


class OwnCall(Call):
    """A call that knows the session."""

    session: Session


class FleetCall(OwnCall):
    """A call whose context is the fleet."""

    def make_context(self, config: Config) -> Fleet:  # type: ignore[override]
        return Fleet(self.session, self.session.selection.hosts)


class SessionCall(OwnCall):
    """A call whose context is the session."""

    def make_context(self, config: Config) -> Session:  # type: ignore[override]
        return self.session


class HostCall(OwnCall):
    """A call of a plain task for one host; its context is a ready connection that checks the host's key."""

    host: str

    def make_context(self, config: Config) -> Connection:
        return self.session.connect(self.host)


class LocalContext(Context):
    """The context of a plain task without hosts: it works on this machine only when it says so."""

    def local(self, command: str, **options: object) -> Result | None:
        """Run a command on the controlling machine; the options are those of Invoke's `run`."""
        return super().run(command, **options)

    def run(self, command: str, **options: object) -> NoReturn:
        raise HawserError(f"no hosts are named with -H, so this would run on your own machine: {command}", code=2)

    def sudo(self, command: str, **options: object) -> NoReturn:
        self.run(command)


class LocalCall(OwnCall):
    """A call of a plain task without hosts."""

    def make_context(self, config: Config) -> LocalContext:
        return LocalContext(config=config)


def last_word(error: BaseException) -> Exit:
    """Return what a run ends with that did not go well."""
    if isinstance(error, Exit):
        return error
    if isinstance(error, Ended):
        return HawserError(f"ended by a signal; {AGAIN}", code=128 + signal.SIGTERM)
    if isinstance(error, KeyboardInterrupt):
        return HawserError(f"stopped; {AGAIN}", code=128 + signal.SIGINT)
    code = error.code if isinstance(error, SystemExit) else 1
    return HawserError(f"{type(error).__name__}: {error}", code=code if isinstance(code, int) else 1)


def releases(task: object) -> bool:
    """Tell whether a task releases a revision."""
    return isinstance(task, FleetTask) and task.releases


def plans(task: object) -> bool:
    """Tell whether the tasks behind a task only show what they would change."""
    return isinstance(task, FleetTask) and task.plans


def rolls_out(task: object) -> bool:
    """Tell whether a task leaves a log whatever comes of it."""
    return isinstance(task, FleetTask) and task.rolls_out


def needs_admin(task: object) -> bool:
    """Tell whether a task needs all of root."""
    return isinstance(task, FleetTask) and task.admin


def announce(session: Session, calls: Iterable[Call]) -> None:
    """Tell a session which revisions some calls will release."""
    session.progress.announce([str(call.kwargs.get("revision", "")) for call in calls if releases(call.task)])


def resolved(call: Call) -> Call:
    """Return a call whose task is loaded."""
    if isinstance(call.task, Named):
        call.task = call.task.load()
    return call


class Executor(FabricExecutor):  # type: ignore[misc]
    """Run tasks over the inventory."""

    session: Session | None = None

    def execute(self, *tasks: object) -> object:
        """Run the tasks of one command line over one session; every wire is closed at its end."""
        try:
            with ended_by(signal.SIGTERM):
                load_steps()
                # What the start has made stays; what a command makes it mostly keeps, too.
                gc.freeze()
                gc.set_threshold(100_000, 50, 50)
                gc.enable()
                return self.run(*tasks)
        except Exit as error:
            # Whatever a host, a repository or a program said in it: Invoke prints it as it is.
            error.message = brief(safe(str(error.message or ""), self.masks()))
            raise
        except KeyboardInterrupt as interrupt:
            raise last_word(interrupt) from None

    def masks(self) -> tuple[str, ...]:
        """Return the secrets to mask, as far as they are known already."""
        return self.session.masks if self.session is not None else ()

    def run(self, *tasks: object) -> object:
        hosts = self.core[0].args.hosts.value if self.core else None
        names = [name.strip() for name in (hosts or "").split(",") if name.strip()]
        calls = self.normalize(tasks)
        ours = [str(call.called_as or call.name) for call in calls if isinstance(call.task, FleetTask)]
        if self.core and ours:
            require_plain(self.core[0].args, ", ".join(ours))
        # The program of Fabric itself has no such option.
        verbose = bool(self.core) and "verbose" in self.core[0].args and self.core[0].args.verbose.value
        command = " ".join(str(call.called_as or call.name) for call in calls)
        planned = self.planned(calls)
        if planned is not None:
            self.config.run.dry = True
        asked = bool(self.core) and "as-admin" in self.core[0].args and self.core[0].args["as-admin"].value
        as_admin = bool(asked) or any(needs_admin(call.task) for call in calls)
        session = Session(self.config, names, command, verbose=bool(verbose), perform=self.perform, as_admin=as_admin)
        session.following = planned or ()
        self.session = session
        if any(rolls_out(call.task) for call in calls):
            session.recorded.keep()
        announce(session, calls)
        try:
            result = super().execute(*tasks)
            session.require_no_failure()
            if session.at_end is not None:
                session.at_end()
            return result
        except KeyboardInterrupt:
            session.connections.hang_up()
            raise
        except CommandTimedOut as late:
            what = f"the command has not ended within {late.timeout} s: {late.result.command}"
            if not session.spoken_to:
                raise HawserError(what) from None
            # Paramiko has closed the channel; no signal reaches a program that runs without a terminal.
            raise HawserError(
                what,
                host=session.spoken_to,
                next='see whether it goes on there; "timeout 60 COMMAND" in the task ends it on the host as well',
            ) from None
        except Failure as failure:
            # What the command wrote is in it, where it was not shown at once.
            raise HawserError(hearsay(str(failure)), code=failure.result.exited or 1) from None
        except (paramiko.SSHException, EOFError, TimeoutError) as error:
            # Only a plain task speaks with its host by itself.
            raise Unreachable(f"{session.spoken_to}: the connection broke: {reason(error)}") from None
        finally:
            ending = sys.exception()
            session.close(None if ending is None else last_word(ending))
            self.keep_completion(session)
            # The process ends now: walking through all objects once more takes longer than a connection.
            gc.freeze()

    def planned(self, calls: Sequence[Call]) -> list[tuple[str, Mapping[str, object]]] | None:
        """Return the tasks of a plan, with their options; None where none is made.

        :raises HawserError: a plan cannot hold one of them, or is not the first thing on the line.
        """
        if not any(plans(call.task) for call in calls):
            return None
        first, *rest = calls
        if not plans(first.task) or any(plans(call.task) for call in rest):
            raise HawserError("a plan comes first, and the tasks that it is of behind it", code=2)
        for call in rest:
            if not isinstance(call.task, FleetTask) or isinstance(call.task, SessionTask):
                raise HawserError(f"no plan can hold {call.called_as or call.name}: it works outside of steps", code=2)
        return [(str(call.called_as or call.name), dict(call.kwargs)) for call in rest]

    def perform(self, session: Session, tasks: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Run tasks of a plan in a session."""
        calls = [resolved(Call(self.collection[name], kwargs=dict(options))) for name, options in tasks]
        announce(session, calls)
        for call in calls:
            call.task(Fleet(session, session.selection.hosts), **call.kwargs)
        session.require_no_failure()

    def keep_completion(self, session: Session) -> None:
        """Keep what a shell completes, with what this run has seen, where a shell has ever asked for it."""
        # Not of another fabfile than that of the folder, where a shell looks for the list.
        if not self.core or self.core[0].args.collection.value:
            return
        path = kept.place(kept.project_of(self.config))
        if path is None or not path.exists():
            return
        seen = None
        if "selection" in vars(session):
            seen = kept.Seen(session.environment, session.connections.facts)
        inventory = session.inventory if session.folder.is_dir() else None
        kept.keep(path, self.core[0], self.collection, inventory, seen)

    def normalize(self, tasks: Sequence[object]) -> list[Call]:
        """Return the calls of tasks; see Invoke."""
        return [resolved(call) for call in super().normalize(tasks)]

    def expand_calls(self, calls: Iterable[Call | Task[Callable[..., object]]], apply_hosts: bool = True) -> list[Call]:
        """Call a step or rollout once for the whole fleet, and a plain task once per host."""
        if self.core.remainder:
            raise HawserError('give the command to the task `run`: fab -H HOSTS run "COMMAND"', code=2)
        assert self.session is not None
        expanded: list[Call] = []
        for each in calls:
            call = resolved(Call(task=each) if isinstance(each, Task) else each)
            expanded.extend(self.expand_calls(call.pre))
            if isinstance(call.task, SessionTask):
                expanded.append(self.clone(call, SessionCall))
            elif isinstance(call.task, FleetTask):
                expanded.append(self.clone(call, FleetCall))
            elif self.session.names:
                expanded.extend(self.clone(call, HostCall, host=name) for name in self.session.selection.hosts)
            else:
                expanded.append(self.clone(call, LocalCall))
            expanded.extend(self.expand_calls(call.post))
        return expanded

    def clone(self, call: Call, kind: type[OwnCall], **attributes: object) -> OwnCall:
        """Return a call as another kind of call that knows the session."""
        clone = cast(OwnCall, call.clone(into=kind))
        assert self.session is not None
        clone.session = self.session
        for name, value in attributes.items():
            setattr(clone, name, value)
        return clone
