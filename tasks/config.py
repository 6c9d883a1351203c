"""Configuration: the release's environment, and the files that the environment file lists."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from hawser.answers import reading
from hawser.errors import HawserError, InputErrors, Problem
from hawser.fleet.fleet import Fleet
from hawser.formats import dotenv, shell_environment
from hawser.host import Host
from hawser.host.host import ForbiddenSecrets
from hawser.host.managed_files import managed_files
from hawser.host.processes import going_on, processes_of
from hawser.host.shares import required
from hawser.host.variables import dotenv_variables, full_environment, own_environments
from hawser.host.volumes import folders
from hawser.inventory import Environment
from hawser.resources import Absent, File, OnlyPlaced, Resources, Running, changed
from hawser.runner.files.sample_formats import parse_json
from hawser.runner.files.samples import Merge
from hawser.runner.system import Failure
from hawser.session.session import Session
from hawser.steps import fleet_task, removal, session_task, step
from hawser.templates.rendering import TemplateError


@step(prepares=True, for_processes=True)
def install(host: Host) -> Resources:
    """Write the release's own settings: its variables, its dotenv file, and the files inside the code."""
    if not host.runs_code or host.release is None:
        return
    app, path = host.app, host.release_path
    yield File(f"{path}/environment", full_environment(host), mode=0o640, group=app.group, opaque=True)
    for name, variables in own_environments(host).items():
        yield File(f"{path}/environment.{name}", shell_environment(variables), mode=0o640, group=app.group, opaque=True)
    yield File(f"{path}/run", host.render("run.sh.j2", mounts=[*required(host), *folders(host)]), mode=0o755)
    if any(each.changes_user for each in processes_of(host)):
        yield File(f"{path}/run-as", host.render("run-as.sh.j2"), mode=0o755)
    yield from (file for file in dotenv_file(host) if file.path.startswith(path))
    yield from (file for file, _entry in managed_files(host) if file.path.startswith(path))


@step(prepares=True, for_processes=True)
def early(host: Host) -> Resources:
    """Write the files outside the release that what builds it reads, such as a .netrc."""
    if not host.runs_code or host.release is None:
        return
    files = [file for file, entry in managed_files(host) if entry.early and not file.path.startswith(host.release_path)]
    if files:
        yield OnlyPlaced("files", tuple(file.path for file in files), adds=True)
    yield from files


@step(for_processes=True)
def place(host: Host) -> Resources:
    """Write the files outside the release that the environment file lists, no others, and restart who reads them."""
    if not host.runs_code or host.release is None:
        return
    # What the settings no longer name goes before the release starts: one that needs it all the same shows it now.
    yield OnlyPlaced("files", outside(host))
    yield from (file for file in dotenv_file(host) if not file.path.startswith(host.release_path))
    for file, entry in managed_files(host):
        if file.path.startswith(host.release_path):
            continue
        yield file
        for process in processes_of(host):
            serves = going_on(host, process.unit, process.setting.manager)
            if serves and process.setting_name in entry.restart:
                yield Running(process.unit, process.setting.manager, log=process.log, when=changed(file))


def outside(host: Host) -> tuple[str, ...]:
    """Return the files outside of the release that the environment file lists for this host."""
    files = [*dotenv_file(host), *(file for file, _entry in managed_files(host))]
    return tuple(dict.fromkeys(file.path for file in files if not file.path.startswith(host.release_path)))


@step()
def leave(host: Host) -> Resources:
    """Remove the listed files from a host that the settings no longer give the application."""
    if not host.runs_code and host.facts.current:
        yield OnlyPlaced("files", ())


def lies_outside(host: Host) -> bool:
    """Tell whether a file of this host lies outside of the release: commands before the switch may read it as well."""
    environment = host.environment
    paths = [entry.path for entry in environment.files if host.is_in(entry.groups)]
    paths += [entry.path for entry in environment.settings if host.is_in(entry.groups)]
    return any(path.startswith("/") for path in (*paths, environment.env.dotenv or ""))


def dotenv_file(host: Host) -> Iterator[File]:
    """Yield the dotenv file, where the settings ask for one.

    No diff is shown of it, nor of the environment: the old text may hold a secret that is no longer known here.
    """
    if host.environment.env.dotenv:
        where, app = host.path(host.environment.env.dotenv), host.app
        text = dotenv(dotenv_variables(host))
        outside = not where.startswith(host.release_path)
        code = "" if outside else host.source
        yield File(where, text, mode=0o640, owner=app.user, group=app.group, opaque=True, parents=outside, code=code)


