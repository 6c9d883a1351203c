"""Reads environment files as plain tables: TOML, ``extends``, and the file that each value comes from."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from hawser.errors import InputErrors, Problem

from . import requirement
from .base import Loc, did_you_mean, dotted

# Bytes of a file that a person writes, and how deep tables and lists may lie in one another: far more than any does.
LONGEST, DEEPEST = 1 << 20, 50
# Reading a key takes time with the square of its parts. Only where a word begins, or the search would take as long.
_ENDLESS_KEY = re.compile(r"""(?<![\w"'-])(?:["'\w-]++[ \t]*+\.[ \t]*+){200}""")

Table = dict[str, object]
"""A table as TOML gives it, not yet checked."""

OF_A_FILE = {
    "extends": "Another file beside this one, of which it takes everything.",
    requirement.KEY: "The versions of Hawser that can read this file, as in `>=0.2`.",
}
"""The keys that are about the file itself, each with its meaning: no setting of an environment."""

NAMES_AN_ENTRY = ("path", "sample", "name")
"""What names an entry of a list of tables, where it has one of these keys."""


@dataclass(frozen=True)
class Document:
    """One file, as it was written, without its ``extends`` and ``requires_hawser``."""

    path: Path
    table: Table

    @property
    def label(self) -> str:
        """The file's name in messages: as short as it is still unique."""
        return label(self.path)


def label(path: Path) -> str:
    """Return `path` relative to the working directory where it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_documents(path: Path) -> tuple[Document, ...]:
    """Read a file and the files that it extends, the file itself first.

    :raises InputErrors: for a file that cannot be read, is no TOML, needs another Hawser, or extends itself.
    """
    documents: list[Document] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        table = _read(following, extended_by=documents[-1] if documents else None)
        # Only now: what goes round in links cannot be read, and is told so.
        seen.append(following.resolve())
        if requirement.KEY in table:
            requirement.require(label(following), table.pop(requirement.KEY))
        base = table.pop("extends", None)
        documents.append(Document(following, table))
        following = None if base is None else _base_path(documents[-1], base, path.parent)
        if following is not None and os.path.realpath(following) in map(str, seen):
            chain = " -> ".join(label(document.path) for document in documents)
            message = f"extends itself: {chain} -> {label(following)}"
            raise InputErrors([Problem(documents[-1].label, "extends", message)])
    return tuple(documents)


def _base_path(document: Document, base: object, folder: Path) -> Path:
    if not isinstance(base, str) or not base.endswith(".toml"):
        hint = 'as in extends = "base.toml"'
        raise InputErrors([Problem(document.label, "extends", "must be the name of a TOML file", hint)])
    if PurePosixPath(base).is_absolute() or ".." in PurePosixPath(base).parts or not base.isprintable():
        raise InputErrors([Problem(document.label, "extends", f"{base!r} lies outside of {label(folder)}")])
    return document.path.parent / base


def _read(path: Path, extended_by: Document | None) -> Table:
    name = label(path)
    try:
        text = read_file(path)
        if _ENDLESS_KEY.search(text):
            raise RecursionError
        table = tomllib.loads(text)
        require_shallow(table)
        return table
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
        message, line, column = match.groups() if match else (str(error), None, None)
        place = f"{name}:{line}:{column}" if line else f"{name}: end of the file"
        raise InputErrors([Problem(place, "", f"is not TOML: {message[:1].lower()}{message[1:]}")]) from None
    except UnicodeDecodeError as error:
        raise InputErrors([Problem(name, "", f"is not UTF-8 (byte {error.start})")]) from None
    except RecursionError:
        message = f"has tables or lists nested deeper than {DEEPEST}, or a key with as many parts"
        raise InputErrors([Problem(name, "", message)]) from None
    except ValueError as error:
        # Python reads no number of more than some thousand digits.
        message = "has a number that is too long" if "integer" in str(error) else str(error)
        raise InputErrors([Problem(name, "", message)]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if extended_by is not None:
            raise InputErrors([Problem(extended_by.label, "extends", f"cannot read {name}: {reason}")]) from None
        raise InputErrors([Problem(name, "", f"cannot be read: {reason}")]) from None


def read_file(path: Path) -> str:
    """Return the text of a file that a person writes, without the mark that some editors put before it.

    :raises OSError: it cannot be read, is no regular file, or longer than `LONGEST`.
    :raises UnicodeDecodeError: it is not UTF-8.
    """
    return read_data(path).decode("utf-8-sig")


def read_data(path: Path) -> bytes:
    """Return what a file holds.

    :raises OSError: it cannot be read, is no regular file, or longer than `LONGEST`.
    """
    # A pipe without a writer must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = stream.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise OSError(errno.EFBIG, f"it is longer than {LONGEST:,} bytes", str(path))
    return data


def require_shallow(table: Table) -> None:
    """Refuse a table so deep that no walk through it would come back.

    :raises RecursionError: it is.
    """
    level: list[dict[str, object] | list[object]] = [table]
    for _depth in range(DEEPEST):
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise RecursionError


def merged(documents: Sequence[Document]) -> Table:
    """Merge tables deeply; an earlier document wins, and a list replaces a list.

    :raises InputErrors: a document changes an entry of a list that is not there.
    """
    result: Table = {}
    for document in reversed(documents):
        result = merge(result, document.table, document.label)
    return result


def merge(base: Table, over: Table, file: str = "", loc: Loc = ()) -> Table:
    """Return `base` with the values of `over` on top of it.

    :param file: the one that says `over`, for what is wrong with it.
    :param loc: where both stand.
    :raises InputErrors: `over` changes an entry of a list that is not there.
    """
    result = dict(base)
    for key, value in over.items():
        below, here = result.get(key), (*loc, key)
        if isinstance(value, dict) and isinstance(below, dict):
            result[key] = merge(below, value, file, here)
        elif isinstance(value, dict) and _lists_tables(below):
            result[key] = _changed(below, value, file, here)
        else:
            result[key] = value
    return result


def _lists_tables(value: object) -> TypeGuard[list[Table]]:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _changed(entries: list[Table], changes: Table, file: str, loc: Loc) -> list[Table]:
    """Return a list of tables of which some are changed; false takes one away.

    :param changes: by what names an entry: its path, or its place, counted from 1.
    """
    found: list[Table | None] = list(entries)
    for name, change in changes.items():
        place = _place(entries, name, file, (*loc, name))
        found[place] = None if change is False else _entry(entries[place], change, file, (*loc, name))
    return [each for each in found if each is not None]


def _entry(entry: Table, change: object, file: str, loc: Loc) -> Table:
    if not isinstance(change, dict):
        hint = "false takes the entry away"
        raise InputErrors([Problem(file, dotted(loc), "must be a table that changes the entry of a list", hint)])
    return merge(entry, change, file, loc)


def _place(entries: list[Table], name: str, file: str, loc: Loc) -> int:
    places = [place for place, each in enumerate(entries) if name in (each.get(key) for key in NAMES_AN_ENTRY)]
    if len(places) == 1:
        return places[0]
    if places:
        numbers = " or ".join(str(place + 1) for place in places)
        message = f"{len(places)} entries have this name"
        raise InputErrors([Problem(file, dotted(loc), message, f"say its place: {numbers}")])
    if name.isdigit() and 0 < int(name) <= len(entries):
        return int(name) - 1
    names = [str(each[key]) for each in entries for key in NAMES_AN_ENTRY if key in each]
    hint = did_you_mean(name, names, f"an entry's path, or its place: 1 to {len(entries)}")
    raise InputErrors([Problem(file, dotted(loc), "names no entry of the list that this file extends", hint)])


def origin(documents: Sequence[Document], loc: Loc) -> str:
    """Return the label of the file from which the value at `loc` comes, or most of it."""
    # max() takes the first of equals, so the extending file.
    return max(documents, key=lambda document: _depth(document.table, loc)).label


def _depth(table: object, loc: Loc) -> int:
    for depth, part in enumerate(loc):
        if isinstance(table, dict) and isinstance(part, int):
            # Changes of entries of a list that another file has.
            return depth + max((1 + _depth(each, loc[depth + 1 :]) for each in table.values()), default=0)
        inside = table if isinstance(table, dict) else dict(enumerate(table)) if isinstance(table, list) else {}
        if part not in inside:
            return depth
        table = inside[part]
    return len(loc)
