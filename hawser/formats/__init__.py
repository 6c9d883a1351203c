"""Format-correct quoting: each function writes a value so that the format's own reader gives it back unchanged.

What a format cannot carry raises :class:`NotRepresentable`: nothing is cut, replaced or guessed.
"""

from __future__ import annotations

from .apache import apache_word
from .credentials import credentials_value
from .crontab import crontab_command
from .dotenv_file import dotenv
from .ini import ini_value
from .literals import json_text, python_literal, url_quote, yaml_text
from .nginx import nginx_string, nginx_word
from .posix import shell, shell_environment, shell_join
from .supervisor import supervisor_command, supervisor_environment, supervisor_logfile, supervisor_value
from .systemd import systemd_environment, systemd_exec, systemd_paths, systemd_value, systemd_word
from .text import NotRepresentable

__all__ = [
    "NotRepresentable",
    "apache_word",
    "credentials_value",
    "crontab_command",
    "dotenv",
    "ini_value",
    "json_text",
    "nginx_string",
    "nginx_word",
    "python_literal",
    "shell",
    "shell_environment",
    "shell_join",
    "supervisor_command",
    "supervisor_environment",
    "supervisor_logfile",
    "supervisor_value",
    "systemd_environment",
    "systemd_exec",
    "systemd_paths",
    "systemd_value",
    "systemd_word",
    "url_quote",
    "yaml_text",
]
