"""Everyday questions and commands, on all named hosts at once."""

from __future__ import annotations

import shlex

from hawser.errors import HawserError
from hawser.fleet import Fleet
from hawser.formats import shell, shell_join
from hawser.processes import instance_environment, own_environment
from hawser.steps import rollout


@rollout(positional=["command"], help={"command": "a shell command line, run as root"})
def run(fleet: Fleet, command: str) -> None:
    """Run a command on every host; each line of output is marked by its host."""
    fleet.stream({name: {"argv": ["sh", "-c", command]} for name in fleet.names}, command)


@rollout(
    positional=["command"],
    help={"command": "what follows `python manage.py`", "instance": "whose settings; needed where there are several"},
)
def manage(fleet: Fleet, command: str, instance: str = "") -> None:
    """Run a management command in the application's environment, on the first of the named hosts."""
    own = variables_of(fleet, instance)
    name = fleet.needing_code().names[0]
    host = fleet.host(name)
    if not fleet.some([name]).facts(name).current:
        raise HawserError(f"{name}: nothing has been deployed yet; next: fab -H {fleet.environment.name} deploy")
    argv = [f"{host.root}/current/run", *own, "python", "manage.py", *shlex.split(command)]
    fleet.stream({name: {"argv": argv, "user": host.app.user, "cwd": f"{host.root}/current/source"}}, command)


def variables_of(fleet: Fleet, instance: str) -> list[str]:
    """Return what stands before a program that gets the variables of an instance; nothing where there is none.

    :raises HawserError: there is no such instance, or which one is open.
    """
    known = fleet.environment.instances
    if instance and instance not in known:
        raise HawserError(f"there is no instance {instance}; instances: {', '.join(known) or 'none'}", code=2)
    if not instance and fleet.environment.env.of_instances:
        hint = f"next: the same command with --instance {next(iter(known))}"
        raise HawserError(f"which instance? {', '.join(known)}\n  {hint}", code=2)
    return [f"@{instance_environment(instance)}"] if instance else []


@rollout(
    help={
        "process": "with what this process gets besides",
        "instance": "with the variables of this instance",
    }
)
def printenv(fleet: Fleet, process: str = "", instance: str = "") -> None:
    """Show the variables that the release that serves starts its processes with; secrets are masked."""
    own = variables_of(fleet, instance) if instance else []
    known = fleet.environment.processes
    if process and process not in known:
        raise HawserError(f"there is no process {process}; processes: {', '.join(known)}", code=2)
    path = f"{fleet.environment.app.root}/current/environment"
    if process:
        own += own_environment(known[process], process)
    paths = [path, *(f"{path}.{each.removeprefix('@')}" for each in own)]
    for name, variables in fleet.needing_code().ask_all("commands.variables", {"paths": paths}).items():
        for variable, value in sorted(variables.items()):
            fleet.report.output(name, f"{variable}={shell(value)}")


@rollout(
    help={
        "process": "only this process; default: all",
        "lines": "how many lines of each log to begin with",
        "follow": "go on until Ctrl-C",
    }
)
def logs(fleet: Fleet, process: str = "", lines: int = 20, follow: bool = False) -> None:
    """Show what the processes wrote; each line is marked by its host."""
    known = fleet.environment.processes
    if process and process not in known:
        raise HawserError(f"there is no process {process}; processes: {', '.join(known)}", code=2)
    commands: dict[str, list[str]] = {}
    for name in fleet.reachable().names:
        host = fleet.host(name)
        wanted = [each for each in host.live_processes() if process in ("", each.setting_name)]
        units = [word for each in wanted if not each.log for word in ("-u", f"{each.unit}.service")]
        files = [each.log for each in wanted if each.log]
        parts = []
        if units:
            parts.append(
                [
                    "journalctl",
                    "-q",
                    "--no-pager",
                    "-o",
                    "short-iso",
                    "-n",
                    str(lines),
                    *(["-f"] if follow else []),
                    *units,
                ]
            )
        if files:
            parts.append(["tail", "-q", "-n", str(lines), *(["-F"] if follow else []), *files])
        if parts:
            commands[name] = ["sh", "-c", " & ".join(shell_join(part) for part in parts) + " & wait"]
    if not commands:
        raise HawserError(f"no process {process} runs on {', '.join(fleet.names)}")
    fleet.stream({name: {"argv": argv} for name, argv in commands.items()}, "logs")
