"""Jobs that services of timers do: each is told by a file of JSON."""

from __future__ import annotations

import contextlib
import json
import sys

from .system import Failure, System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def do(path: str, work: Callable[[Any, System], None]) -> None:
    """Do the job that a file says, and leave nothing running.

    :param work: takes the job, whose ``state`` and ``masks`` are those of the system, and the system.
    :raises SystemExit: it failed, and why.
    """
    with open(path, encoding="utf-8") as stream:
        job = json.load(stream)
    system = System(job["state"])
    system.masks = tuple(sorted(job["masks"], key=len, reverse=True))
    try:
        work(job, system)
    except Failure as error:
        sys.exit("\n".join(filter(None, (error.message, system.show(error.output)))))
    finally:
        with contextlib.suppress(Failure):
            system.abort()