@fleet_task()
def samples(fleet: Fleet) -> None:
    """List the sample files of the code that serves, and whether a settings file is made of each."""
    fleet = fleet.needing_code()
    for name in fleet.reachable().names:
        host = fleet.host(name)
        source = host.serving_code
        made = [f"{source}/{entry.sample}" for entry in host.environment.settings if host.is_in(entry.groups)]
        listed = fleet.ask(name, reading.SAMPLES, {"source": source, "made": made})
        for row in listed["rows"]:
            said = "used by [[settings]]" if row["used"] else "the file is there" if row["exists"] else "not used"
            fleet.report.note(name, f"{row['sample']}  {said}")
        fleet.tell_more(name, listed, "samples")


@session_task(help={"to": "the folder to write them into; default: show them"})
def render(session: Session, to: str = "") -> None:
    """Make the files of `[[local]]` on this machine, for clients of the application; no host is asked."""
    entries = session.environment.local
    if not entries:
        raise HawserError(f"{session.environment.path.name} has no [[local]]", code=2)
    texts = local_texts(session.host(session.environment.leader))
    if to:
        compare(session.environment, texts, Path(to))
    for path, text in texts.items():
        if not to:
            session.report.note("", f"{path}:\n{text}")
            continue
        target = Path(to) / path
        if target.is_file() and target.read_text() == text:
            session.report.note("", f"{target} is as it should be")
        elif session.dry:
            session.report.note("", f"would write {target}")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target, text)
            session.report.note("", f"wrote {target}")


def local_texts(host: Host) -> dict[str, str]:
    """Return the texts of `[[local]]` by their path.

    :raises TemplateError: one cannot be rendered, or is no valid JSON where its name says that it is.
    """
    found = {}
    hidden = ForbiddenSecrets("a secret ({}) in a file for clients is a secret no more; remove it")
    for number, entry in enumerate(host.environment.local):
        key = f"local[{number}]"
        if entry.template:
            text = host.render(entry.template, secrets=hidden)
        else:
            text = host.text(entry.content or "", f"{key}.content", secrets=hidden)
        if entry.path.endswith(".json"):
            try:
                json.loads(text)
            except ValueError as error:
                problem = Problem(host.environment.path.name, key, f"{entry.path} would not be valid JSON: {error}")
                raise TemplateError(problem) from None
        found[entry.path] = text
    return found


def compare(environment: Environment, texts: Mapping[str, str], folder: Path) -> None:
    """Make sure that files for a client have the keys of the samples that it brings along.

    :param folder: the client's.
    :raises InputErrors: one has not.
    """
    problems = []
    for number, entry in enumerate(environment.local):
        if not entry.sample:
            continue
        merge, key = Merge(entry.new_keys), f"local[{number}].sample"
        try:
            sample = parse_json((folder / entry.sample).read_text(), entry.sample)
        except (OSError, UnicodeDecodeError, Failure) as error:
            said = f"{folder / entry.sample}: {getattr(error, 'strerror', None) or error}"
            problems.append(Problem(environment.path.name, key, said, f"is {folder} the folder of the client?"))
            continue
        merge.compare(sample, json.loads(texts[entry.path]), ())
        problems += [Problem(environment.path.name, key, f"{entry.path}: {each}") for each in merge.problems]
    if problems:
        raise InputErrors(problems)


def write(target: Path, text: str) -> None:
    """Write a file in one step."""
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(text)
    temporary.replace(target)


@removal()
def remove(host: Host) -> Resources:
    """Remove the files outside the application's folder that the environment file lists, and the dotenv file."""
    environment = host.environment
    yield OnlyPlaced("files", ())
    paths = [entry.path for entry in environment.files if host.is_in(entry.groups)]
    paths += [entry.path for entry in environment.settings if host.is_in(entry.groups)]
    paths += [environment.env.dotenv or ""] if host.runs_code else []
    for path in dict.fromkeys(paths):
        if path.startswith("/") and not path.startswith(f"{host.root}/"):
            yield Absent(path)
