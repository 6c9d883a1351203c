"""The Python environment of a release."""

from __future__ import annotations

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.code import (
    Access,
    interpreter_in_doubt,
    interpreter_question,
    repository_access,
    ways_to_python,
)
from hawser.host.places import UV_FOLDER
from hawser.host.release import Release
from hawser.resources import PythonEnvironment, PythonVersions, Resources
from hawser.runner.python.versions import FILE, parse, written
from hawser.steps import step


@step(prepares=True)
def resolve(host: Host, chooser: str = "") -> Resources:
    """Choose the versions of all packages that the code leaves open, once for all hosts; a release keeps its own.

    :param chooser: the host that chooses; empty: the leader.
    """
    if host.name == (chooser or host.environment.leader):
        yield from described(host, PythonVersions, "")


@step(prepares=True)
def build(host: Host, chosen: str = "") -> Resources:
    """Build the Python environment, or find the one that fits already.

    :param chosen: the versions that another host has chosen, as it keeps them.
    """
    yield from described(host, PythonEnvironment, chosen)


def described(host: Host, kind: type[PythonEnvironment], chosen: str) -> Resources:
    """Describe the environment of the release, or what is to be known of it."""
    if not host.runs_code or host.release is None:
        return
    app, python = host.app, host.environment.python
    packages, extras = python.packages, python.extras
    access: Access = {"mirror": ""} if app.package else repository_access(host)
    if app.package:
        named = f"[{','.join(extras)}]" if extras else ""
        packages, extras = (f"{app.package}{named}=={host.release.commit}", *packages), ()
    yield kind(
        f"{host.release_path}/env",
        folder=f"{host.root}/envs",
        source=host.source,
        user=host.app.user,
        uv=f"{UV_FOLDER}/bin/uv",
        interpreter=python.interpreter or "",
        requirements=python.requirements or (),
        detect=python.requirements is not False,
        packages=packages,
        lock=python.lock or "",
        extras=extras,
        groups=python.groups,
        own=host.release.id if python.own else "",
        resolver="" if python.resolver == "uv" else python.resolver,
        build_constraints=python.build_constraints,
        conda=python.conda or "",
        conda_packages=python.conda_packages,
        conda_program=python.conda_program or "",
        kept=f"{host.release_path}/{FILE}",
        resolved=python.resolved or "",
        chosen=chosen,
        mirror=python.mirror or "",
        variables={name: host.text(value, f"python.environment.{name}") for name, value in python.environment.items()},
        repo=access.get("repo", ""),
        key=access.get("key", ""),
        token=access.get("token", ""),
        host_keys=access.get("host_keys", ()),
    )


def require_interpreter(fleet: Fleet) -> None:
    """Stop before anything is touched where a host has no Python as the settings want it, and cannot get one.

    :raises HawserError: names those hosts, and the ways out.
    """
    asked = [name for name in fleet.names if interpreter_in_doubt(fleet.host(name))]
    if not asked:
        return
    answers = fleet.subset(asked).ask_all(reading.MISSING_PYTHON, interpreter_question(fleet.host(asked[0])))
    lacking = {name: why for name, why in answers.items() if why}
    if lacking:
        lines = [f"{name}: {why}; its own is {fleet.facts(name).python}" for name, why in lacking.items()]
        wanted = f"{fleet.environment.path.name}: python.interpreter is {fleet.environment.python.interpreter!r}"
        raise HawserError(
            "\n".join([f"{wanted}; nothing was touched", *lines]), next=ways_to_python(fleet.host(asked[0]))
        )


def chosen(fleet: Fleet, name: str, release: Release) -> str:
    """Return the versions that a host has chosen for a release, as it keeps them.

    Empty where nothing was left open, and where the host does not answer.
    """
    if name not in fleet.connections.wires or name in fleet.lost:
        return ""
    path = f"{fleet.host(name).root}/releases/{release.id}/{FILE}"
    text = fleet.connections.text_at(name, path)
    found = None if text is None else parse(text.encode(errors="replace"))
    return written(*found).decode() if found else ""
