"""The Python environment of a release."""

from __future__ import annotations

from hawser.answers import reading
from hawser.errors import HawserError
from hawser.fleet import transfer
from hawser.fleet.fleet import Fleet
from hawser.host import Host
from hawser.host.code import (
    Access,
    interpreter,
    interpreter_in_doubt,
    interpreter_question,
    repository_access,
    uploaded,
    ways_to_python,
)
from hawser.host.places import UV_FOLDER, uploaded_python
from hawser.host.pythons import FOR_HOSTS, KEY, local_python, why_not_for
from hawser.host.release import Release
from hawser.resources import Link, PythonEnvironment, PythonVersions, Resources, UploadedPython
from hawser.runner.python.versions import FILE, parse, written
from hawser.steps import step


@step(prepares=True)
def python(host: Host) -> Resources:
    """Bring the Python of `python.upload` to hosts that lack it, and note which one the release has."""
    digest = uploaded(host)
    if not host.runs_code or host.release is None or not digest:
        return
    place = uploaded_python(host, digest)
    source = host.environment.python.upload or "the Python of the release"
    yield UploadedPython(place, sha256=digest, source=source, user=host.app.user)
    yield Link(f"{host.release_path}/python", f"../../pythons/{place.rpartition('/')[2]}")


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
        interpreter=interpreter(host),
        directory=app.directory or "",
        requirements=tuple(map(app.within, python.requirements or ())),
        detect=python.requirements is not False,
        packages=packages,
        lock=app.within(python.lock) if python.lock else "",
        extras=extras,
        groups=python.groups,
        own=host.release.id if python.own else "",
        resolver="" if python.resolver == "uv" else python.resolver,
        build_constraints=python.build_constraints,
        conda=app.within(python.conda) if python.conda else "",
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


def require_interpreter(fleet: Fleet, wanted: Release | None = None) -> None:
    """Stop before anything is touched where a host has no Python as the settings want it, and cannot get one.

    :param wanted: the release that hosts are to get; None before one is known.
    :raises HawserError: names those hosts, and the ways out.
    """
    require_uploaded(fleet, wanted)
    asked = [name for name in fleet.names if interpreter_in_doubt(fleet.host(name, wanted))]
    if not asked:
        return
    one = fleet.host(asked[0], wanted)
    answers = fleet.subset(asked).ask_all(reading.MISSING_PYTHON, interpreter_question(one))
    lacking = {name: why for name, why in answers.items() if why}
    if lacking:
        lines = [f"{name}: {why}; its own is {fleet.facts(name).python}" for name, why in lacking.items()]
        named = f"{fleet.environment.path.name}: python.interpreter is {one.environment.python.interpreter!r}"
        raise HawserError("\n".join([f"{named}; nothing was touched", *lines]), next=ways_to_python(one))


def require_uploaded(fleet: Fleet, wanted: Release | None) -> None:
    """Stop before anything is touched where a host lacks the Python of this machine and cannot take it.

    :raises HawserError: names those hosts, or what is wrong with it.
    """
    here = local_python(fleet.environment)
    digest = wanted.environment.contents.get(KEY, "") if wanted else here.sha256 if here else ""
    if here and here.version and here.sha256 == digest:
        # Also of one that hosts have: they would go on with another version than the settings say.
        _about = here.about
    hosts = fleet.subset([name for name in fleet.names if fleet.host(name, wanted).runs_code])
    if not digest or not hosts.names:
        return
    place = uploaded_python(hosts.host(hosts.names[0], wanted), digest)
    there = hosts.ask_all(reading.REMOTE_ENTRIES, {"paths": [place]})
    lacking = [name for name, found in there.items() if found[place] != "folder"]
    if not lacking:
        return
    here = transfer.require_python(hosts, digest)
    loader = here.about.loader
    found = hosts.subset(lacking).ask_all(reading.REMOTE_ENTRIES, {"paths": [loader]}) if loader else {}
    why = {name: why_not_for(hosts.facts(name), here.about, found.get(name, {}).get(loader, "")) for name in lacking}
    if any(why.values()):
        lines = [f"{name}: {told}" for name, told in why.items() if told]
        message = "\n".join([f"{here.file}: {KEY} is {here.source!r}; nothing was touched", *lines])
        raise HawserError(message, next=FOR_HOSTS, code=2)


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
