"""A dump that waits for a lock too long, and one that ends in time."""

from __future__ import annotations

import threading
import time

import pytest

from hawser.runner.databases import waits
from hawser.runner.system import Failure


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(waits, "PAUSE", 0.01)


def test_the_reason_of_the_one_that_looked_is_told():
    ended = threading.Event()

    def look():
        ended.set()
        time.sleep(0.2)
        return "process 8 holds it"

    with pytest.raises(Failure, match="process 8 holds it") as caught, waits.watched(look):
        ended.wait(10)
        raise Failure("pg_dump exited with 1", "no connection")
    assert caught.value.output == "no connection"


def test_a_failure_that_was_no_wait_keeps_its_words():
    with pytest.raises(Failure, match="exited with 1"), waits.watched(lambda: ""):
        raise Failure("pg_dump exited with 1")


def test_a_look_that_fails_is_none_and_the_next_one_counts():
    looks = iter([Failure("down"), "", "held"])
    done = threading.Event()

    def look():
        found = next(looks)
        if isinstance(found, Failure):
            raise found
        if found:
            done.set()
        return found

    with pytest.raises(Failure, match="held"), waits.watched(look):
        done.wait(10)
        raise Failure("ended")


def test_nobody_looks_at_a_wait_that_has_ended():
    before = threading.active_count()
    with waits.watched(lambda: ""):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
