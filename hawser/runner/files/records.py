"""Records that the runner keeps on a host as JSON, as far as they still say something."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Type, TypeVar

    Record = TypeVar("Record", Dict[str, object], List[object])


def parsed(data: Optional[bytes], kind: Type[Record]) -> Optional[Record]:
    """Return the data of a record.

    :param data: what is in its file; None where there is none.
    :param kind: what a whole one is.
    :returns: None where there is none, or a damaged one.
    """
    try:
        found = json.loads((data or b"").decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, kind) else None


def number(record: Mapping[str, object], name: str, default: int = 0) -> int:
    """Return a number of a record; the default where it has none."""
    found = record.get(name)
    return found if isinstance(found, int) else default


def rows_in(record: Mapping[str, object], name: str) -> List[object]:
    """Return a list of a record; an empty one where it has none."""
    found = record.get(name)
    return found if isinstance(found, list) else []


def texts_in(record: Mapping[str, object], name: str) -> Dict[str, str]:
    """Return a table of texts of a record; an empty one where it has none."""
    found = record.get(name)
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}
