"""What somebody has mistyped on the command line, in words that say how to go on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext

from .errors import HawserError
from .formats import shell

# Tasks that take a command as one word.
COMMANDS = ("run", "manage")
UNKNOWN = re.compile(r"No idea what ['\"](.*)['\"] is!", re.DOTALL)
MISSING = re.compile(r"'(.+)' did not receive required positional arguments: (.+)")
VALUE = re.compile(r"Flag <Argument: (\S+)(?: \(.*\))?> (needed value|doesn't take any value).*")


def mistyped(error: ParseError, argv: Sequence[str], tasks: Collection[str], core: ParserContext) -> HawserError:
    """Return the error that says what is wrong with a command line, and what was meant most likely.

    :param argv: all words of it.
    :param tasks: the names of all tasks; none before they are known.
    :param core: the options that are no task's.
    """
    text, context = str(error), error.context
    task = str(context.name) if context is not None and context.name else ""
    of_task = f"fab --help {task}" if task else "fab --help"
    if found := UNKNOWN.fullmatch(text):
        if task in COMMANDS:
            return unquoted(task, argv)
        options = [*names(core), *(names(context) if context is not None else ())]
        return unknown(found[1], task, options, tasks)
    if found := MISSING.fullmatch(text):
        return HawserError(f"{found[1]} needs {found[2].replace(chr(39), '')}", next=f"fab --help {found[1]}", code=2)
    if found := VALUE.fullmatch(text):
        what = "needs a value" if found[2] == "needed value" else "takes no value"
        return HawserError(f"--{found[1].replace('_', '-')} {what}", next=of_task, code=2)
    return HawserError(text, next=of_task, code=2)


def names(context: ParserContext) -> list[str]:
    """Return the options of a task, or of none, in every form."""
    return [*context.flags, *context.flags.aliases]


def unquoted(task: str, argv: Sequence[str]) -> HawserError:
    """Return the error about a command for hosts whose words stand apart, so that some would be Fabric's own."""
    command = shell(" ".join(words_after(task, argv)))
    return HawserError(f"{task} takes its command as one word", next=f"{task} {command}", code=2)


def words_after(task: str, argv: Sequence[str]) -> Sequence[str]:
    """Return the words of a command line behind the name of a task."""
    return argv[argv.index(task) + 1 :]


def asks_for_help_outside(argv: Sequence[str], task: str) -> bool:
    """Tell whether ``-h`` belongs to the command that a task takes: as in ``run df -h``."""
    after = words_after(task, argv) if task in COMMANDS and task in argv else []
    return bool(after) and not after[0].startswith("-")


def unknown(word: str, task: str, options: Collection[str], tasks: Collection[str]) -> HawserError:
    """Return the error about a word that is no task and no option."""
    if word.startswith("-"):
        what, pool, all_of_them = "option", options, f"fab --help {task}".rstrip()
        name = word.partition("=")[0]
    else:
        what, pool, all_of_them, name = "task", tasks, "fab --list", word
    # Many a group has a task of the same name as another one's.
    near = difflib.get_close_matches(name, pool, 3, 0.7) or [each for each in pool if each.endswith(f".{name}")]
    meant = f"{' or '.join(near)}? All of them: {all_of_them}" if near else all_of_them
    whose = f" of {task}, and none of fab itself" if task and what == "option" else ""
    return HawserError(f"there is no {what} {name!r}{whose}", next=meant, code=2)
