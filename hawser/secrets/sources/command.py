"""What a program of this machine prints: pass, op, vault, gopass, a script.

Its output is never shown and goes to no file; what it says on standard error is shown when it fails. It runs in the
terminal's session, in the foreground, so that it can ask for a PIN.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hawser.errors import Problem
from hawser.report.text import safe

from ..forms import forms
from ..lines import read_lines
from .foreground import Ended, run
from .found import Found

_NAME = "{name}"
# Half a surrogate pair, which is no character and which JSON can write all the same.
_HALF = re.compile("[\ud800-\udfff]")
# What may be a value, in an output of which nobody knows the form.
_WORD = re.compile(r"""[^\s"'=,{}]{8,}""")
# Characters of what it says of its failure: the end of it.
_LAST_WORDS = 600


class Command:
    """A program that is asked for all secrets at once, or for one after the other.

    :param words: the program and its arguments; ``{name}`` in one stands for the name of a secret.
    :param timeout: seconds that it may take each time.
    :param folder: where it runs.
    :param generated: those that may be missing, for nobody has made them yet.
    """

    def __init__(self, words: Sequence[str], timeout: int, folder: Path, generated: Sequence[str]) -> None:
        self.words = tuple(words)
        self.timeout = timeout
        self.folder = folder
        self.generated = tuple(generated)
        self._asked: dict[str, Found] = {}

    @property
    def name(self) -> str:
        return f"`{shlex.join(self.words)}`"

    @property
    def label(self) -> str:
        return self.name

    @property
    def one_by_one(self) -> bool:
        """Whether it is asked for each secret by itself."""
        return any(_NAME in word for word in self.words)

    def advice(self, name: str) -> str:
        return f"put it where `{shlex.join(self._words(name))}` finds it"

    def ask(self, names: Sequence[str]) -> Found:
        """Return what it prints; it is asked once for each."""
        asked = list(names) if self.one_by_one else [""]
        for name in asked:
            if name not in self._asked:
                self._asked[name] = self._ask(name)
        found = {name: self._asked[name] for name in asked}
        # Whoever has some of them is logged in: one that may not have been made yet is no failure then.
        works = any(not each.failed for each in found.values())
        passed = [name for name, each in found.items() if each.failed and works and name in self.generated]
        counts = [each for name, each in found.items() if name not in passed]
        values = {key: value for each in counts for key, value in each.values.items()}
        problems = [problem for each in counts for problem in each.problems]
        return Found(values, tuple(dict.fromkeys(problems)), any(each.failed for each in counts))

    def _words(self, name: str) -> list[str]:
        return [word.replace(_NAME, name) if name else word for word in self.words]

    def _ask(self, name: str) -> Found:
        try:
            ended = run(self._words(name), self.folder, self.timeout)
        except OSError as error:
            what = (error.strerror or str(error)).lower()
            hint = f"is {self.words[0]} installed here?"
            return Found({}, (Problem(self.label, "", f"cannot be started: {what}", hint),), failed=True)
        if ended.wrong:
            return self._failed(name, ended)
        try:
            text = ended.output.decode()
        except UnicodeDecodeError as error:
            message = f"prints no text: it is not UTF-8 (byte {error.start})"
            return Found({}, (Problem(self.label, name, message),), failed=True)
        if name:
            return Found({name: text.removesuffix("\n").removesuffix("\r")})
        return self._parsed(text)

    def _parsed(self, text: str) -> Found:
        if not text.lstrip().startswith("{"):
            values, problems = read_lines(text, self.label)
            return Found(values, tuple(problems), failed=bool(problems))
        try:
            table = json.loads(text)
        except (ValueError, RecursionError):
            return Found({}, (Problem(self.label, "", "prints what begins as JSON, and is none"),), failed=True)
        wrong = [str(key) for key, value in table.items() if not isinstance(value, str) or _HALF.search(value)]
        if wrong:
            message = f"prints an object of JSON in which {', '.join(wrong[:5])} is no text"
            hint = 'an object of texts, as in {"SECRET_KEY": "…"}; jq makes one of another'
            return Found({}, (Problem(self.label, "", message, hint),), failed=True)
        return Found(table)

    def _failed(self, name: str, ended: Ended) -> Found:
        """Return a failure, with what the program has said of it; no value that it has printed is in it."""
        printed = ended.output.decode(errors="replace")
        values = [printed.strip(), *read_lines(printed, "")[0].values(), *_WORD.findall(printed)]
        masks = sorted({form for value in values if len(value) >= 4 for form in forms(value)}, key=len, reverse=True)
        said = safe(ended.errors.decode(errors="replace"), masks).strip()
        if len(said) > _LAST_WORDS:
            said = f"… {said[-_LAST_WORDS:]}"
        told = f"; it said: {said}" if said else ""
        return Found({}, (Problem(self.label, name, f"{ended.wrong}{told}", self._hint(name)),), failed=True)

    def _hint(self, name: str) -> str:
        return f"try it: {shlex.join(self._words(name))} > /dev/null"
