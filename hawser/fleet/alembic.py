"""How Alembic is asked for its pending revisions, and which commands generate migrations while a release is made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hawser.fleet.migration_risk import divided, without_redirections

from ..runner.code import operations, revisions

# Runs on the host by the system's Python: see there. Only the first of two sources may look into the future.
_FUTURE = "from __future__ import annotations\n"
SCRIPT = "".join(
    (
        Path(operations.__file__).read_text(encoding="utf-8"),
        Path(revisions.__file__).read_text(encoding="utf-8").replace(_FUTURE, ""),
    )
)
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
# Those of them that may mean another database; `current` takes them before its name only.
_ELSEWHERE = ("-x", "--x-arg")
# What has no value, and changes nothing of where Alembic works; a word such as `-cother.ini` does.
_FLAGS = {"--autogenerate", "--multidb", "--package", "--raiseerr", "--resolve-dependencies", "--splice", "--sql"}
_FLAGS |= {"-i", "--indicate-current", "-q", "--quiet", "-v", "--verbose", "--check-heads"}
# Where a line as a whole is not understood, these words say enough.
_GENERATES = re.compile(
    r"\bdb\s+(\S+\s+)*?migrate\b|--autogenerate\b|\bmakemigrations\b|\baerich\s+(\S+\s+)*?migrate\b"
)


@dataclass(frozen=True)
class Part:
    """One of Alembic's commands.

    :param words: the command itself.
    :param asks: the command that says what revisions there are (``history``), or at which the database is
        (``current``), with ``{}`` in its place.
    :param location: the folder of its environment, or the file of settings that names it; relative to the code. Unless
        the command says it, the one that is usual.
    :param does: ``upgrade``, ``generate`` or ``nothing``.
    """

    words: tuple[str, ...]
    asks: tuple[str, ...]
    location: str
    does: str

    @property
    def asked(self) -> str:
        """How it is asked, as the program that judges takes it."""
        return shlex.join(self.asks)


@dataclass(frozen=True)
class Command:
    """A command of `release.migrate` that does nothing but Alembic's work.

    :param instance: whose variables it gets; empty for those of the release.
    :param folder: where it starts, relative to the code.
    """

    instance: str
    parts: tuple[Part, ...]
    folder: str = ""

    @property
    def upgrades(self) -> tuple[Part, ...]:
        """The parts that apply revisions."""
        return tuple(each for each in self.parts if each.does == "upgrade")

    @property
    def generator(self) -> Part | None:
        """The part that generates revisions, where it is the whole line, so that nothing applies them unseen."""
        return self.parts[0] if len(self.parts) == 1 and self.parts[0].does == "generate" else None


def line(command: str) -> Command | None:
    """Read a command; None when it does anything that is not understood.

    :param command: with ``@NAME `` before it where it gets the variables of an instance.
    """
    read = divided(command, _DIVIDERS)
    found = [_part(without_redirections(words)) for words in read.parts if words[0] not in ("test", "[", "true", ":")]
    known = tuple(each for each in found if each is not None)
    return Command(read.instance, known, read.folder) if known and len(known) == len(found) else None


def generates(command: str) -> bool:
    """Whether a command generates migrations on the host, which nobody has seen before."""
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
    asks, said = list(words[: place + 1]), iter(words[place + 1 :])
    # What is not said, the application's code or a variable may say in another way.
    chosen: list[str] = []
    rest: list[str] = []
    flags: set[str] = set()
    for word in said:
        name, equals, value = word.partition("=")
        if name in where or name in _VALUED:
            value = value if equals else next(said, "")
            if name in where:
                location = value
                chosen += [where[0], value]
            elif not rest:
                asks += [name, value]
            elif name in _ELSEWHERE:
                return None
        elif word in _FLAGS:
            flags.add(word)
        elif word.startswith("-"):
            return None
        else:
            rest.append(word)
    # Flask-Migrate takes the folder after the subcommand, Alembic its file before it.
    asks += ["{}", "-v", *chosen] if flask else [*chosen, "{}", "-v"]
    before = ("env",) if "=" in words[0] else ()
    does = _does(rest, flags, flask)
    return Part((*before, *words), (*before, *asks), location, does) if does else None


def _is_alembic(words: Sequence[str], number: int, word: str) -> bool:
    before = [each.rpartition("/")[2] for each in words[:number]]
    if word == "db":
        return "flask" in before
    return word.rpartition("/")[2] == "alembic" and (
        number == 0 or before[-1] == "-m" or all("=" in each for each in before)
    )


def _does(rest: Sequence[str], flags: set[str], flask: bool) -> str:
    """Return the effect of a subcommand with its arguments; empty when that is not understood."""
    name, arguments = (rest[0], list(rest[1:])) if rest else ("", [])
    if name in _QUIET or (name == "upgrade" and "--sql" in flags):
        return "nothing"
    if name == "upgrade" and arguments in ([], ["head"], ["heads"]):
        return "upgrade"
    if (name == "migrate" and flask) or (name == "revision" and "--autogenerate" in flags):
        return "generate"
    return ""
