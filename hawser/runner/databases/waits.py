"""Backups that wait for a lock in the database, which somebody may hold for hours."""

from __future__ import annotations

import contextlib
import threading

from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, List

# Seconds that a dump may wait, and those between two looks.
LONGEST = 60
PAUSE = 5.0


@contextlib.contextmanager
def watched(look: Callable[[], str]) -> Iterator[None]:
    """Have a dump fail that waits too long, and say for whom.

    :param look: ends the dump where it has waited for `LONGEST` seconds, and returns who holds what it waits for.
    """
    said: List[str] = []
    over = threading.Event()

    def watch() -> None:
        while not said and not over.wait(PAUSE):
            # A server that does not answer has the dump itself fail.
            with contextlib.suppress(Failure):
                said.extend(filter(None, [look()]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    except Failure as failure:
        # The dump may end before who has ended it can say why.
        over.set()
        watcher.join()
        if said:
            raise Failure(said[0], failure.output) from None
        raise
    finally:
        over.set()
        watcher.join()
