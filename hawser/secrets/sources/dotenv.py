"""The file ``NAME.env`` beside the environment file: plain text, for its owner alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hawser.errors import Problem
from hawser.inventory.documents import label, read_file

from .. import files
from ..lines import changed_lines, read_lines, with_lines
from .found import Found, refuse_others


class DotenvFile:
    """A file with lines of the form NAME=value, of mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: Found | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def one_by_one(self) -> bool:
        return False

    @property
    def label(self) -> str:
        return label(self.path)

    @property
    def shared(self) -> str:
        return ""

    def exists(self) -> bool:
        return self.path.exists()

    def ask(self, names: Sequence[str]) -> Found:
        """Return all that it holds; it is read once."""
        if self._found is None:
            self._found = self._read()
        return self._found

    def advice(self, name: str) -> str:
        return f"add {name}=… to {self.label}"

    def add(self, new: Mapping[str, str]) -> dict[str, str]:
        """Append those values that the file lacks, and return all that it holds then.

        :raises InputErrors: it cannot be written.
        """
        with files.locked(self.path) as target:
            before = target.read_text(encoding="utf-8-sig") if target.exists() else ""
            text, held = with_lines(before, new)
            if text != before:
                files.replace(target, text.encode())
        self._found = Found(held)
        return held

    def turn(self, held: Mapping[str, str | None], new: Mapping[str, str | None]) -> None:
        """Have other values take the place of some, all in one step.

        :raises InputErrors: it cannot be written, or says something else by now.
        """
        with files.locked(self.path) as target:
            before = target.read_text(encoding="utf-8-sig") if target.exists() else ""
            refuse_others(read_lines(before, self.label)[0], held, self.label)
            files.replace(target, changed_lines(before, new).encode())
        self._found = None

    def _read(self) -> Found:
        problems: list[Problem] = []
        try:
            if problem := files.readable_by_others(self.path, "the secrets"):
                problems.append(problem)
            values, wrong = read_lines(read_file(self.path), self.label)
        except FileNotFoundError:
            return Found({})
        except UnicodeDecodeError as error:
            return Found({}, (*problems, Problem(self.label, "", f"is not UTF-8 (byte {error.start})")), failed=True)
        except OSError as error:
            return Found({}, (*problems, Problem(self.label, "", f"cannot be read: {files.words(error)}")), failed=True)
        return Found(values, (*problems, *wrong))
