"""The options of Fabric's core: each does what it says, or is refused with the way to do it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from invoke.parser.argument import Argument

from .errors import HawserError, InputErrors, Problem

# What Invoke's `run` can hide.
STREAMS = ("out", "stdout", "err", "stderr", "both")
LISTS = ("flat", "nested", "json")
# The runner runs what ours want, and knows nothing of these.
OF_PLAIN_TASKS = {
    "command-timeout": ("-T", 'fab -H HOSTS run "timeout 60 COMMAND" limits a command'),
    "echo": ("-e", "-R shows what would be done, and HAWSER_OUTPUT=json tells all that is"),
    "hide": ("--hide", "HAWSER_OUTPUT=json tells it in lines for a program"),
    "pty": ("-p", "fab -H HOST shell opens a terminal there"),
    "warn-only": ("-w", 'a failure on one host stops no other; fab -H HOSTS run "COMMAND || true" lets a command fail'),
}


def require_meaningful(arguments: Mapping[str, Argument]) -> None:
    """Refuse values that mean nothing, before any task runs.

    :raises InputErrors: all of them.
    """
    problems = [
        *_no_numbers(arguments),
        *_no_choices(arguments),
        *_no_files(arguments),
    ]
    if problems:
        raise InputErrors(problems)


def _no_numbers(arguments: Mapping[str, Argument]) -> Iterable[Problem]:
    for name, flag in (("connect-timeout", "-t"), ("command-timeout", "-T")):
        value = arguments[name].value
        if value is not None and value < 1:
            yield Problem(flag, "", f"{value} is no time to wait", "whole seconds, from 1")


def _no_choices(arguments: Mapping[str, Argument]) -> Iterable[Problem]:
    for name, flag, known in (("hide", "--hide", STREAMS), ("list-format", "-F", LISTS)):
        value = arguments[name].value
        if value is not None and value not in known:
            yield Problem(flag, "", f"{value!r} is none of its values", ", ".join(known))


def _no_files(arguments: Mapping[str, Argument]) -> Iterable[Problem]:
    single = (("ssh-config", "-S"), ("config", "-f"))
    named = [(flag, arguments[name].value) for name, flag in single if arguments[name].value is not None]
    for flag, path in [*named, *(("-i", each) for each in arguments["identity"].value or ())]:
        if not Path(path).expanduser().is_file():
            yield Problem(flag, "", f"there is no file {path}", f"looked for in {Path.cwd()}")


def require_plain(arguments: Mapping[str, Argument], tasks: str) -> None:
    """Refuse options that count for the commands of plain tasks only.

    :param tasks: those of the command line that are none.
    :raises HawserError: one was given.
    """
    for name, (flag, instead) in OF_PLAIN_TASKS.items():
        if arguments[name].got_value:
            raise HawserError(
                f"{flag} is for the commands of Fabric's plain tasks; it does nothing for {tasks}",
                next=f"leave it out; {instead}",
                code=2,
            )
