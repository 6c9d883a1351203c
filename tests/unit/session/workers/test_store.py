"""Blobs that several lines of a worker get."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hawser.session.workers.frames import Frame, Kind
from hawser.session.workers.store import Blob, Sender, Store
from hawser.ssh.talk import CHUNK


class Way:
    """From a sender to a store, without a worker between them."""

    def __init__(self) -> None:
        self.store, self.sent, self.gone = Store(), 0, False
        self.sender = Sender(self.tell, lambda most: not self.gone)

    def tell(self, frame: Frame) -> None:
        assert frame.kind == Kind.STORE
        self.sent += len(frame.data)
        self.store.add(frame.line, frame.data)


def test_what_is_shared_is_sent_once_and_read_as_often_as_it_is_wanted():
    way, data = Way(), bytes(range(256)) * 2000
    numbers = {way.sender.share(Blob("a", len(data)), [data[:1000], data[1000:]]) for _ in range(3)}
    (number,) = numbers
    assert way.sent == len(data) > CHUNK and way.store.has(number, 0)
    assert [b"".join(way.store.parts(number, len(data))) for _ in range(2)] == [data, data]


def test_what_has_the_same_name_and_another_size_is_something_else():
    way = Way()
    one, other = way.sender.share(Blob("a", 1), [b"x"]), way.sender.share(Blob("a", 2), [b"yz"])
    assert b"".join(way.store.parts(one, 1)) == b"x" and b"".join(way.store.parts(other, 2)) == b"yz"


def test_whoever_wants_it_waits_until_all_of_it_has_come():
    way, go_on, found = Way(), threading.Event(), []

    def parts() -> Iterator[bytes]:
        yield b"x"
        go_on.wait()
        yield b"y"

    sending = threading.Thread(target=lambda: found.append(way.sender.share(Blob("a", 2), parts())), daemon=True)
    sending.start()
    number = way.sender.share(Blob("a", 2), [])
    assert not way.store.has(number, 0.05)
    go_on.set()
    assert way.store.has(number, 5) and b"".join(way.store.parts(number, 2)) == b"xy"


def test_what_could_not_be_read_is_told_to_all_who_want_it():
    way = Way()

    def parts() -> Iterator[bytes]:
        yield b"x"
        raise OSError("a bad disk")

    with pytest.raises(OSError, match="a bad disk"):
        way.sender.share(Blob("a", 2), parts())
    number = way.sender.share(Blob("a", 2), [])
    assert way.store.has(number, 0)
    with pytest.raises(OSError, match="came short"):
        list(way.store.parts(number, 2))


def test_nothing_is_kept_when_the_run_is_over():
    way = Way()
    number = way.sender.share(Blob("a", 1), [b"x"])
    way.store.close()
    way.store.add(number + 1, b"late")
    assert way.store.has(number + 1, 0) and not way.store.files
    with pytest.raises(OSError, match="the run is over"):
        list(way.store.parts(number, 1))
