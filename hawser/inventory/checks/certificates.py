"""Contradictions within and between the application's certificates."""

from __future__ import annotations

from collections.abc import Iterator

from ..base import Loc, SettingError, did_you_mean
from ..schema import Environment

_PROCESSES = frozenset({"processes"})
FOLDER = "certs"


def check_certificates(environment: Environment) -> Iterator[SettingError]:
    """Each file has one place, the folder is theirs alone, and the processes to restart exist."""
    taken: dict[str, str] = {}
    for name, entry in environment.certificates.items():
        at: Loc = ("certificates", name)
        for key in ("certificate", "key", "chain"):
            file = getattr(entry.files, key)
            first = taken.setdefault(file, f"certificates.{name}.files.{key}")
            if first != f"certificates.{name}.files.{key}":
                yield SettingError((*at, "files", key), f"{first} is called {file} as well", "choose another name")
        for position, process in enumerate(entry.restart):
            if process not in environment.processes:
                processes = environment.processes
                hint = did_you_mean(process, processes, f"processes: {', '.join(processes) or 'none'}")
                yield SettingError(
                    (*at, "restart", position), f"there is no process {process!r}", hint, needs=_PROCESSES
                )
    if environment.certificates:
        yield from _check_folder(environment)


def _check_folder(environment: Environment) -> Iterator[SettingError]:
    for index, folder in enumerate(environment.persistent.folders):
        if folder.split("/")[0] == FOLDER:
            message = f"{folder}: the folder {FOLDER} is for what [certificates] says"
            yield SettingError(("persistent", "folders", index), message, "choose another name")
    for key, link in (("source", environment.app.source), ("environment", environment.app.environment)):
        if link == FOLDER:
            yield SettingError(
                ("app", key), f"the folder {FOLDER} is for what [certificates] says", "choose another name"
            )
