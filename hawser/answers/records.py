"""Records that some version of Hawser wrote on a host: they may hold more or less than this one knows of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Required, TypeAlias

from pydantic import AfterValidator, ValidatorFunctionWrapHandler, WrapValidator, with_config
from typing_extensions import TypedDict

from ..report.text import hearsay
from .kinds import Exact, Many, Name, NameOrNone, Size, Text, bounded


def _words_and_numbers(value: Mapping[str, object]) -> dict[str, object]:
    """Keep the words and numbers of a record."""
    return {key: _shown(each) for key, each in value.items() if isinstance(each, bool | str | int | float)}


def _shown(value: bool | str | float) -> bool | str | float:
    if isinstance(value, bool):
        return value
    return hearsay(value) if isinstance(value, str) else bounded(value)


def _in_its_order(value: Mapping[str, object], inner: ValidatorFunctionWrapHandler) -> dict[str, object]:
    """Keep the fields where they were: a signature depends on their order, and pydantic puts new ones last."""
    found = inner(value)
    return {key: found[key] for key in value}


# Who did what from where and when.
Entry: TypeAlias = Annotated[dict[str, object], AfterValidator(_words_and_numbers)]


@with_config(extra="allow")
class Journal(TypedDict, total=False):
    """See `hawser.host.journal.Record`; other versions write more or less, and all of it is signed."""

    release: Required[Name]
    commit: NameOrNone
    what: Exact
    by: Exact
    hosts: Many[Name]
    phase: Exact
    before: NameOrNone
    previous: NameOrNone
    waits: Many[Name]
    complete: bool
    migrations: bool
    migrated: bool
    accepted: bool
    maintenance: bool
    closed: bool
    risky: Exact
    failed: Exact
    since: Exact
    begun: Size


JournalAsWritten: TypeAlias = Annotated[Journal, WrapValidator(_in_its_order)]


class OpenRestore(TypedDict, total=False):
    """The journal of a restore."""

    engine: Text
    database: Text
    backup: Text
    safety: Text
    phase: Text
    by: Entry
