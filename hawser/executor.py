"""Fabric's executor, ours: names after ``-H`` are hosts of the inventory, and a task sees the whole fleet at once."""

from __future__ import annotations

import gc
from typing import Any, cast

from fabric import Connection
from fabric.executor import Executor as FabricExecutor
from invoke.context import Context
from invoke.exceptions import Failure
from invoke.tasks import Call, Task

from .errors import HawserError
from .fleet import Fleet
from .session import Session
from .steps import FleetTask, SessionTask


class OwnCall(Call):
    """A call that knows the session."""

    session: Session


class FleetCall(OwnCall):
    """A call whose context is the fleet."""

    def make_context(self, config: Any) -> Any:
        return Fleet(self.session, self.session.selection.hosts)


class SessionCall(OwnCall):
    """A call whose context is the session."""

    def make_context(self, config: Any) -> Any:
        return self.session


class HostCall(OwnCall):
    """A call of a plain task for one host; its context is a ready connection that checks the host's key."""

    host: str

    def make_context(self, config: Any) -> Connection:
        self.session.report.pause()
        return self.session.connector.open(self.session.address(self.host))


class LocalContext(Context):
    """The context of a plain task without hosts: it works on this machine only when it says so."""

    def local(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command on the controlling machine."""
        return super().run(*args, **kwargs)

    def run(self, command: str, **kwargs: Any) -> Any:
        raise HawserError(f"no hosts are named with -H, so this would run on your own machine: {command}", code=2)

    def sudo(self, command: str, **kwargs: Any) -> Any:
        self.run(command)


class LocalCall(OwnCall):
    """A call of a plain task without hosts."""

    def make_context(self, config: Any) -> LocalContext:
        return LocalContext(config=config)


class Executor(FabricExecutor):  # type: ignore[misc]
    """Run tasks over the inventory."""

    session: Session

    def execute(self, *tasks: Any) -> Any:
        """Run the tasks of one command line over one session; every wire is closed at its end."""
        hosts = self.core[0].args.hosts.value if self.core else None
        names = [name.strip() for name in (hosts or "").split(",") if name.strip()]
        calls = self.normalize(tasks)
        self.session = Session(self.config, names, " ".join(str(call.called_as or call.name) for call in calls))
        ok = False
        try:
            result = super().execute(*tasks)
            if self.session.dry_failures:
                raise HawserError(f"would fail on {', '.join(dict.fromkeys(self.session.dry_failures))}")
            ok = True
            return result
        except KeyboardInterrupt:
            self.session.hang_up()
            raise HawserError("stopped; the same command can be given again", code=130) from None
        except Failure as failure:
            raise HawserError(str(failure), code=failure.result.exited or 1) from None
        finally:
            self.session.close(ok)
            # The process ends now: walking through all objects once more takes longer than a connection.
            gc.freeze()

    def expand_calls(self, calls: Any, apply_hosts: bool = True) -> list[Call]:
        """Call a step or rollout once for the whole fleet, and a plain task once per host."""
        if self.core.remainder:
            raise HawserError('give the command to the task `run`: fab -H HOSTS run "COMMAND"', code=2)
        expanded: list[Call] = []
        for each in calls:
            call = Call(task=each) if isinstance(each, Task) else each
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

    def clone(self, call: Call, kind: type[OwnCall], **attributes: Any) -> OwnCall:
        """Return a call as another kind of call that knows the session."""
        clone = cast(OwnCall, call.clone(into=kind))
        clone.session = self.session
        for name, value in attributes.items():
            setattr(clone, name, value)
        return clone
