"""Contradictions around several instances of one application."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..base import Loc, SettingError, did_you_mean
from ..schema import Environment
from ..tables.app import instance_of
from ..tables.files import FileEntry
from ..tables.samples import SettingsEntry

_INSTANCES = frozenset({"instances"})


def check_instances(environment: Environment) -> Iterator[SettingError]:
    """No instance has a second name, and a migration says which instance it is for."""
    instances = environment.instances
    for name, values in instances.items():
        if "name" in values:
            yield SettingError(("instances", name, "name"), f"is {name}, whatever stands here", "as in title")
    for kind in ("migrate", "after_migrate"):
        for position, command in enumerate(environment.release.lines(kind)):
            if instances and environment.env.of_instances and not instance_of(command)[0]:
                message = "would run without the variables of any instance"
                hint = f"for each of them: @{{{{ instance.name }}}} {command}"
                yield SettingError(("release", kind, position), message, hint, needs=_INSTANCES | {"env"})


def check_named_instances(environment: Environment) -> Iterator[SettingError]:
    """Instances that are named exist."""
    instances = environment.instances
    for loc, named in _named(environment):
        if named not in instances:
            hint = did_you_mean(named, instances, f"instances: {', '.join(instances) or 'none'}")
            yield SettingError(loc, f"there is no instance {named!r}", hint, needs=_INSTANCES)


def _named(environment: Environment) -> Iterator[tuple[Loc, str]]:
    for kind in ("build", "check", "migrate", "after_migrate"):
        for position, command in enumerate(environment.release.lines(kind)):
            if named := instance_of(command)[0]:
                yield ("release", kind, position), named
    for table in ("processes", "cron", "once"):
        for name, entry in getattr(environment, table).items():
            if entry.instance:
                yield (table, name, "instance"), entry.instance
    tables: dict[str, Sequence[FileEntry | SettingsEntry]] = {
        "files": environment.files,
        "settings": environment.settings,
    }
    for table, entries in tables.items():
        for position, entry in enumerate(entries):
            if entry.instance:
                yield (table, position, "instance"), entry.instance
