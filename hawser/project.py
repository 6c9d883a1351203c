"""The project of somebody who types a command: the folder above that has the fabfile, or the environment files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from fabric.config import Config
from invoke.config import DataProxy

from .errors import HawserError

FABFILES = ("fabfile.py", "fabfile/__init__.py")
_OURS = re.compile(r"^\s*(?:from|import)\s+hawser\b", re.MULTILINE)


def fabfile_above(start: Path, ours: bool) -> Path | None:
    """Return the nearest folder, from here upwards, that has a fabfile.

    :param ours: one counts only when it imports Hawser: a repository may have an older one, for another Fabric.
    """
    for folder in (start, *start.parents):
        for path in (folder / name for name in FABFILES):
            if path.is_file() and (not ours or _OURS.search(path.read_text(encoding="utf-8", errors="replace"))):
                return folder
    return None


def hosts_above(start: Path) -> Path | None:
    """Return the nearest folder, from here upwards, whose `hosts` has environment files."""
    return next((each for each in (start, *start.parents) if any(each.glob("hosts/*.toml"))), None)


def own_settings(config: Config) -> Mapping[str, str]:
    """Return what is ours in Fabric's settings.

    :raises HawserError: it is no table of texts.
    """
    table = config.get("hawser", {})
    if not isinstance(table, dict | DataProxy) or not all(isinstance(each, str) for each in table.values()):
        message = "`hawser` in fabric.yaml must be a table of texts"
        raise HawserError(message, next="as in hawser: {hosts: hosts, environment: demo}", code=2)
    return dict(table.items())


def hosts_folder(config: Config) -> Path:
    """Return the folder of the environment files.

    HAWSER_HOSTS names it as seen from here, `hawser.hosts` of fabric.yaml from the project. Else it is `hosts` in the
    project, or where that has none, in the nearest folder from here upwards.
    """
    if named := os.environ.get("HAWSER_HOSTS"):
        return Path(named).resolve()
    project = Path(config._project_prefix or "")
    setting = own_settings(config).get("hosts")
    if setting is None and not (project / "hosts").is_dir():
        project = hosts_above(Path.cwd()) or project
    return (project / Path(setting or "hosts").expanduser()).resolve()
