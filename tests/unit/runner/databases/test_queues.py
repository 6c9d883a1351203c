"""Counting what waits in a broker, against a scripted Redis and a rabbitmqctl of our own."""

from __future__ import annotations

import socket
import threading

import pytest

from hawser.runner import system as system_module
from hawser.runner.databases import queues
from hawser.runner.rows import MOST_ROWS
from hawser.runner.system import Failure, System


@pytest.fixture
def server():
    """Start a Redis that gives these answers, one for each command; returns its port, and what it heard."""
    sockets = []

    def start(*answers):
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)
        heard = []

        def serve():
            peer, _address = listening.accept()
            with peer, peer.makefile("rb") as stream:
                for answer in answers:
                    count = int(stream.readline()[1:])
                    heard.append([stream.read(int(stream.readline()[1:]) + 2)[:-2].decode() for _each in range(count)])
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return listening.getsockname()[1], heard

    yield start
    for each in sockets:
        each.close()


@pytest.fixture
def system(tmp_path):
    return System(str(tmp_path / "state"))


def test_the_lists_of_redis_are_queues(server, system):
    scanned = b"*2\r\n$1\r\n7\r\n*1\r\n$6\r\ncelery\r\n", b"*2\r\n$1\r\n0\r\n*1\r\n$4\r\nmail\r\n"
    port, heard = server(b"+OK\r\n", b"+OK\r\n", scanned[0], b":12\r\n", scanned[1], b":0\r\n")
    found = queues.redis(system, port, "pä ss", 3)
    assert found == {"rows": [{"queue": "celery", "waiting": 12}, {"queue": "mail", "waiting": 0}], "more": 0}
    assert heard[0] == ["AUTH", "pä ss"]
    assert heard[1] == ["SELECT", "3"]
    assert [words[1] for words in heard if words[0] == "SCAN"] == ["0", "7"]


def test_no_password_is_sent_to_a_redis_without_one(server, system):
    port, heard = server(b"+OK\r\n", b"*2\r\n$1\r\n0\r\n*0\r\n")
    assert queues.redis(system, port, "", 0) == {"rows": [], "more": 0}
    assert [words[0] for words in heard] == ["SELECT", "SCAN"]


def test_a_refusal_of_redis_is_told_in_its_words(server, system):
    port, _heard = server(b"-WRONGPASS invalid password\r\n")
    with pytest.raises(Failure, match="Redis answers: WRONGPASS invalid password"):
        queues.redis(system, port, "x", 0)


def test_a_redis_that_ends_the_connection_is_told(server, system):
    port, _heard = server(b"")
    with pytest.raises(Failure, match=r"closed the connection|does not answer"):
        queues.redis(system, port, "", 0)


def test_a_redis_that_does_not_answer_is_told(system):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Failure, match="cannot be asked"):
        queues.redis(system, port, "", 0)


@pytest.fixture
def rabbitmqctl(tmp_path, monkeypatch):
    """Have a shell script in place of rabbitmqctl."""

    def install(script):
        program = tmp_path / "rabbitmqctl"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        monkeypatch.setattr(queues, "control", lambda: (str(program), "", "/"))

    return install


def test_the_queues_of_each_vhost_are_listed(rabbitmqctl, system):
    row = '[{"name":"celery","messages_ready":3,"messages_unacknowledged":1,"consumers":2}]'
    rabbitmqctl(f"""[ "$6" = shop ] && echo '{row}' || echo '[]'\necho a warning >&2\n""")
    assert queues.rabbitmq(system, ["other", "shop"])["rows"] == [
        {"vhost": "shop", "queue": "celery", "waiting": 3, "working": 1, "consumers": 2}
    ]


def test_a_vhost_that_is_not_there_is_told(rabbitmqctl, system):
    rabbitmqctl("echo 'Virtual host shop does not exist' >&2; exit 65")
    with pytest.raises(Failure, match="cannot list the queues of shop") as caught:
        queues.rabbitmq(system, ["shop"])
    assert "does not exist" in caught.value.output


def test_more_queues_than_can_be_read_are_told_in_a_sentence(rabbitmqctl, system, monkeypatch):
    monkeypatch.setattr(system_module, "KEPT_OUTPUT", 1 << 20)
    rabbitmqctl("echo '['; yes '{\"name\":\"celery\"},' | head -n 200000; echo ']'")
    with pytest.raises(Failure, match="rabbitmqctl answers with more than 2 MiB; next: "):
        queues.rabbitmq(system, ["shop"])


def test_the_named_and_the_fullest_of_very_many_queues_are_told_and_the_rest_is_counted(server, system):
    names = [f"q{number:05}" for number in range(3000)]
    scanned = b"*2\r\n$1\r\n0\r\n*3000\r\n" + b"".join(b"$6\r\n%s\r\n" % name.encode() for name in names)
    port, _heard = server(b"+OK\r\n", scanned, *(b":%d\r\n" % number for number in range(3000)))
    found = queues.redis(system, port, "", 0, "q00007")
    assert [row["queue"] for row in found["rows"][:3]] == ["q00007", "q02999", "q02998"]
    assert (len(found["rows"]), found["more"]) == (MOST_ROWS, 3000 - MOST_ROWS)


def test_a_queue_with_an_endless_name_is_counted_and_hides_no_other():
    rows = [{"queue": "x" * (20 << 20), "waiting": 5}, {"queue": "," * (1 << 20), "waiting": 4}]
    found = queues.fullest([*rows, {"queue": "celery", "waiting": 1}], "")
    assert found == {"rows": [{"queue": "celery", "waiting": 1}], "more": 2}
