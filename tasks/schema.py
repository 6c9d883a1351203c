"""The schema of environment files, for editors."""

from __future__ import annotations

import json

from hawser.session.session import Session
from hawser.steps import session_task


@session_task()
def schema(_session: Session) -> None:
    """Print the JSON schema of environment files, which editors read."""
    from hawser.inventory.json_schema import json_schema

    print(json.dumps(json_schema(), indent=1))
