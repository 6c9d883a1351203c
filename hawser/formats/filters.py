"""The formats as filters of templates: ``{{ password | urlquote }}``, ``command={{ argv | supervisor_command }}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import PurePath

from jinja2 import Undefined

from ..runner.webservers import TRAITS
from .crontab import crontab_command
from .dotenv_file import dotenv
from .ini import ini_value
from .literals import json_text, python_literal, url_quote, yaml_text
from .posix import shell, shell_environment, shell_join
from .supervisor import supervisor_command, supervisor_environment, supervisor_logfile, supervisor_value
from .systemd import systemd_environment, systemd_exec, systemd_value, systemd_word


def _of_text(write: Callable[[str], str]) -> Callable[[object], str]:
    """Return `write` as a filter that takes numbers and paths for their text; all else is left to be refused."""

    def apply(value: object) -> str:
        if isinstance(value, int | float | PurePath | Undefined) and not isinstance(value, bool):
            # A strict undefined value says here which name is missing.
            value = str(value)
        return write(value)  # type: ignore[arg-type]  # what is no text is refused by name

    return apply


def _of_data(write: Callable[[object], str]) -> Callable[[object], str]:
    """Return `write` as a filter that says which name is missing where a value, or a part of it, is undefined."""

    def apply(value: object) -> str:
        require_defined(value)
        return write(value)

    return apply


def require_defined(value: object) -> None:
    """Raise the error of a strict undefined value, at any depth of a value."""
    if isinstance(value, Undefined):
        str(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            require_defined(each)
    elif isinstance(value, list | tuple):
        for each in value:
            require_defined(each)


def _written_for(server: str) -> Mapping[str, Callable[[str], str]]:
    """Return the filters for a web server's configuration, which stand in the module of its name."""
    found: Mapping[str, Callable[[str], str]] = import_module(f".{server}", __package__).FILTERS
    return found


FILTERS: dict[str, Callable[..., str]] = {
    "shell": _of_text(shell),
    "shell_join": shell_join,
    "shell_environment": shell_environment,
    "systemd": _of_text(systemd_value),
    "systemd_word": _of_text(systemd_word),
    "systemd_exec": systemd_exec,
    "systemd_environment": systemd_environment,
    "supervisor": _of_text(supervisor_value),
    "supervisor_command": supervisor_command,
    "supervisor_environment": supervisor_environment,
    "supervisor_logfile": _of_text(supervisor_logfile),
    "dotenv": dotenv,
    **{name: _of_text(write) for each in TRAITS for name, write in _written_for(each).items()},
    "cron": _of_text(crontab_command),
    "python": _of_data(python_literal),
    "json": _of_data(json_text),
    "yaml": _of_data(yaml_text),
    "ini": _of_text(ini_value),
    "urlquote": _of_text(url_quote),
}
