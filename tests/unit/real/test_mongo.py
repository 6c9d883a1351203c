"""The stand-in for MongoDB reads and writes what drivers send, and finds what they ask for."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.real import mongo


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> mongo.Store:
    monkeypatch.setattr(mongo, "STORE", mongo.Store())
    return mongo.STORE


@pytest.fixture
def link(store: mongo.Store) -> Iterator[socket.socket]:
    with mongo.Server(("127.0.0.1", 0), mongo.Client) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(server.server_address, 20) as link:
            yield link
        server.shutdown()


def exchange(link: socket.socket, code: int, body: bytes) -> tuple[int, bytes]:
    link.sendall(struct.pack("<iiii", 16 + len(body), 7, 0, code) + body)
    with link.makefile("rb") as stream:
        length, _own, answers, code = struct.unpack("<iiii", stream.read(16))
        assert answers == 7
        return code, stream.read(length - 16)


def test_a_document_is_read_as_it_was_written() -> None:
    moment = mongo.Raw(b"\x09" + struct.pack("<q", 1_700_000_000_000))
    document = {"a": 1, "b": mongo.Long(2), "c": 1.5, "d": "ü", "e": [True, None, {"f": "g"}], "h": moment}
    again, end = mongo.decode(mongo.encode(document))
    assert again == document and end == len(mongo.encode(document))
    assert isinstance(again["b"], mongo.Long) and isinstance(again["h"], mongo.Raw)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"a": 1}, True),
        ({"a": {"$gt": 1}}, False),
        ({"b.c": {"$in": [3, 4]}}, True),
        ({"b.c": 4}, True),
        ({"z": None}, True),
        ({"z": {"$exists": True}}, False),
        ({"$or": [{"a": 2}, {"d": {"$regex": "^te"}}]}, True),
        ({"d": {"$not": {"$regex": "x$"}}}, True),
        ({"a": {"$lt": "text"}}, False),
    ],
)
def test_a_query_finds_what_it_fits(query: dict[str, object], fits: bool) -> None:
    assert mongo.matches({"a": 1, "b": {"c": [3, 4]}, "d": "text"}, query) is fits


def test_an_update_changes_names_or_the_whole_document(store: mongo.Store) -> None:
    store.insert("db", "c", {"_id": 1, "n": 1})
    assert store.update("db", "c", {"_id": 1}, {"$inc": {"n": 2}, "$push": {"l": "x"}}) == (1, None)
    assert store.select("db", "c", {}) == [{"_id": 1, "n": 3, "l": ["x"]}]
    store.update("db", "c", {"_id": 1}, {"new": True})
    assert store.select("db", "c", {}) == [{"_id": 1, "new": True}]
    assert store.update("db", "c", {"_id": 2}, {"$set": {"a": 1}}, upsert=True) == (1, 2)


def test_an_old_driver_is_answered(link: socket.socket) -> None:
    """As PyMongo 2.9 speaks: commands and questions alike in the old form."""

    def ask(collection: bytes, question: dict[str, object]) -> list[dict[str, object]]:
        body = struct.pack("<i", 0) + collection + b"\0" + struct.pack("<ii", 0, -1) + mongo.encode(question)
        code, answer = exchange(link, mongo.OP_QUERY, body)
        assert code == mongo.OP_REPLY
        found, at = [], 20
        while at < len(answer):
            document, at = mongo.decode(answer, at)
            found.append(document)
        return found

    assert ask(b"admin.$cmd", {"ismaster": 1})[0]["ismaster"] is True
    made = ask(b"users.$cmd", {"insert": "managers", "documents": [{"_id": "a", "token": "t"}, {"_id": "a"}]})[0]
    assert made["n"] == 1 and made["writeErrors"][0]["code"] == mongo.DUPLICATE  # type: ignore[index]
    assert ask(b"users.managers", {"token": "t"}) == [{"_id": "a", "token": "t"}]
    assert ask(b"users.managers", {"$query": {"token": "x"}, "$orderby": {"_id": 1}}) == []


def test_a_driver_of_today_is_answered(link: socket.socket) -> None:
    def ask(command: dict[str, object]) -> dict[str, object]:
        body = struct.pack("<I", 0) + b"\0" + mongo.encode({**command, "$db": "shop"})
        code, answer = exchange(link, mongo.OP_MSG, body)
        assert code == mongo.OP_MSG
        return mongo.decode(answer, 5)[0]

    assert ask({"insert": "orders", "documents": [{"n": 2}, {"n": 1}]})["n"] == 2
    found = ask({"find": "orders", "sort": {"n": 1}, "projection": {"_id": 0}})
    assert found["cursor"]["firstBatch"] == [{"n": 1}, {"n": 2}]  # type: ignore[index]
    assert ask({"shutdown": 1})["errmsg"] == "no such command: 'shutdown'"
