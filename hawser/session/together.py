"""Work for several hosts at once, in threads that nobody waits for when the run is broken off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Future[T]:
    """Begin some work in a thread of its own; its result or its exception is in the future that is returned."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # A pool's threads would be waited for when the process ends, and one of them may wait for a host.
    threading.Thread(target=run, daemon=True).start()
    return future


def begin_each(names: Sequence[str], work: Callable[[str], T]) -> dict[str, Future[T]]:
    """Begin the same work for each of some names."""
    return {name: begin(lambda name=name: work(name)) for name in names}  # type: ignore[misc]
