"""How Alembic is asked for its pending revisions, and which commands generate migrations while a release is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hawser.migrations import divided, without_redirections

from .runner import revisions

# Runs on the host by the system's Python: see there.
SCRIPT = Path(revisions.__file__).read_text(encoding="utf-8")
PYTHON = ("/usr/bin/python3", "-IBc", SCRIPT)
_DIVIDERS = ("&&", "||", ";")
# What of Alembic changes no database.
_QUIET = {"branches", "check", "current", "ensure_version", "heads", "history", "init", "list-templates", "show"}
# Options of Flask-Migrate and of Alembic that take a value, those that say where it works aside.
_VALUED = {
    *(
        "-m",
        "--message",
        "-n",
        "--name",
        "-x",
        "--x-arg",
        "--head",
        "--branch-label",
        "--rev-id",
        "--tag",
        "--app",
        "-A",
    ),
    *("-t", "--template", "-e", "--env-file", "--depends-on", "--version-path", "-r", "--rev-range"),
}
# Where a line as a whole is not understood, these words say enough.
_GENERATES = re.compile(
    r"\bdb\s+(\S+\s+)*?migrate\b|--autogenerate\b|\bmakemigrations\b|\baerich\s+(\S+\s+)*?migrate\b"
)


@dataclass(frozen=True)
class Part:
    """One of Alembic's commands.

    :param words: the command itself.
    :param current: the command that says at which revision the database is.
    :param location: the folder of its environment, or the file of settings that names it; relative to the code.
    :param does: ``upgrade``, ``generate`` or ``nothing``.
    """

    words: tuple[str, ...]
    current: tuple[str, ...]
    location: str
    does: str


@dataclass(frozen=True)
class Line:
    """A command of `release.migrate` that does nothing but Alembic's work.

    :param instance: whose variables it gets; empty for those of the release.
    """

    instance: str
    parts: tuple[Part, ...]

    @property
    def upgrades(self) -> Part | None:
        """The part that applies revisions."""
        return next((each for each in self.parts if each.does == "upgrade"), None)

    @property
    def generator(self) -> Part | None:
        """The part that generates revisions, where it is the whole line, so that nothing applies them unseen."""
        return self.parts[0] if len(self.parts) == 1 and self.parts[0].does == "generate" else None


def line(command: str) -> Line | None:
    """Read a command; None when it does anything that is not understood.

    :param command: with ``@NAME `` before it where it gets the variables of an instance.
    """
    instance, parts = divided(command, _DIVIDERS)
    found = [_part(without_redirections(words)) for words in parts if words[0] not in ("test", "[", "true", ":")]
    known = tuple(each for each in found if each is not None)
    return Line(instance, known) if known and len(known) == len(found) else None


def generates(command: str) -> bool:
    """Whether a command generates migrations: those that it finds missing on the host, which nobody has seen before."""
    known = line(command)
    if known is not None:
        return any(each.does == "generate" for each in known.parts)
    return bool(_GENERATES.search(command))


def _part(words: Sequence[str]) -> Part | None:
    """Read one command; None when it is not Alembic's, or does more than is understood."""
    if any(word.strip("();<>|&") == "" for word in words):
        return None
    place = next((number for number, word in enumerate(words) if _is_alembic(words, number, word)), None)
    if place is None:
        return None
    flask = words[place] == "db"
    where, location = (("-d", "--directory"), "migrations") if flask else (("-c", "--config"), "alembic.ini")
    current, said = list(words[: place + 1]), iter(words[place + 1 :])
    rest: list[str] = []
    flags: set[str] = set()
    for word in said:
        name, equals, value = word.partition("=")
        if name in where or name in _VALUED:
            value = value if equals else next(said, "")
            if name in where:
                location = value
            elif not flask and not rest:
                current += [name, value]
        elif word.startswith("-"):
            flags.add(word)
        else:
            rest.append(word)
    # Flask-Migrate takes the folder after the subcommand, Alembic its file before it.
    current += ["current", "-d", location] if flask else ["-c", location, "current"]
    before = ("env",) if "=" in words[0] else ()
    does = _does(rest, flags, flask)
    return Part((*before, *words), (*before, *current), location, does) if does else None


def _is_alembic(words: Sequence[str], number: int, word: str) -> bool:
    before = [each.rpartition("/")[2] for each in words[:number]]
    if word == "db":
        return "flask" in before
    return word.rpartition("/")[2] == "alembic" and (
        number == 0 or before[-1] == "-m" or all("=" in each for each in before)
    )


def _does(rest: Sequence[str], flags: set[str], flask: bool) -> str:
    """Return what a subcommand with its arguments does; empty when that is not understood."""
    name, arguments = (rest[0], list(rest[1:])) if rest else ("", [])
    if name in _QUIET or (name == "upgrade" and "--sql" in flags):
        return "nothing"
    if name == "upgrade" and arguments in ([], ["head"], ["heads"]):
        return "upgrade"
    if (name == "migrate" and flask) or (name == "revision" and "--autogenerate" in flags):
        return "generate"
    return ""
