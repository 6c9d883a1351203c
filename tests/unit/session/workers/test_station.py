"""A worker, as it is seen from here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hawser.errors import HawserError, Unreachable
from hawser.installed import this_version
from hawser.session.workers.frames import Frame, Kind, pack, unpack
from hawser.session.workers.station import Station


class Reply:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def result(self, timeout: float) -> Any:
        return self.answer()


class Actor:
    """A worker that says what a test wants, and keeps what it was given."""

    def __init__(self, **said: object) -> None:
        self.said = {"hawser": this_version(), "prepared": True, "jump": None, **said}
        self.given: list[Frame] = []
        self.came, self.ended = threading.Event(), threading.Event()
        self.answers: list[bytes] = []
        self.go_on = threading.Semaphore(0)

    def greet(self) -> Reply:
        return Reply(lambda: json.dumps(self.said).encode())

    def give(self, frames: bytes) -> Reply:
        def take() -> None:
            self.given += unpack(frames)
            self.came.set()

        return Reply(take)

    def fetch(self) -> Reply:
        def answer() -> bytes:
            self.go_on.acquire()
            if not self.answers:
                raise OSError("Unable to contact Actor's worker")
            return self.answers.pop(0)

        return Reply(answer)

    def say(self, data: bytes) -> None:
        self.answers.append(data)
        self.go_on.release()

    def end(self) -> Reply:
        return Reply(self.ended.set)


class Line:
    """A line that keeps what happens to it."""

    def __init__(self, name: str = "web1") -> None:
        self.name, self.number = name, 0
        self.frames: list[Frame] = []
        self.error: HawserError | None = None
        self.happened = threading.Event()

    def arrived(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.happened.set()

    def lose(self, error: HawserError) -> None:
        self.error = error
        self.happened.set()


def test_a_worker_that_was_not_prepared_is_refused_with_how_it_is_started():
    with pytest.raises(
        HawserError, match=r"not prepared(?s:.)*start it with --preload hawser\.session\.workers\.preload"
    ):
        Station("paris", Actor(prepared=False))


def test_a_worker_with_other_sources_is_refused_with_both_versions():
    with pytest.raises(
        HawserError, match=r"the worker paris has Hawser 0\.0\.1, and here is \S+\n  next: install the same"
    ):
        Station("paris", Actor(hawser="0.0.1"))


@pytest.mark.parametrize("jump", [None, "", "root@gate"])
def test_a_worker_says_by_which_jump_host_it_reaches_hosts(jump):
    assert Station("paris", Actor(jump=jump)).jump == jump


def test_pieces_go_in_their_order_and_come_to_their_lines():
    actor, lines = Actor(), [Line(), Line("web2")]
    station = Station("paris", actor)
    for line in lines:
        line.number = station.add(line)
    for number in range(3):
        station.tell(Frame(lines[0].number, Kind.DATA, b"%d" % number))
    while len(actor.given) < 3:
        assert actor.came.wait(5)
        actor.came.clear()
    assert [frame.data for frame in actor.given] == [b"0", b"1", b"2"]
    actor.say(pack([Frame(lines[1].number, Kind.DATA, b"x"), Frame(99, Kind.DATA, b"of nobody")]))
    assert lines[1].happened.wait(5) and not lines[0].frames
    assert station.taken > 0 and station.sent > 0


@pytest.mark.parametrize("data", [None, b"no piece", pack([Frame(1, 99)])])  # type: ignore[arg-type]
def test_a_worker_that_is_gone_or_talks_nonsense_loses_its_lines_and_takes_no_more(data):
    actor, line = Actor(), Line()
    station = Station("paris", actor)
    line.number = station.add(line)
    if data is None:
        actor.go_on.release()
    else:
        actor.say(data)
    assert line.happened.wait(5)
    assert isinstance(line.error, Unreachable)
    assert str(line.error).startswith("web1: its worker paris is gone") and str(line.error).endswith("the line is cut")
    assert not station.room(10**9)
    with pytest.raises(Unreachable, match="web2: its worker paris is gone"):
        station.add(Line("web2"))


def test_a_worker_that_does_not_answer_in_time_is_silent():
    actor, line = Actor(), Line()

    def late() -> bytes:
        raise TimeoutError

    actor.fetch = lambda: Reply(late)  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="its worker paris has been silent for 15 s"):
        while True:
            Station("paris", actor).add(line)


def test_at_the_end_a_worker_is_told_to_cut_what_is_left():
    actor = Actor()
    Station("paris", actor).close()
    assert actor.ended.is_set()
