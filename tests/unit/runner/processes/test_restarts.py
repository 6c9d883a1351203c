"""A process that executes its own program anew is waited for; nothing of it is a stand-in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from hawser.runner.processes import restarts
from hawser.runner.processes.restarts import begun_anew, image
from hawser.runner.system import Failure

# Listens at a port of its own, or at the socket that it was handed. When it is told to, it goes on for a while, and
# then executes itself.
PROGRAM = """
import os, signal, socket, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
handed = int(sys.argv[1])
listener = socket.socket(fileno=handed) if handed else socket.create_server(("127.0.0.1", 0))
listener.set_inheritable(bool(handed))
print("listens", flush=True)
signal.sigwait({signal.SIGHUP})
time.sleep(0.3)
os.execv(sys.executable, sys.orig_argv)
"""


@pytest.fixture(params=["its own", "handed"])
def process(request):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handed = listener.fileno() if request.param == "handed" else 0
        argv = [sys.executable, "-c", PROGRAM, str(handed)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=[handed] if handed else []) as started:
            assert started.stdout.readline() == b"listens\n"
            yield started
            started.kill()


def test_what_executes_itself_anew_has_done_so_at_the_end(process):
    before = image(process.pid)
    with begun_anew(process.pid):
        os.kill(process.pid, signal.SIGHUP)
    assert image(process.pid) != before


def test_what_goes_on_as_it_was_is_a_failure(process, monkeypatch):
    monkeypatch.setattr(restarts, "LONGEST", 0.1)
    with (
        pytest.raises(Failure, match=f"process {process.pid} has not begun anew within 0 seconds"),
        begun_anew(process.pid),
    ):
        pass


def test_what_ends_is_a_failure(process, monkeypatch):
    monkeypatch.setattr(restarts, "LONGEST", 0.1)
    with pytest.raises(Failure, match="has not begun anew"), begun_anew(process.pid):
        process.kill()
        process.wait()
