"""Reads environment files as plain tables: TOML, ``extends``, and which file said what."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hawser.errors import InputErrors, Problem

from .base import Loc

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
        seen.append(following.resolve())
        table = _read(following, extended_by=documents[-1] if documents else None)
        base = table.pop("extends", None)
        documents.append(Document(following, table))
        following = None if base is None else _base_path(documents[-1], base, path.parent)
        if following is not None and following.resolve() in seen:
            chain = " -> ".join(label(document.path) for document in documents)
            message = f"extends itself: {chain} -> {label(following)}"
            raise InputErrors([Problem(documents[-1].label, "extends", message)])
    return tuple(documents)


def _base_path(document: Document, base: object, folder: Path) -> Path:
    if not isinstance(base, str) or not base.endswith(".toml"):
        hint = 'as in extends = "base.toml"'
        raise InputErrors([Problem(document.label, "extends", "must be the name of a TOML file", hint)])
    if PurePosixPath(base).is_absolute() or ".." in PurePosixPath(base).parts:
        raise InputErrors([Problem(document.label, "extends", f"{base!r} lies outside of {label(folder)}")])
    return document.path.parent / base


def _read(path: Path, extended_by: Document | None) -> Table:
    name = label(path)
    try:
        return tomllib.loads(path.read_bytes().decode())
    except tomllib.TOMLDecodeError as error:
        match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
        message, line, column = match.groups() if match else (str(error), None, None)
        place = f"{name}:{line}:{column}" if line else f"{name}: end of the file"
        raise InputErrors([Problem(place, "", f"is not TOML: {message[:1].lower()}{message[1:]}")]) from None
    except UnicodeDecodeError as error:
        raise InputErrors([Problem(name, "", f"is not UTF-8 (byte {error.start})")]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if extended_by is not None:
            raise InputErrors([Problem(extended_by.label, "extends", f"cannot read {name}: {reason}")]) from None
        raise InputErrors([Problem(name, "", f"cannot be read: {reason}")]) from None


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
