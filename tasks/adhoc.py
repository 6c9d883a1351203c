"""Everyday questions and commands, on all named hosts at once."""

from __future__ import annotations

import shlex

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import current_releases, nothing_deployed
from hawser.formats import shell
from hawser.host.journal import Record
from hawser.host.processes import own_environment
from hawser.host.variables import instance_environment
from hawser.steps import fleet_task


@fleet_task(admin=True, positional=["command"], help={"command": "a shell command line, run as root"})
def run(fleet: Fleet, command: str) -> None:
    """Run a command on every host; each line of output is marked by its host."""
    fleet.stream({name: {"argv": ["sh", "-c", command]} for name in fleet.names}, command)


@fleet_task(
    positional=["command"],
    help={"command": "what follows `python manage.py`", "instance": "whose settings; needed where there are several"},
)
def manage(fleet: Fleet, command: str, instance: str = "") -> None:
    """Run a management command in the application's environment, on the first of the named hosts."""
    own = variables_of(fleet, instance)
    name = fleet.needing_code().names[0]
    host = fleet.host(name)
    releases = current_releases(fleet.subset([name]))
    if name not in releases:
        raise nothing_deployed(fleet, name)
    before = fleet.host(name, releases[name]).command_text(fleet.environment.release.manage, "release.manage")
    argv = [f"{host.root}/current/run", *own, *shlex.split(before), *shlex.split(command)]
    fleet.stream({name: {"argv": argv, "user": host.app.user, "cwd": host.serving_code}}, command)


def variables_of(fleet: Fleet, instance: str) -> list[str]:
    """Return the words before a program that gets the variables of an instance; none without instances.

    :raises HawserError: there is no such instance, or which one is open.
    """
    known = fleet.environment.instances
    if instance and instance not in known:
        raise HawserError(f"there is no instance {instance}; instances: {', '.join(known) or 'none'}", code=2)
    if not instance and fleet.environment.env.of_instances:
        hint = f"the same command with --instance {next(iter(known))}"
        raise HawserError(f"which instance? {', '.join(known)}", next=hint, code=2)
    return [f"@{instance_environment(instance)}"] if instance else []


@fleet_task(
    help={
        "process": "with what this process gets besides",
        "instance": "with the variables of this instance",
    }
)
def printenv(fleet: Fleet, process: str = "", instance: str = "") -> None:
    """Show the variables that the release that serves starts its processes with; secrets are masked.

    Where none has served yet, those of the release that a rollout would have brought.
    """
    own = variables_of(fleet, instance) if instance else []
    known = fleet.environment.processes
    if process and process not in known:
        raise HawserError(f"there is no process {process}; processes: {', '.join(known)}", code=2)
    fleet = fleet.needing_code()
    path = f"{fleet.environment.app.root}/{release_folder(fleet)}/environment"
    if process:
        own += own_environment(known[process], process)
    paths = [path, *(f"{path}.{each.removeprefix('@')}" for each in own)]
    for name, variables in fleet.ask_all(reading.VARIABLES, {"paths": paths}).items():
        for variable, value in sorted(variables.items()):
            fleet.report.output(name, f"{variable}={shell(value)}")


def release_folder(fleet: Fleet) -> str:
    """Return the folder of the release that serves, or of the first one, which failed on its way, below the root.

    :raises HawserError: there is neither.
    """
    fleet.connect()
    if any(fleet.facts(name).current for name in fleet.names):
        return "current"
    for name in fleet.names:
        if record := Record.of(fleet.facts(name)):
            return f"releases/{record.release}"
    raise nothing_deployed(fleet, *fleet.names)
