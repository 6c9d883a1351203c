"""Errors that a user can act on: Fabric prints their message, without a traceback, and exits with their code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from invoke.exceptions import Exit

# Characters of a part of a message about what somebody wrote.
LONGEST = 600


class HawserError(Exit):
    """A mistake or a failure that the user can do something about.

    :param message: what is wrong, in which step. The next move stands on a line of its own behind it, or on the same
        one where it ends with a semicolon.
    :param host: the one on which it is so; empty: on none, on several, or the message names it.
    :param next: the next move, best a command to type; empty where there is none, or the message ends with several.
    :param code: the exit status of ``fab``; 1 for failures, 2 for bad input.
    """

    def __init__(self, message: str, code: int = 1, host: str = "", next: str = "") -> None:
        self.what = message.removesuffix(";")
        self.host, self.next = host, next
        move = f"{' ' if message.endswith(';') else chr(10) + '  '}next: {next}" if next else ""
        self.without_host = message + move
        super().__init__(message=f"{host}: {self.without_host}" if host else self.without_host, code=code)

    def __str__(self) -> str:
        return str(self.message)


@dataclass(frozen=True)
class Problem:
    """A mistake in the input: its place, its nature, and the text to write instead."""

    file: str
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: {short(self.key)}" if self.key else self.file
        return f"{place}: {short(self.message)}" + (f" ({short(self.hint)})" if self.hint else "")


def short(text: str) -> str:
    """Return a text as far as a person reads it: a value that is shown in it may be as long as a file."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 100]} … {text[-80:]}"


class InputErrors(HawserError):
    """All mistakes in the user's files, found before the first connection."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count}, nothing was touched:\n{lines}", code=2)


class UnknownTarget(HawserError):
    """A name after ``-H`` that stands for no host, group or environment, or for several."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=2)


class Unreachable(HawserError):
    """A host that could not be connected to, or stopped answering."""


class ProtocolBreach(Unreachable):
    """A host whose words are not those of our runner; its line is cut.

    :param what: what was wrong with it; nothing of what it said, unless it is short and harmless.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name} broke the protocol: {what}; the line is cut")


class AtWork(HawserError):
    """Somebody else holds the lock of a host."""


class StepFailed(HawserError):
    """A resource could not be brought to its wanted state on one or more hosts."""
