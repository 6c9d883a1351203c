"""The list that is kept for shells: tasks, their options, names after ``-H``, and what was last seen on hosts.

The first time that a shell's function is used in a project, it has the list made; from then on runs keep it up to date.

One line each, its fields between tabs, none of them empty:

- ``task NAME SUMMARY``
- ``option TASK FLAG EXPECTS SUMMARY``: ``-`` for an option of no task; it expects ``nothing``, ``text``, or a value of
  one of the kinds below
- ``target NAME ENVIRONMENT WHAT``
- ``value KIND ENVIRONMENT VALUE``: a ``release``, a ``revision`` or a ``process``

A shell takes all of it as data. There is a list for each project, in the user's cache folder and not in the repository:
what somebody else brings along shall not be offered, nor shall a list lie where it may be committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fabric.config import Config
from invoke.collection import Collection
from invoke.parser.context import ParserContext
from invoke.util import helpline

from .. import cache
from ..errors import HawserError
from ..host.facts import Facts
from ..host.release import short
from ..inventory import Environment, Inventory

# The folder of the lists in the user's cache, where the shells' functions look for them.
FOLDER = "completion"
# Of a name of a file, which is the path of a project.
LONGEST_NAME = 255
ONE_FIELD = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
# What options expect, by their names; of all others that take a value nothing is known.
EXPECTED = {"hosts": "target", "process": "process", "revision": "revision"}
RELEASES = {("rollback", "to")}

Line = tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What a run has seen.

    :param facts: by host, what those said of themselves that were asked.
    """

    environment: Environment
    facts: Mapping[str, Facts]


def of_tasks(core: ParserContext, tasks: Collection) -> Iterator[Line]:
    """Yield the lines about tasks and options.

    :param core: the options that are no task's.
    """
    yield from of_options("-", core)
    for name, aliases in tasks.task_names.items():
        for each in (name, *aliases):
            yield ("task", each, helpline(tasks[name]) or "-")
            yield from of_options(each, ParserContext(each, args=tasks[name].get_arguments(True)))


def of_options(task: str, context: ParserContext) -> Iterator[Line]:
    """Yield the lines about the options of a task, or of none."""
    for flag in (*context.flags, *context.flags.aliases):
        argument = context.flags[flag]
        expects = "nothing"
        if argument.takes_value:
            expects = next((EXPECTED[each] for each in argument.names if each in EXPECTED), "text")
            expects = "release" if (task, argument.name) in RELEASES else expects
        yield ("option", task, flag, expects, " ".join((argument.help or "-").split()))


def of_environment(inventory: Inventory, name: str) -> Iterator[Line]:
    """Yield the names after ``-H`` that are of an environment; none where its file cannot be read."""
    try:
        groups, hosts = inventory.members(name)
    except HawserError:
        groups, hosts = (), ()
    yield ("target", name, name, "environment")
    for member, what in (*((each, "group") for each in groups), *((each, "host") for each in hosts)):
        yield ("target", f"{name}/{member}", name, what)
        yield ("target", member, name, what)


def of_hosts(seen: Seen) -> Iterator[Line]:
    """Yield what was seen on the hosts of an environment, and what its file names."""
    environment = seen.environment
    releases = dict.fromkeys(each for facts in seen.facts.values() for each in facts.releases)
    branch = environment.app.branch if not environment.app.package else ""
    commits = (short(each.rpartition("-")[0]) for each in releases)
    for kind, values in (
        ("release", releases),
        ("revision", dict.fromkeys([branch, *commits])),
        ("process", environment.processes),
    ):
        yield from (("value", kind, environment.name, each) for each in values if each)


def place(project: Path) -> Path | None:
    """Return the file of the list of a project; None where there can be none."""
    folder, name = cache.own_folder(FOLDER), str(project).replace("/", "%")
    return None if folder is None or len(name.encode()) > LONGEST_NAME else folder / name


def keep(
    path: Path, core: ParserContext, tasks: Collection, inventory: Inventory | None, seen: Seen | None = None
) -> None:
    """Write a list, where it says something else than before; what cannot be written is left.

    :param inventory: its environments; None where there are none.
    :param seen: an environment that a run was about, whose lines are made anew; those of others stay as they are.
    """
    former = kept(path)
    lines = [*of_tasks(core, tasks)]
    for environment in inventory.names if inventory is not None else ():
        assert inventory is not None
        now = seen if seen is not None and seen.environment.name == environment else None
        old = [line for line in former if line[0] in ("target", "value") and line[2:3] == (environment,)]
        targets = [line for line in old if line[0] == "target"]
        lines += targets if targets and now is None else of_environment(inventory, environment)
        lines += of_hosts(now) if now is not None and now.facts else [line for line in old if line[0] == "value"]
    lines = [line for line in lines if all(ONE_FIELD.fullmatch(field) for field in line)]
    try:
        if lines != former:
            cache.keep(path, "".join("\t".join(line) + "\n" for line in lines).encode())
            cache.forget_old(path.parent, "*")
    except OSError:
        # Nobody has asked for a list.
        return


def project_of(config: Config) -> Path:
    """Return the folder of the project, as Fabric's configuration knows it."""
    return Path(config._project_prefix or "").absolute()


def kept(path: Path) -> list[Line]:
    """Return the lines of a list; none where there is no list of ours."""
    try:
        return [tuple(line.split("\t")) for line in cache.kept(path).decode().splitlines()]
    except ValueError:
        return []
