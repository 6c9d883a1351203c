"""The trial of a process that restarts in place: its successor starts on another port before the old one stops."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
from collections.abc import Callable

from ..answers.messages import ProcessRow
from ..inventory.tables.processes import Process
from ..resources import Resources, Tried
from .health import healthy
from .journal import PUT_BACK
from .processes import ProcessInstance, going_on, left_in_place, overlaps, pid_files
from .variables import instance_variables

# The variable by which many servers are told their port.
PORT_VARIABLE = "PORT"
# Keys of a definition that name what only one of two can have, or that act on others.
SHARED = re.compile(r"(?:Install|Unit)\.|Exec|(?:Runtime|State)Directory|PIDFile|BusName|Sockets|Type$|FileDescriptor")
# Keys of [Unit] that only say when it starts.
ORDER = ("Unit.After", "Unit.Description", "Unit.Documentation", "Unit.Requires", "Unit.Wants")
# Seconds that it may take to stop.
LONGEST_STOP = 5


def tried(process: ProcessInstance, text: Callable[[ProcessInstance], str]) -> Resources:
    """Yield the trial of a process that takes the place of one that runs; nothing where there is nothing to lose.

    A release that goes back has proven itself, and must not be kept from it.

    :param text: renders its definition.
    """
    host, row = process.host, replaced(process)
    goes_back = host.rollout is not None and (host.rollout.phase == PUT_BACK or host.rollout.what == "rollback")
    if row is None or goes_back or going_on(host, process.unit, process.setting.manager):
        return
    becomes = text(process) if may_run_twice(process.setting) else ""
    trial = on_port(process, free_number(becomes))
    if not becomes or own_files(process) & own_files(trial) or not any(str(trial.port) in each for each in trial.argv):
        return
    for question in healthy(trial):
        asked = {field.name: getattr(question, field.name) for field in dataclasses.fields(question)}
        yield Tried(
            **asked,
            serves=row["unit"],
            serves_under=row["manager"],
            port=process.port or 0,
            path_of_definition=trial.definition,
            definition=text(trial),
            becomes=hashlib.sha256(becomes.encode()).hexdigest(),
            placeholder=str(trial.port),
        )


def replaced(process: ProcessInstance) -> ProcessRow | None:
    """Return the process that runs in the place of another one: under any manager, or under a former name."""
    running = [row for row in process.host.facts.processes if row["active"]]
    own = [row for row in running if row["unit"] == process.unit]
    left = [row for row in left_in_place(process.host) if row["active"]]
    return next(iter([*own, *left]), None)


def may_run_twice(setting: Process) -> bool:
    """Whether two of a process that restarts in place may run for a moment, on two ports."""
    if not setting.trial or setting.port is None or setting.single or overlaps(setting):
        return False
    return not any(SHARED.match(key) and key not in ORDER for key in setting.extra)


def own_files(process: ProcessInstance) -> set[str]:
    """Return the files that no two processes may write: those with their numbers."""
    return set(pid_files(shlex.split(process.command_text(process.setting.command, "command"))))


def on_port(process: ProcessInstance, port: int) -> ProcessInstance:
    """Return a process as it is tried: under a name of its own, on another port."""
    stop_timeout = min(LONGEST_STOP, process.setting.stop_timeout)
    setting = process.setting.model_copy(update={"port": port, "stop_timeout": stop_timeout})
    given = process.port is not None and variable(process) == str(process.port)
    told = ("env", f"{PORT_VARIABLE}={port}") if given else ()
    return dataclasses.replace(process, setting=setting, is_trial=True, told=told)


def variable(process: ProcessInstance) -> str:
    """Return the port that a process is told by its variable, empty where it is told none."""
    host, setting, name = process.host, process.setting, process.setting_name
    if PORT_VARIABLE in setting.environment:
        return host.text(setting.environment[PORT_VARIABLE], f"processes.{name}.environment.{PORT_VARIABLE}")
    return {**host.variables, **instance_variables(host, setting.instance)}.get(PORT_VARIABLE, "")


def free_number(text: str) -> int:
    """Return a number like that of a port which stands nowhere in a text: the runner finds its places by it."""
    return next(number for number in range(65535, 0, -1) if str(number) not in text)
