"""The formats as filters of templates: ``{{ password | urlquote }}``, ``command={{ argv | supervisor_command }}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath

from jinja2 import Undefined

from .apache import apache_word
from .crontab import crontab_command
from .dotenv_file import dotenv
from .ini import ini_value
from .literals import json_text, python_literal, url_quote, yaml_text
from .nginx import nginx_string, nginx_word
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
    """Raise what a strict undefined value raises, wherever in the value it is."""
    if isinstance(value, Undefined):
        str(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            require_defined(each)
    elif isinstance(value, list | tuple):
        for each in value:
            require_defined(each)


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
    "nginx": _of_text(nginx_string),
    "nginx_word": _of_text(nginx_word),
    "apache": _of_text(apache_word),
    "cron": _of_text(crontab_command),
    "python": _of_data(python_literal),
    "json": _of_data(json_text),
    "yaml": _of_data(yaml_text),
    "ini": _of_text(ini_value),
    "urlquote": _of_text(url_quote),
}
