"""The checks: one function per kind of finding, which asks the host's runner and judges its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, TypeAlias, TypeVar

from hawser.answers.reading import ReadingFunction
from hawser.errors import HawserError, Problem
from hawser.host import Host
from hawser.host.release import Release

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or will be, or is worth knowing.

    :param message: what, as a sentence without a full stop.
    :param next: what to do about it, best a command to type.
    :param warning: nothing fails yet because of it.
    :param known: nothing is wrong, and it is told beside the findings.
    """

    message: str
    next: str = ""
    warning: bool = False
    known: bool = False

    @classmethod
    def of_error(cls, error: HawserError) -> Finding:
        """Return an error, whose host is known, as a finding."""
        return cls(error.what, error.next)

    @classmethod
    def of_problem(cls, problem: Problem) -> Finding:
        """Return a mistake in a file of the user as a finding."""
        place = f"{problem.file}: {problem.key}" if problem.key else problem.file
        return cls(f"{place}: {problem.message}", problem.hint or f"mend {problem.file}")


def more(answer: Mapping[str, object], what: str) -> Iterator[Finding]:
    """Yield a warning where a host has told a part only of things that somebody has multiplied there."""
    if answer["more"]:
        yield Finding(f"{answer['more']:,} more {what} are not shown", "find out who makes so many", warning=True)


Findings: TypeAlias = Iterator[Finding]


def at_its_release(host: Host) -> Host:
    """Return a host with the release that serves there and the settings of today, whose values may name a release."""
    release = Release(host.facts.current, host.facts.commit, host.environment, host.templates)
    return replace(host, release=release)


class Ask(Protocol):
    """Puts a question to the host's runner, which changes nothing: a function of its modules, listed in `ASKABLE`."""

    def __call__(self, function: ReadingFunction[T], /, **arguments: object) -> T: ...


@dataclass(frozen=True)
class Check:
    """One check.

    :param title: what it is about, in a word or two.
    :param function: yields a finding for everything that is wrong.
    """

    title: str
    function: Callable[..., Findings]

    # In the order in which they are told.
    on_hosts: ClassVar[list[Check]] = []
    at_home: ClassVar[list[Check]] = []


def on_host(function: Callable[[Host, Ask], Findings]) -> Callable[[Host, Ask], Findings]:
    """Have a function asked for every host that answers; its name, with spaces, is the subject of its findings."""
    Check.on_hosts.append(Check(function.__name__.replace("_", " "), function))
    return function


def once(function: Callable[[Sequence[Host]], Findings]) -> Callable[[Sequence[Host]], Findings]:
    """Have a function asked once, on this machine, with all hosts that answer."""
    Check.at_home.append(Check(function.__name__.replace("_", " "), function))
    return function
