"""Programs of the application's user that nobody answers for, told from those that somebody does."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from hawser.runner.kernel import strays
from hawser.runner.kernel.strays import listing, summary
from hawser.runner.rows import MOST_ROWS

from ..conftest import ME, validated


@pytest.fixture
def orphan(tmp_path):
    """A program whose parent has ended, and that listens somewhere."""
    script = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
    argv = ["sh", "-c", f'setsid python3 -c "$1" > {tmp_path}/port & echo $!', "sh", script + "time.sleep(60)"]
    pid = int(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    deadline = time.monotonic() + 10
    while not (tmp_path / "port").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield pid, f"127.0.0.1:{(tmp_path / 'port').read_text().strip()}"
    os.kill(pid, 9)


@pytest.fixture
def units(orphan, monkeypatch):
    """Say which unit every process is in; the orphan is a child of the first process, as on a host."""
    status = strays.status

    def units(name):
        monkeypatch.setattr(strays, "unit_of", lambda _pid: name)
        monkeypatch.setattr(strays, "status", lambda pid: (status(pid)[0], 1) if pid == orphan[0] else status(pid))

    return units


@pytest.mark.parametrize("unit", ["", "ssh.service", "session-3.scope", "cron.service", "supervisor.service"])
def test_a_stray_is_told_with_its_command_and_its_port(system, orphan, units, unit):
    pid, address = orphan
    units(unit)
    (row,) = (row for row in listing(system, ME)["rows"] if row["pid"] == pid)
    assert (row["ports"], row["unit"]) == ([address], unit)
    assert "python3 -c import socket, time;" in summary(row)
    assert summary(row).endswith(f"… (pid {pid}, listens on {address})")


@pytest.mark.parametrize("unit", ["shop-web-blue.service", "user@1000.service", "somebody-elses.service"])
def test_a_program_of_a_unit_of_systemd_is_no_stray(system, orphan, units, unit):
    units(unit)
    assert orphan[0] not in {row["pid"] for row in listing(system, ME)["rows"]}


def test_a_program_that_has_a_parent_is_no_stray(system, units):
    units("ssh.service")
    child = subprocess.Popen(["sleep", "60"])
    assert child.pid not in {row["pid"] for row in listing(system, ME)["rows"]}
    child.kill()
    child.wait()


def test_a_user_that_is_not_there_has_none(system):
    assert listing(system, "no-such-user") == {"rows": [], "more": 0}


def test_strays_that_listen_are_told_first_of_very_many_and_the_rest_is_counted(system, monkeypatch):
    monkeypatch.setattr(strays, "processes", lambda: range(2, 30_002))
    monkeypatch.setattr(strays, "belongs", lambda _pid, _uid: True)
    monkeypatch.setattr(strays, "is_orphan", lambda _pid: True)
    monkeypatch.setattr(strays, "status", lambda _pid: ("sleep", 1))
    sockets = [{"address": "::", "port": 9, "pids": [30_001]}] * 500
    monkeypatch.setattr(strays, "listening", lambda _system: {"rows": sockets, "more": 0})
    found = listing(system, ME)
    assert (len(found["rows"]), found["more"]) == (MOST_ROWS, 30_000 - MOST_ROWS)
    assert found["rows"][0]["pid"] == 30_001
    assert summary(found["rows"][0]).endswith("listens on :::9, :::9, :::9, :::9, :::9 and 495 more)")
    validated(found, "strays.listing")
