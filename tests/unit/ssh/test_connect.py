"""Connections: what they share, and the way to a host."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest
from fabric import Connection
from fabric.config import Config

from hawser.errors import HawserError, Unreachable
from hawser.ssh.connect import HANDSHAKES, Address, Connector, Gateway, bastion
from hawser.ssh.hostkeys import KnownHosts


@pytest.fixture
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connector:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    return Connector(Config(lazy=True), KnownHosts(tmp_path / "known_hosts"))


def write(text: str) -> None:
    (Path.home() / ".ssh" / "config").write_text(text)


def way(connector: Connector, host: str, jump: str | None = None) -> list[str]:
    address = Address("web1", host, jump=jump, target="demo/web1")
    return [f"{hop.user}{'@' if hop.user else ''}{hop.host}:{hop.port}" for hop in connector.way(address)]


def test_a_connection_leaves_the_configuration_alone_that_other_threads_read(connector, monkeypatch):
    def merge(self: Config) -> None:
        raise AssertionError("the shared configuration is empty while it is merged anew")

    monkeypatch.setattr(Config, "merge", merge)
    assert connector.connection(Address("web1", "web1.example.org", 22, "root")).host == "web1.example.org"


@pytest.mark.parametrize(
    ("jump", "host", "port", "user"),
    [
        ("gate", "gate", 0, ""),
        ("me@gate:2222", "gate", 2222, "me"),
        ("ssh://me@gate:2222/", "gate", 2222, "me"),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222, ""),
        ("2001:db8::1", "2001:db8::1", 0, ""),
        ("me@domain@gate", "gate", 0, "me@domain"),
    ],
)
def test_a_jump_host_is_written_as_for_ssh(jump, host, port, user):
    found = bastion(jump)
    assert (found.host, found.port, found.user) == (host, port, user)


def test_several_jump_hosts_are_passed_one_after_the_other(connector):
    write("Host web1\n  ProxyJump outer,me@middle:2222\n")
    assert way(connector, "web1") == ["outer:0", "me@middle:2222"]


def test_a_jump_host_of_either_file_has_a_jump_host_of_its_own(connector):
    write("Host middle\n  HostName 10.0.0.7\n  ProxyJump outer\nHost web1\n  ProxyJump middle\n")
    assert way(connector, "web1") == way(connector, "web2", "middle") == ["outer:0", "middle:0"]


def test_of_several_jump_hosts_only_the_first_goes_by_its_own_way(connector):
    write("Host outer\n  ProxyJump first\nHost middle\n  ProxyJump other\nHost web1\n  ProxyJump outer,middle\n")
    assert way(connector, "web1") == ["first:0", "outer:0", "middle:0"]


def test_no_jump_host_is_none(connector):
    write("Host web1\n  ProxyJump none\nHost gate\n  ProxyJump none\nHost *\n  ProxyJump gate\n")
    assert way(connector, "web1") == [] == way(connector, "web2", "")
    assert way(connector, "web2") == ["gate:0"]


@pytest.mark.parametrize(
    "text",
    [
        "Host *\n  ProxyJump gate\n",
        "Host a\n ProxyJump b\nHost b\n ProxyJump c\nHost c\n ProxyJump a\n",
        "Host *\n  ProxyJump x.%h\n",
    ],
)
def test_a_way_in_a_circle_is_refused_with_what_to_write(connector, text):
    write(text)
    with pytest.raises(HawserError, match=r"reached through .* itself\n.*`ProxyJump none`"):
        way(connector, "a")


def test_the_files_say_nothing_of_throwaway_hosts(connector):
    write("Host *\n  ProxyJump gate\n  Port 2222\n")
    address = Address("web1", "10.213.0.2", 22, "root", jump="", throwaway=True)
    assert connector.way(address) == () and connector.options(address).port == 22


def test_all_who_wait_for_a_jump_host_hear_at_once_that_it_does_not_answer():
    gateway, tries = Gateway(), []

    def fail() -> Connection:
        tries.append(time.monotonic())
        time.sleep(0.3)
        raise Unreachable("no answer", host="gate")

    def ask() -> None:
        with pytest.raises(Unreachable):
            gateway.open(fail)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 1
    ask()
    assert len(tries) == 2


# What listens there, when somebody connects: it sends this, and closes the connection or keeps it.
@pytest.mark.parametrize(
    ("sent", "closes", "said"),
    [
        (b"", False, "something listens there, and no SSH server greets within 1 s"),
        (b"", True, "what listens there closes the connection, or is no SSH server"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "what listens there closes the connection, or is no SSH server"),
        (b"SSH-2.0-x\r\n", False, "an SSH server greets, and exchanges no keys within 1 s"),
    ],
)
def test_what_does_not_greet_as_an_ssh_server_is_told_in_time_and_in_words(connector, sent, closes, said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def answer() -> None:
            held.append(server.accept()[0])
            held[-1].sendall(sent)
            if closes:
                held[-1].close()

        threading.Thread(target=answer, daemon=True).start()
        address = Address("web1", "127.0.0.1", server.getsockname()[1], "root", host_key="", connect_timeout=1)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=said):
            connector.open(address)
        assert time.monotonic() - began < 5
        for each in held:
            each.close()


def test_hosts_that_do_not_answer_keep_nobody_from_logging_in(connector, monkeypatch):
    silent, opened = threading.Event(), []

    def link(address, options, way):
        if address.name != "there":
            silent.wait(20)
            raise TimeoutError
        return

    monkeypatch.setattr(connector, "link", link)
    monkeypatch.setattr(Connection, "open", lambda self: opened.append(self.host))

    def connect(name: str) -> None:
        with contextlib.suppress(Unreachable):
            connector.open(Address(name, name, 22, "root", host_key=""))

    threads = [threading.Thread(target=connect, args=(f"silent{number}",)) for number in range(2 * HANDSHAKES)]
    for thread in threads:
        thread.start()
    connect("there")
    assert opened == ["there"]
    silent.set()
    for thread in threads:
        thread.join()


def test_only_so_many_shake_hands_at_once(connector, monkeypatch):
    most, now, lock = [], [], threading.Lock()

    def shake(self) -> None:
        with lock:
            now.append(self.host)
            most.append(len(now))
        time.sleep(0.02)
        with lock:
            now.remove(self.host)

    monkeypatch.setattr(connector, "link", lambda address, options, way: None)
    monkeypatch.setattr(Connection, "open", shake)
    hosts = [Address(f"h{number}", f"h{number}", 22, "root", host_key="") for number in range(2 * HANDSHAKES)]
    threads = [threading.Thread(target=connector.open, args=(each,)) for each in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 < max(most) <= HANDSHAKES


def test_a_port_on_which_nobody_listens_has_a_next_move(connector):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match=r"connection refused; next: is sshd running there") as told:
        connector.open(Address("web1", "127.0.0.1", port, "root"))
    assert "Errno" not in str(told.value)
