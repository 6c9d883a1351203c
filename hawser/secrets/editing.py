"""An age file of secrets in an editor: plain in memory, checked, and encrypted again for the same keys."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from hawser.children import inherited
from hawser.errors import HawserError, InputErrors, Problem
from hawser.inventory import Environment
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.signatures import is_key

from .age.content import Content
from .files import replace, words
from .lines import read_lines, unusable
from .memory import folder_in_memory
from .sources.age import AgeFile, keys

# Whether somebody wants to correct what is wrong with what was written.
Again = Callable[[tuple[Problem, ...]], bool]


def edit(source: AgeFile, environment: Environment, again: Again) -> tuple[str, ...]:
    """Have the user change the secrets, and encrypt them again; return the names whose values are others now.

    :param again: is told what is wrong with what was written; True: the editor shall open once more.
    :raises HawserError: nothing was changed: nobody could read it, the editor failed, what was written cannot be used,
        or somebody else has changed the file meanwhile.
    """
    data = source.data()
    before = source.content(data)
    source.readers(before)
    first = before.text or "".join(f"{name}=\n" for name in environment.env.required)
    with folder_in_memory() as folder:
        path = folder / f"{environment.name}.env"
        replace(path, first.encode())
        while True:
            open_editor(path)
            text = path.read_text(encoding="utf-8", errors="replace")
            problems = problems_of(text, path.name, environment)
            if text == first or not problems:
                break
            if not again(problems):
                raise InputErrors(problems)
    if text == before.text:
        return ()
    changed = names_that_differ(before.text, text)

    def checked(now: Content) -> str:
        if source.data() != data and (now.text != before.text or keys(now.readers) != keys(before.readers)):
            raise HawserError(
                f"{source.name} was changed by somebody else while you were editing it; it stays as it is now",
                next=f"the same command, and change once more: {', '.join(changed) or 'what you have changed'}",
            )
        return text

    source.change(checked)
    return changed


def open_editor(path: Path) -> None:
    """Run the user's editor, and wait for it; Ctrl-C is the editor's.

    :raises HawserError: it cannot be started, or says that it has failed.
    """
    typed = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        # No shell: that would be ended by Ctrl-C where the editor takes it for itself.
        argv = [*shlex.split(typed), str(path)]
    except ValueError as error:
        raise HawserError(f"EDITOR is no command: {error}", code=2) from None
    former = signal.signal(signal.SIGINT, lambda *_arguments: None)
    try:
        with subprocess.Popen(argv, env=inherited()) as child:
            try:
                code = child.wait()
            except BaseException:
                child.kill()
                raise
    except OSError as error:
        hint = "set EDITOR to the name of one that is installed"
        raise HawserError(f"the editor ({typed}) cannot be started: {words(error)}", next=hint, code=2) from None
    finally:
        signal.signal(signal.SIGINT, former)
    if code:
        raise HawserError(f"the editor ({typed}) ended with status {code}; nothing was changed")


def problems_of(text: str, name: str, environment: Environment) -> tuple[Problem, ...]:
    """Return what is wrong with lines of secrets: those that cannot be read, and values that cannot be used."""
    values, problems = read_lines(text, name)
    env = environment.env
    for each in env.secrets:
        if message := unusable(values.get(each), required=each in env.required and each in values):
            problems.append(Problem(name, each, message, "write the real one"))
    if values.get(SIGNING_KEY) and not is_key(values[SIGNING_KEY]):
        problems.append(Problem(name, SIGNING_KEY, "is no signing key: 43 letters, digits, - and _"))
    return tuple(problems)


def names_that_differ(before: str, after: str) -> tuple[str, ...]:
    """Return the names that one text gives another value than the other."""
    one, two = (read_lines(text, "")[0] for text in (before, after))
    return tuple(name for name in {**one, **two} if one.get(name) != two.get(name))
