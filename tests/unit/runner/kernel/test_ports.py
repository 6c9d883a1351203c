from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from hawser.runner.kernel import ports
from hawser.runner.rows import MOST_ROWS

from ..conftest import validated


def test_addresses_of_sockets_are_read_as_the_kernel_writes_them():
    assert ports.address_of("0100007F:1F90") == ("127.0.0.1", 8080)
    assert ports.address_of("00000000000000000000000000000000:0050") == ("::", 80)
    assert ports.address_of("00000000000000000000000001000000:0016") == ("::1", 22)


def test_a_program_that_listens_is_told_with_all_that_it_comes_from(system):
    program = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        port = int(child.stdout.readline())
        (found,) = [row for row in ports.listening(system)["rows"] if row["port"] == port]
        child.stdin.close()
    assert (found["address"], found["pid"]) == ("127.0.0.1", child.pid)
    assert found["program"].startswith("python")
    assert found["pids"][:2] == [child.pid, os.getpid()]


@pytest.mark.parametrize(
    ("init", "group", "unit"),
    [
        ("/init.scope", "/system.slice/nginx.service", "nginx.service"),
        (
            "/init.scope",
            "/system.slice/system-postgresql.slice/postgresql@15-main.service",
            "postgresql@15-main.service",
        ),
        ("/init.scope", "/user.slice/user-0.slice/session-3.scope", "session-3.scope"),
        ("/init.scope", "/system.slice", ""),
        ("/", "/", ""),
        # What is above the init of a container is the machine's.
        ("/system.slice/docker-1.scope/init.scope", "/system.slice/docker-1.scope/system.slice/a.service", "a.service"),
        # Whoever has a group of their own makes others in it, of any name.
        ("/init.scope", "/user.slice/user-7.slice/user@7.service/app.slice/ssh.service", "user@7.service"),
        ("/init.scope", "/system.slice/shop.service/x.service", "shop.service"),
        ("/init.scope", "/system.slice/shop.service/\udcff/\n", "shop.service"),
        ("/init.scope", "/ a b.service/ü.service", ""),
    ],
)
def test_a_unit_is_the_one_that_systemd_has_made(monkeypatch, init, group, unit):
    monkeypatch.setattr(ports, "group_of", {1: init, 7: group}.__getitem__)
    assert ports.unit_of(7) == unit


def test_a_socket_that_does_not_listen_is_not_told(system):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        assert silent.getsockname()[1] not in [row["port"] for row in ports.listening(system)["rows"]]


def test_one_user_with_very_many_sockets_hides_nobody_elses(system, monkeypatch):
    opened = {f"f{number}": ("0.0.0.0", number % 65536, 1001) for number in range(120_000)}
    opened |= {f"l{number}": ("127.0.0.1", number, 1001) for number in range(5000)}
    opened |= {"a": ("127.0.0.1", 5432, 113), "b": ("0.0.0.0", 80, 0), "c": ("127.0.0.1", 81, 0)}
    monkeypatch.setattr(ports, "sockets", lambda: opened)
    found = ports.listening(system)
    assert len(found["rows"]) == MOST_ROWS and found["more"] == len(opened) - MOST_ROWS
    told = {(row["address"], row["port"]) for row in found["rows"]}
    assert {("127.0.0.1", 5432), ("0.0.0.0", 80), ("127.0.0.1", 81)} <= told
    # Of its own, those come first that others reach.
    assert [address for address, _port in told].count("127.0.0.1") == 2
    validated(found, "ports.listening")


def test_the_oldest_of_very_many_ancestors_of_a_process_are_told():
    chain = {pid: pid - 1 for pid in range(2, 40_000)}
    assert ports.family(39_999, chain) == list(range(ports.MOST_ANCESTORS + 1, 1, -1))


def test_a_circle_of_processes_ends():
    assert ports.family(7, {7: 8, 8: 7}) == [7, 8]
