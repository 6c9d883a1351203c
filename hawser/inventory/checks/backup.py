"""Contradictions of backups: what is to be saved, what leaves the hosts, and how a database is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..base import SettingError, did_you_mean, listed
from ..schema import Environment

# As file names and answers of hosts hold it.
_PLAIN = "[A-Za-z0-9_][A-Za-z0-9_+!~-]{0,150}"


def check_backup(environment: Environment) -> Iterator[SettingError]:
    """The databases to be saved are there, and survive a release."""
    setting, folders = environment.backup, environment.persistent.folders
    for index, path in enumerate(setting.sqlite):
        if not any(path.startswith(f"{folder}/") for folder in folders):
            hint = listed("folders", folders)
            yield SettingError(("backup", "sqlite", index), f"{path} lies in no persistent folder", hint)
    yield from _check_names(environment)
    yield from _check_offsite(environment)
    if setting.before_migrate and not setting.sqlite and not environment.services.databases:
        yield SettingError(("backup", "before_migrate"), "there is no database that could be saved", "remove it")


def _check_offsite(environment: Environment) -> Iterator[SettingError]:
    """What leaves the hosts is there, and can be encrypted and sent."""
    setting, folders, secrets = environment.backup.offsite, environment.persistent.folders, environment.env.secrets
    if setting is None:
        return
    place = ("backup", "offsite")
    if setting.password not in secrets:
        hint = did_you_mean(setting.password, secrets, "list it in env.required or env.generated")
        yield SettingError((*place, "password"), f"{setting.password} is no secret", hint)
    for index, path in enumerate(setting.folders or ()):
        if path not in folders:
            hint = did_you_mean(path, folders, listed("folders", folders))
            yield SettingError((*place, "folders", index), f"{path} is no persistent folder", hint)
    databases = [
        *(name for service in environment.services.databases.values() for name in service.databases),
        *map(environment.backup.name_of, environment.backup.sqlite),
    ]
    for index, question in enumerate(setting.drill):
        if question.database not in databases:
            hint = did_you_mean(question.database, databases, listed("databases", databases))
            yield SettingError((*place, "drill", index, "database"), f"there is no database {question.database}", hint)
    if setting.repository.startswith("sftp:") and setting.host_key is None:
        message = "is missing: without it, nobody knows to whom the backups go"
        yield SettingError(
            (*place, "host_key"), message, "the server's key, as ssh-keyscan shows it and its owner confirms"
        )
    if not folders and not environment.backup.sqlite and not environment.services.databases:
        yield SettingError(place, "there is no database and no persistent folder that could be kept", "remove it")


def _check_names(environment: Environment) -> Iterator[SettingError]:
    """Commands and backups name a database by its name alone."""
    setting = environment.backup
    taken: dict[str, str] = {}
    for server, service in environment.services.databases.items():
        taken.update(dict.fromkeys(service.databases, f"the database of services.{server}"))
    for index, path in enumerate(setting.sqlite):
        name = setting.name_of(path)
        hint = f'give one, as in backup.names = {{ "{path}" = "{_free_name(path, taken)}" }}'
        if not re.fullmatch(_PLAIN, name, re.ASCII):
            message = f"{path} would be called {name!r}, which is no name for a database"
            yield SettingError(("backup", "sqlite", index), message, hint)
        elif name in taken:
            message = f"{path} would be called {name}, as {taken[name]} is"
            yield SettingError(("backup", "sqlite", index), message, hint)
        taken.setdefault(name, path)
    for path in setting.names:
        if path not in setting.sqlite:
            hint = did_you_mean(path, setting.sqlite, listed("sqlite", setting.sqlite))
            yield SettingError(("backup", "names", path), f"{path} is not in backup.sqlite", hint)


def _free_name(path: str, taken: Iterable[str]) -> str:
    """Suggest a name for a file, of its whole path."""
    name = re.sub("[^a-z0-9]+", "_", path.rpartition(".")[0].lower() or path.lower()).strip("_")[:60]
    name = name if name[:1].isalpha() else f"db_{name}"
    return f"{name}_2" if name in taken else name
