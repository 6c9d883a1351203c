"""Visitors of the shared fleet's web hosts, who count every answer that is not a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .conftest import Fleet


class Visitors:
    """Ask both web hosts again and again, and keep every answer that is not a page."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.addresses = {host: fleet.address(host) for host in ("web1", "web2")}
        self.asked = 0
        self.failed: list[str] = []
        self.over = threading.Event()

    def visit(self, host: str) -> None:
        while not self.over.wait(0.05):
            try:
                answer = self.fleet.visit(host, "/health/")
                problem = "" if answer.status == 200 else str(answer.status)
            except OSError as error:
                problem = repr(error)
            self.asked += 1
            if problem:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {host}: {problem}")


@contextmanager
def visitors(fleet: Fleet) -> Iterator[Visitors]:
    """Keep visiting, and insist that every visit succeeded."""
    seen = Visitors(fleet)
    threads = [threading.Thread(target=seen.visit, args=(host,)) for host in ("web1", "web2")]
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
