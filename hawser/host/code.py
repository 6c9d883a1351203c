"""The code of a release on a host: how it is fetched, and how a command runs in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NotRequired, TypedDict

from ..inventory.tables.app import BuildCommand, ReleaseCommand, instance_of
from ..resources import Command, Derived
from .host import Host
from .places import UV_FOLDER, uploaded_python
from .pythons import KEY, local_python
from .variables import instance_environment

# Seconds for one command of a release.
LONGEST_COMMAND = 1800


class Access(TypedDict):
    """How a repository is fetched; with the mirror's place alone, from this machine.

    :param host_keys: lines of known_hosts.
    """

    mirror: str
    repo: NotRequired[str]
    key: NotRequired[str]
    token: NotRequired[str]
    host_keys: NotRequired[tuple[str, ...]]


def repository_access(host: Host) -> Access:
    """Return how the code is fetched: the mirror's place, and for hosts that fetch themselves address and keys."""
    app = host.environment.app
    found: Access = {"mirror": f"{host.root}/repository.git"}
    if not app.push:
        found["repo"] = app.repo or ""
        found["key"] = host.secrets.values[app.deploy_key] if app.deploy_key else ""
        found["token"] = host.secrets.values[app.token] if app.token else ""
        # Only git reads them, and only for this repository: its server's name need not be worked out.
        found["host_keys"] = tuple(f"* {key}" for key in app.repo_host_keys)
    return found


def index_question(host: Host, version: str) -> dict[str, str]:
    """Return the question to the package index about a version of the application."""
    environment = host.environment
    here = local_python(environment)
    interpreter = here.about.version if here else environment.python.interpreter or ""
    target = "" if interpreter.startswith("/") else interpreter
    python = f"{UV_FOLDER}/bin/python"
    return {"python": python, "package": environment.app.package or "", "version": version, "target": target}


def in_release(host: Host, line: str, marker: str = "", words: Sequence[str] = ()) -> Command:
    """Return a command line that runs in the code of the release, as the application's user, in its environment.

    :param line: may begin with ``@NAME``, for the variables of an instance.
    :param words: a program that runs it in the shell's place.
    """
    instance, command = instance_of(line)
    own = [f"@{instance_environment(instance)}"] if instance else []
    argv = (f"{host.release_path}/run", *own, *(words or ("sh", "-c", command)))
    return Command(argv, user=host.app.user, cwd=host.code, marker=marker, timeout=LONGEST_COMMAND, title=line)


def commands(host: Host, kind: str) -> Iterator[tuple[str, ReleaseCommand]]:
    """Yield the commands of a kind, rendered, each with its setting.

    :param kind: ``build``, ``check`` or ``migrate``.
    """
    for number, each in enumerate(getattr(host.environment.release, kind)):
        setting = each if isinstance(each, ReleaseCommand) else ReleaseCommand(command=each)
        yield host.command_text(setting.command, f"release.{kind}[{number}]"), setting


def derived(
    host: Host, setting: ReleaseCommand, command: Command, record: str, kept: bool = False, again: bool = False
) -> Derived:
    """Return a command of a release as one that need not run again for the same inputs.

    :param command: the same as one that always runs; see `in_release`.
    :param record: the file that says of what it was run, and
    :param kept: whether each release keeps one of its own.
    :param again: it runs in any case.
    """
    within, path = host.app.within, host.release_path
    instance = instance_of(command.title)[0]
    own = (f"{path}/environment.{instance_environment(instance)}",) if instance else ()
    return Derived(
        command.argv,
        record,
        host.source,
        inputs=tuple(map(within, setting.inputs)),
        outputs=tuple(map(within, setting.outputs)) if isinstance(setting, BuildCommand) else (),
        variables=(f"{path}/environment", *own),
        releases=f"{host.root}/releases" if kept else "",
        again=again,
        user=command.user,
        cwd=command.cwd,
        timeout=command.timeout,
        title=command.title,
    )


def uploaded(host: Host) -> str:
    """Return the digest of the Python that the release brings along; empty where it brings none."""
    return host.environment.contents.get(KEY, "")


def interpreter(host: Host) -> str:
    """Return the interpreter of the release: a version or a path on the host; empty for the host's own."""
    digest = uploaded(host)
    return f"{uploaded_python(host, digest)}/bin/python" if digest else host.environment.python.interpreter or ""


def interpreter_in_doubt(host: Host) -> bool:
    """Tell whether a host may lack the Python that the settings name: it is not its own, and nothing here brings it."""
    python = host.environment.python
    wanted = python.interpreter or ""
    if not host.runs_code or not wanted or wanted.startswith("/") or python.conda or python.upload:
        return False
    package = f"python{'.'.join(wanted.split('.')[:2])}"
    brought = (name for names in host.environment.packages.values() for name in names)
    own = host.facts.python.split(".")
    return package not in brought and wanted.split(".") not in (own, own[:2])


def interpreter_question(host: Host) -> dict[str, str]:
    """Return the question to a host whether it has the Python that the settings name, or can get it."""
    python = host.environment.python
    wanted = {"interpreter": python.interpreter or "", "mirror": python.mirror or ""}
    return {**wanted, "folder": f"{host.root}/envs"}


def ways_to_python(host: Host) -> str:
    """Return the ways to a Python that hosts lack and uv cannot fetch."""
    own = ".".join(host.facts.python.split(".")[:2])
    return (
        f"one of: packages.all, where apt has it; python.upload, which brings one from this machine; python.mirror, "
        f'from where hosts fetch those of uv; or python.interpreter = "{own}"'
    )
