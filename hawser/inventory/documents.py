"""Reads environment files as plain tables: TOML, ``extends``, and which file said what."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hawser.errors import InputErrors, Problem

from .base import Loc

# Bytes of a file that a person writes, and how deep tables and lists may lie in one another: far more than any does.
LONGEST, DEEPEST = 1 << 20, 50
# Reading a key takes time with the square of its parts. Only where a word begins, or the search would take as long.
_ENDLESS_KEY = re.compile(r"""(?<![\w"'-])(?:["'\w-]++[ \t]*+\.[ \t]*+){200}""")

Table = dict[str, Any]
"""A table as TOML gives it, not yet checked."""


@dataclass(frozen=True)
class Document:
    """One file, as it was written, without its ``extends``."""

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
    """Read a file and what it extends, the file itself first.

    :raises InputErrors: for a file that cannot be read, is no TOML, or extends itself.
    """
    documents: list[Document] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        table = _read(following, extended_by=documents[-1] if documents else None)
        # Only now: what goes round in links cannot be read, and is told so.
        seen.append(following.resolve())
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


def read_file(path: Path, limit: int = LONGEST) -> str:
    """Return the text of a file that a person writes, without the mark that some editors put before it.

    :param limit: bytes.
    :raises OSError: it cannot be read, is no regular file, or longer.
    :raises UnicodeDecodeError: it is not UTF-8.
    """
    # A pipe without a writer must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is longer than {limit:,} bytes", str(path))
    return data.decode("utf-8-sig")


def require_shallow(table: Table) -> None:
    """Refuse what is nested so deeply that those who walk through it would not come back.

    :raises RecursionError: it is.
    """
    level: list[Any] = [table]
    for _depth in range(DEEPEST):
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
        if not level:
            return
    raise RecursionError


def merged(documents: Sequence[Document]) -> Table:
    """Merge tables deeply; an earlier document wins, and a list replaces a list."""
    result: Table = {}
    for document in reversed(documents):
        result = merge(result, document.table)
    return result


def merge(base: Table, over: Table) -> Table:
    """Return `base` with what `over` says on top of it."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def origin(documents: Sequence[Document], loc: Loc) -> str:
    """Return the label of the file that says what stands at `loc`, or of the one that says most of it."""
    # max() takes the first of equals, so the extending file.
    return max(documents, key=lambda document: _depth(document.table, loc)).label


def _depth(table: Any, loc: Loc) -> int:
    for depth, part in enumerate(loc):
        inside = part in table if isinstance(table, dict) else isinstance(table, list) and part in range(len(table))
        if not inside:
            return depth
        table = table[part]
    return len(loc)
