"""Commands of the environment file before and after the phases of a rollout."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from hawser.children import inherited
from hawser.errors import HawserError, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.rolling import Rollout
from hawser.host import Host
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory.tables.hooks import Hook
from hawser.resources import Command, Resources
from hawser.steps import step

# Runs the last argument in the first of two folders that is there; where none is, in the application's own.
ENTER = 'cd "$0" 2>/dev/null || cd "$1" 2>/dev/null; exec sh -c "$2"'
# Before anything happens.
NONE: Mapping[str, str] = {}


@step()
def run(host: Host, due: int | None = None, facts: Mapping[str, str] = NONE) -> Resources:
    """Run a hook on this host; all of them where none is due, so that a mistake in one is found in time.

    :param due: its place in the file, from 0.
    :param facts: variables that tell it what happens.
    """
    for number, hook in enumerate(host.environment.hooks):
        if due not in (None, number):
            continue
        line = host.command_text(hook.command, f"hooks[{number}].command")
        if hook.on == "here" or (hook.on == "leader" and not host.is_leader) or not host.is_in(hook.groups):
            continue
        env = {**facts, "HAWSER_HOST": host.name}
        user = hook.user or host.app.user
        # That of the release at stake; before that is made, of the one that serves.
        serving = host.serving_code
        argv = ("sh", "-c", ENTER, host.code if host.release else serving, serving, line)
        yield Command(argv, user=user, cwd=host.root, env=env, timeout=hook.timeout, title=line)


@contextmanager
def around_phase(rolling: Rollout, phase: str, fleet: Fleet) -> Iterator[None]:
    """Run the hooks before and after a phase on some hosts; those after it only when it went well.

    :raises StepFailed: a hook before it failed.
    """
    run_all(rolling, "before", phase, fleet)
    yield
    run_all(rolling, "after", phase, fleet)


@contextmanager
def around_rollout(rolling: Rollout, fleet: Fleet) -> Iterator[None]:
    """Run the hooks before a rollout, and after it in any case."""
    run_all(rolling, "before", "rollout", fleet)
    result = "failed"
    try:
        yield
        result = "ok"
    finally:
        run_all(rolling, "after", "rollout", fleet, HAWSER_RESULT=result)


def run_all(rolling: Rollout, when: str, phase: str, fleet: Fleet, **more: str) -> None:
    """Run the hooks of one moment, in the order of the file."""
    for number, hook in enumerate(rolling.hosts.environment.hooks):
        if getattr(hook, when) != phase:
            continue
        title, told = f"hook {when} {phase}", {**facts_of(rolling, f"{when} {phase}", fleet), **more}
        try:
            if hook.on == "here":
                failed = run_locally(rolling, number, hook, told)
            else:
                failed = run_on_hosts(rolling, number, hook, fleet, title, told)
        except HawserError as error:
            if when == "before":
                raise
            # After a failure it would be told in its place.
            failed = f": {error}"
        if failed and when == "before":
            raise StepFailed(f"the {title} failed{failed}: {hook.command}")
        if failed:
            rolling.hosts.report.note("", f"the {title} failed{failed}, and the rollout goes on", "warning")


def run_on_hosts(rolling: Rollout, number: int, hook: Hook, fleet: Fleet, title: str, facts: Mapping[str, str]) -> str:
    """Run a hook on hosts; return where it failed."""
    there = rolling.remaining(fleet.leader() if hook.on == "leader" else fleet)
    names = [name for name in there.names if there.host(name).is_in(hook.groups) and name not in fleet.lost]
    failures = there.subset(names).attempt([run.given(due=number, facts=facts)], today(rolling), title) if names else {}
    return f" on {', '.join(failures)}" if failures else ""


def today(rolling: Rollout) -> Release:
    """Return the release at stake with the hooks of today's file, also in a rollback."""
    session = rolling.hosts.session
    return dataclasses.replace(rolling.wanted, environment=session.environment, templates=session.templates)


def facts_of(rolling: Rollout, moment: str, fleet: Fleet) -> dict[str, str]:
    """Return the variables of a hook."""
    record, entry = rolling.record, rolling.session.entry
    return {
        "HAWSER_HOOK": moment,
        "HAWSER_TASK": record.what,
        "HAWSER_ENVIRONMENT": rolling.hosts.environment.name,
        "HAWSER_APPLICATION": rolling.hosts.environment.app.name,
        "HAWSER_RELEASE": rolling.wanted.id,
        "HAWSER_COMMIT": rolling.wanted.commit,
        "HAWSER_PREVIOUS": next((each.before for each in rolling.before.values() if each.before), ""),
        "HAWSER_TARGETS": ",".join(rolling.remaining(fleet).names),
        "HAWSER_WHO": entry["who"],
        "HAWSER_FROM": entry["from"],
    }


def run_locally(rolling: Rollout, number: int, hook: Hook, facts: Mapping[str, str]) -> str:
    """Run a hook on the controlling machine, in the project's folder; return how it failed."""
    fleet, session = rolling.hosts, rolling.hosts.session
    # What a host says of itself is no part of a command that runs on this machine.
    leader = dataclasses.replace(session.host(fleet.environment.leader, today(rolling)), facts=Facts())
    line = leader.command_text(hook.command, f"hooks[{number}].command")
    if fleet.dry:
        fleet.report.note("here", f"would run {line}")
        return ""
    fleet.report.note("here", line)
    with subprocess.Popen(
        ["sh", "-c", line],
        cwd=session.folder.parent,
        env={**inherited(), **facts},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        timer = threading.Timer(hook.timeout, kill, (child.pid,))
        timer.start()
        try:
            assert child.stdout is not None
            for text in child.stdout:
                fleet.report.output("here", text.rstrip("\n"))
            code = child.wait()
        except BaseException:
            kill(child.pid)
            raise
        finally:
            timer.cancel()
    return f" here, with status {code}" if code else ""


def kill(group: int) -> None:
    """Kill a program with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
