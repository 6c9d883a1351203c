"""A process that has been replaced is asked no more; a web server's workers neither."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pytest

from hawser.runner.processes import handover
from hawser.runner.processes.handover import Drained, Reloaded
from hawser.runner.system import Failure, Finished

from ..conftest import whole

# Listens until it is told to stop that, and ends when it is told so.
WORKER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print("listens", flush=True)
sys.stdin.readline()
server.close()
sys.stdin.readline()
"""


@pytest.fixture
def drained(system):
    def drained(*addresses, seconds=5.0):
        return Drained(whole("drained", {"addresses": list(addresses), "seconds": seconds}), system)

    return drained


def listening(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def seconds_of(resource):
    began = time.monotonic()
    resource.apply(resource.check())
    return time.monotonic() - began


class TestDrained:
    def test_what_nobody_listens_on_is_in_order(self, drained, tmp_path):
        assert drained(str(tmp_path / "web-blue.sock")).check() is None

    def test_an_address_without_connections_is_left_at_once(self, drained, tmp_path):
        with listening(tmp_path / "web-blue.sock"):
            assert seconds_of(drained(str(tmp_path / "web-blue.sock"))) < 0.5

    def test_a_request_that_is_under_way_is_waited_for_and_no_longer(self, drained, tmp_path):
        path = str(tmp_path / "web-blue.sock")
        with listening(path) as server, socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            taken, _ = server.accept()
            threading.Timer(0.5, taken.close).start()
            assert 0.5 <= seconds_of(drained(path)) < 2

    def test_what_stays_open_is_waited_for_once_for_all(self, drained, tmp_path):
        paths = [str(tmp_path / f"web-{number}-blue.sock") for number in (1, 2)]
        servers = [listening(path) for path in paths]
        clients = [socket.socket(socket.AF_UNIX) for _ in paths]
        for client, path in zip(clients, paths, strict=True):
            client.connect(path)
        assert 0.5 <= seconds_of(drained(*paths, seconds=0.5)) < 0.9
        for each in (*servers, *clients):
            each.close()


class TestReloaded:
    @pytest.fixture
    def worker(self, monkeypatch):
        """A worker of the web server, as it was before the reload."""
        with subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            monkeypatch.setattr(handover, "workers", lambda unit: [child.pid])
            yield child
            child.kill()

    @pytest.fixture
    def reloaded(self, system, monkeypatch):
        def reloaded(run, due=True):
            monkeypatch.setattr(system, "run", run)
            resource = Reloaded(whole("reloaded", {"server": "nginx", "when": [0]}), system)
            resource.due = due
            return resource

        return reloaded

    def told(self, worker, *seconds):
        """Return a `systemctl` that returns at once; the worker hears of it later."""

        def run(argv, check=True):
            assert argv == ["systemctl", "reload-or-restart", "nginx"]

            def tell():
                worker.stdin.write(b"\n")
                worker.stdin.flush()

            for each in seconds:
                threading.Timer(each, tell).start()
            return Finished(0, "", "")

        return run

    def test_it_reloads_only_when_something_has_changed(self, reloaded):
        assert reloaded(None, due=False).check() is None

    def test_it_waits_until_the_workers_of_before_take_no_requests(self, reloaded, worker):
        assert 0.4 <= seconds_of(reloaded(self.told(worker, 0.4))) < 3

    def test_it_does_not_wait_for_ever(self, reloaded, worker, monkeypatch):
        monkeypatch.setattr(handover, "TURN", 0.2)
        assert 0.2 <= seconds_of(reloaded(self.told(worker))) < 2

    def test_a_reload_that_fails_says_so(self, reloaded):
        with pytest.raises(Failure, match="systemctl reload-or-restart nginx failed") as failure:
            seconds_of(reloaded(lambda argv, check=True: Finished(1, "no", "")))
        assert failure.value.output == "no"


# Takes one connection, closes its door, asks elsewhere when its client speaks, and ends when that one goes.
FORMER_WORKER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
client, _ = server.accept()
server.close()
print("closed", flush=True)
client.recv(100)
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("asked", flush=True)
client.recv(100)
"""


class TestFormerWorkers:
    @pytest.fixture
    def former(self, monkeypatch):
        """A worker with a former configuration, whose client has said nothing yet; returns both."""
        # Its port stays one at which somebody listens: the web server goes on there.
        with socket.create_server(("127.0.0.1", 0)) as upstream:
            argv = [sys.executable, "-c", FORMER_WORKER, str(upstream.getsockname()[1])]
            with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
                port = int(child.stdout.readline())
                try:
                    client = socket.create_connection(("127.0.0.1", port))
                    assert child.stdout.readline() == "closed\n"
                    with client, socket.create_server(("127.0.0.1", port)):
                        monkeypatch.setattr(handover, "workers", lambda unit: [child.pid])
                        yield client, child
                finally:
                    child.kill()

    def test_a_client_that_has_not_said_yet_what_it_wants_is_waited_for(self, drained, former, tmp_path):
        resource = drained(str(tmp_path / "web.sock"))
        resource.spec["server"] = "nginx"
        client, worker = former
        threading.Timer(0.5, client.sendall, [b"GET /"]).start()
        began = time.monotonic()
        resource.apply(None)
        assert 0.5 <= time.monotonic() - began < 3
        assert worker.stdout.readline() == "asked\n"

    def test_it_is_not_waited_for_for_ever(self, drained, former, tmp_path, monkeypatch):
        monkeypatch.setattr(handover, "TURN", 0.3)
        resource = drained(str(tmp_path / "web.sock"))
        resource.spec["server"] = "nginx"
        began = time.monotonic()
        resource.apply(None)
        assert 0.3 <= time.monotonic() - began < 2


def test_the_workers_of_a_unit_are_those_that_another_process_of_it_has_started(monkeypatch):
    tree = {10: 1, 11: 10, 12: 10, 20: 1, 21: 20}
    monkeypatch.setattr(handover, "processes", lambda: list(tree))
    monkeypatch.setattr(handover, "status", lambda pid: ("nginx", tree[pid]))
    monkeypatch.setattr(handover, "unit_of", lambda pid: "nginx.service" if pid < 20 else "ssh.service")
    assert handover.workers("nginx") == [11, 12]
