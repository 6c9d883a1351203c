"""Records that the runner keeps on a host as JSON, as far as they still say something."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Type, TypeVar

    Record = TypeVar("Record", Dict[str, Any], List[Any])


def parsed(data: Optional[bytes], kind: Type[Record]) -> Optional[Record]:
    """Return what a record says.

    :param data: what is in its file; None where there is none.
    :param kind: what a whole one is.
    :returns: None where there is none, or a damaged one.
    """
    try:
        found = json.loads((data or b"").decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, kind) else None
