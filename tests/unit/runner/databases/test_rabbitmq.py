"""The login of our own, against a scripted broker."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from hawser.runner.databases.rabbitmq import refusal, short
from hawser.runner.system import Failure


def frame(class_id, method_id, arguments=b"", kind=1):
    payload = struct.pack(">HH", class_id, method_id) + arguments if kind == 1 else b""
    return struct.pack(">BHI", kind, 0, len(payload)) + payload + b"\xce"


START = frame(10, 10, b"\0\x09" + b"\0\0\0\0" + b"\0\0\0\5PLAIN" + b"\0\0\0\5en_US")
TUNE = frame(10, 30, struct.pack(">HIH", 2047, 131072, 60))
OPEN_OK = frame(10, 41, b"\0")
CLOSE_OK = frame(10, 51)


def close(code, text):
    return frame(10, 50, struct.pack(">H", code) + short(text) + struct.pack(">HH", 0, 0))


@pytest.fixture
def broker():
    """Start a broker with an answer to each message in turn; return its address and what it heard."""
    servers = []

    def start(*answers):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        heard = []

        def serve():
            peer, _address = server.accept()
            with peer, peer.makefile("rb") as stream:
                for number, answer in enumerate(answers):
                    # First the protocol header, then frames.
                    head = stream.read(8 if number == 0 else 7)
                    size = 0 if number == 0 else struct.unpack(">I", head[3:])[0] + 1
                    heard.append(head + stream.read(size))
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname(), heard

    yield start
    for server in servers:
        server.close()


def test_a_login_that_opens_the_vhost_is_in_order(broker):
    address, heard = broker(START, TUNE, b"", OPEN_OK, CLOSE_OK)
    assert refusal("demo", "pä:ss", "/v", address) == ""
    assert heard[0] == b"AMQP\0\0\x09\x01"
    assert b"\0demo\0" + "pä:ss".encode() in heard[1]


def test_a_wrong_password_is_told_in_the_brokers_words(broker):
    address, _heard = broker(START, close(403, "ACCESS_REFUSED - Login was refused"))
    assert refusal("demo", "x", "/", address) == "403 ACCESS_REFUSED - Login was refused"


def test_a_missing_vhost_is_told(broker):
    address, _heard = broker(START, TUNE, b"", close(530, "NOT_ALLOWED - vhost demo not found"))
    assert refusal("demo", "x", "demo", address) == "530 NOT_ALLOWED - vhost demo not found"


def test_a_heartbeat_in_between_is_passed_over(broker):
    address, _heard = broker(START, frame(0, 0, kind=8) + TUNE, b"", OPEN_OK, CLOSE_OK)
    assert refusal("demo", "x", "/", address) == ""


def test_another_version_of_the_protocol_is_told(broker):
    address, _heard = broker(b"AMQP\0\1\0\0")
    assert refusal("demo", "x", "/", address) == "the broker speaks another version of AMQP"


def test_a_cut_connection_is_told(broker):
    address, _heard = broker(START)
    why = refusal("demo", "x", "/", address)
    assert "closed" in why or "reset" in why


def test_a_rabbitmq_that_does_not_run_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    assert "cannot be asked" in refusal("demo", "x", "/", address)


def test_a_broker_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "cannot be asked" in refusal("demo", "x", "/", server.getsockname(), timeout=0.2)


def test_a_name_that_amqp_cannot_carry_is_refused():
    with pytest.raises(Failure, match="255 bytes"):
        short("x" * 256)
