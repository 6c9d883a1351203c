"""Visitors who count every answer that is not a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException

from .conftest import Answer, Fleet


class Visitors:
    """Ask for pages again and again, and keep every answer that is not one.

    :param pages: what asks for each, by the names that failures get.
    :param pause: seconds between two questions for the same one.
    """

    def __init__(self, pages: Mapping[str, Callable[[], Answer]], pause: float) -> None:
        self.pages = pages
        self.pause = pause
        self.asked = 0
        self.failed: list[str] = []
        self.over = threading.Event()

    def visit(self, name: str) -> None:
        while not self.over.wait(self.pause):
            try:
                answer = self.pages[name]()
                problem = "" if answer.status == 200 else str(answer.status)
            except (OSError, HTTPException) as error:
                problem = repr(error)
            self.asked += 1
            if problem:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {name}: {problem}")


@contextmanager
def visitors(
    fleet: Fleet, pages: Mapping[str, Callable[[], Answer]] | None = None, pause: float = 0.05
) -> Iterator[Visitors]:
    """Keep visiting, and insist that every visit succeeded.

    :param pages: see `Visitors`, as for `pause`; default: the health of both web hosts of the shared fleet.
    """
    seen = Visitors(pages or {host: partial(fleet.visit, host, "/health/") for host in ("web1", "web2")}, pause)
    threads = [threading.Thread(target=seen.visit, args=(name,)) for name in seen.pages]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.over.set()
        for thread in threads:
            thread.join()
    assert seen.asked > 10
    assert not seen.failed, seen.failed
