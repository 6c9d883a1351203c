"""The arguments of questions that are tables."""

from __future__ import annotations

from typing import Dict, List, Tuple, TypedDict


class NamedProcess(TypedDict):
    name: str
    address: str
    path: str
    host: str
    statuses: List[Tuple[int, int]]


class ProcessQuestion(NamedProcess, total=False):
    """The question for a process's health; the later fields are there where its settings name them."""

    tls: bool
    ca: str
    command: List[str]
    user: str
    cwd: str


class MigrationProgram(TypedDict):
    argv: List[str]
    user: str
    cwd: str


class MigrationQuestion(MigrationProgram, total=False):
    """A program that says which migrations are pending.

    ``plain``: in lines of text. ``otherwise``: the program for a Django before 1.10.
    """

    env: Dict[str, str]
    plain: bool
    otherwise: List[str]


class NamedSource(TypedDict):
    name: str


class LogSource(NamedSource, total=False):
    """A log: units or tags of the journal, a file with its rotated ones, or the files that fit a pattern."""

    units: List[str]
    tags: List[str]
    path: str
    pattern: str


class NamedDatabase(TypedDict):
    database: str
    engine: str
