"""Folders that an older Hawser let processes write to, and this one does not."""

from __future__ import annotations

from typing import TypeVar

from hawser.answers.reading import ReadingFunction
from hawser.fleet.fleet import Fleet
from hawser.installed import this_version

T = TypeVar("T")


def warn_of_folders(hosts: Fleet) -> None:
    """Say which folders belong to the users of processes that may not write there, where another Hawser has deployed.

    A process may need them for the first time days after it was started.
    """
    names = [name for name in hosts.names if hosts.facts(name).current and hosts.facts(name).hawser != this_version()]
    if not names:
        return
    from hawser.diagnosis.checks.hardening import hardening  # what it needs takes longer to load than most tasks take

    def found(name: str) -> list[str]:
        def ask(function: ReadingFunction[T], /, **arguments: object) -> T:
            return hosts.ask(name, function, arguments)

        return [f"{each.message}; next: {each.next}" for each in hardening(hosts.host(name), ask)]

    for name, told in hosts.connections.parallel(names, found).items():
        for text in told if isinstance(told, list) else ():
            hosts.report.note(name, text, "warning")
