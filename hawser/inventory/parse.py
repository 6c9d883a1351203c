"""From plain tables to a typed environment, with everything that is wrong with them found at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hawser.errors import InputErrors, Problem

from .base import Loc, SettingError, dotted
from .checks.names import contradictions
from .documents import Document, Table, merged, origin, read_documents
from .instances import Expansion, expand
from .problems import findings_of, known_keys, without
from .schema import Environment

_NAME = re.compile("[A-Za-z0-9_-]+")
_FILLED_IN = ("name", "path", "written", "contents")
_STAND_IN = {"name": "app", "repo": "."}


def read_environment(path: Path) -> Environment:
    """Return the environment that a file describes, with every default filled in.

    :raises InputErrors: for everything that is wrong with it, all at once.
    """
    return parse(path.stem, read_documents(path))


def parse(name: str, documents: Sequence[Document]) -> Environment:
    """Return the environment that `documents` describe, the extending one first.

    :raises InputErrors: for everything that is wrong with it, all at once.
    """
    own = documents[0]
    if not _NAME.fullmatch(name):
        message = f"{name!r} cannot be the name of an environment"
        raise InputErrors([Problem(own.label, "", message, "letters, digits, - and _ only")])
    table = merged(documents)
    findings = [SettingError((key,), "unknown key", known_keys((key,))) for key in _FILLED_IN if key in table]
    table = {key: value for key, value in table.items() if key not in _FILLED_IN}
    expansion = expand(table)
    table = expansion.table
    environment: Environment | None = None
    try:
        environment = _validate(name, own.path, table)
    except ValidationError as error:
        findings += [as_written(table, finding) for finding in findings_of(error)]
    rest = environment or _what_is_right(name, own.path, table, [finding.loc for finding in findings])
    if rest is not None:
        # What follows from an unreadable table is no mistake of its own.
        broken = {str(finding.loc[0]) for finding in findings}
        findings += [finding for finding in contradictions(rest, own.path.parent) if not finding.needs & broken]
    if findings or expansion.findings or environment is None:
        raise InputErrors(_problems(findings, expansion, documents))
    written = {dotted(new): dotted(old) for new, old in expansion.origins.items()}
    return environment.model_copy(update={"written": written})


def as_written(table: Table, finding: SettingError) -> SettingError:
    """Place what is wrong with a command of a release where it stands: a text stands for a table with it alone."""
    *above, key = finding.loc
    if finding.loc[:1] != ("release",) or key != "command":
        return finding
    here: Any = table
    for part in above:
        # A text that is no list stands for one with it alone.
        here = here if isinstance(here, str) else here[part]
    return finding if isinstance(here, dict) else dataclasses.replace(finding, loc=tuple(above))


def _validate(name: str, path: Path, table: Table) -> Environment:
    return Environment.model_validate({**table, "name": name, "path": path})


def _what_is_right(name: str, path: Path, table: Table, wrong: list[Loc]) -> Environment | None:
    """Return the environment without the keys that are wrong, or None when too little is left."""
    rest = table
    for _ in range(3):  # a table that loses a key may then miss it, and goes as a whole in the next round
        rest = without(rest, wrong)
        if any(loc[0] == "app" for loc in wrong):
            rest["app"] = _STAND_IN
        try:
            return _validate(name, path, rest)
        except ValidationError as error:
            wrong = [finding.loc for finding in findings_of(error)]
    return None


def _problems(findings: Sequence[SettingError], expansion: Expansion, documents: Sequence[Document]) -> list[Problem]:
    """Return the problems, placed in the files: one at most for a value that speaks wrongly of an instance."""
    first = {finding.loc: finding for finding in reversed(expansion.findings)}
    placed = [(expansion.written(finding.loc), finding) for finding in findings]
    placed = [*first.items(), *(each for each in placed if each[0] not in first)]
    found = [Problem(origin(documents, loc), dotted(loc), finding.message, finding.hint) for loc, finding in placed]
    return list(dict.fromkeys(found))
