"""Connections to sockets and ports of this machine, as the kernel tells of them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hawser.runner.kernel.connections import Door, takes_connections

from ..daemons import until


@pytest.fixture(params=["path", "path with spaces", "port"])
def server(request, tmp_path):
    """A socket that listens, and its address."""
    if request.param == "port":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener, f"127.0.0.1:{listener.getsockname()[1]}"
        return
    path = str(tmp_path / f"{request.param}.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield listener, path


def connect(address):
    if address.startswith("/"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(address)
        return client
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def test_a_connection_counts_from_the_queue_until_its_end(server):
    listener, address = server
    door = Door(address)
    assert (door.listens, door.connected) == (True, False)
    client = connect(address)
    assert door.connected, "nobody has taken it yet"
    taken, _ = listener.accept()
    assert door.connected
    taken.close()
    client.close()
    until(lambda: not door.connected)
    assert door.listens


def test_what_has_closed_its_door_still_has_connections(server):
    listener, address = server
    door = Door(address)
    with connect(address), listener.accept()[0]:
        listener.close()
        assert (door.listens, door.connected) == (False, True)


def test_an_address_that_nobody_has_is_quiet(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for address in (str(tmp_path / "none.sock"), f"127.0.0.1:{port}"):
        assert (Door(address).listens, Door(address).connected) == (False, False)


def test_a_link_to_a_socket_leads_whoever_connects_to_the_path_that_it_was_bound_to(tmp_path):
    path, link = str(tmp_path / "web-blue.sock"), str(tmp_path / "web.live")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        Path(link).symlink_to(path)
        client.connect(link)
        assert Door(path).connected


def test_a_process_takes_connections_as_long_as_it_listens():
    listener = socket.create_server(("127.0.0.1", 0))
    assert takes_connections(os.getpid())
    listener.close()
    until(lambda: not takes_connections(os.getpid()))
    assert not takes_connections(1 << 22), "it has ended"
