"""Lines that real workers hold, each a process of its own, to a real SSH server on the loopback device."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import distributed  # noqa: F401  (its settings are there from here on)
import paramiko
import pytest
from fabric.config import Config

from hawser.errors import HawserError, ProtocolBreach, Unreachable
from hawser.session import choice
from hawser.session.workers import cluster as dask_cluster
from hawser.session.workers import station as station_module
from hawser.session.workers.engine import Workers
from hawser.session.workers.far import FarLine
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import HostKeyRefused, KnownHosts
from tests.dask_cluster import Cluster, as_settings, make_certificates
from tests.hostile.imposter import FACTS
from tests.hostile.ssh import HOST_KEY, OTHER_HOST_KEY, OUR_KEY, THEIR_KEY, Program, Server, execute, say

PROJECT = Path(__file__).parents[4]
SECRET = "a-secret-that-nobody-else-shall-see"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        # They start side by side.
        starting = [threading.Thread(target=made.add, args=(name,)) for name in ("one", "two", "three")]
        for each in starting:
            each.start()
        for each in starting:
            each.join()
        yield made
    finally:
        made.end()


class Run:
    """An engine, as a run has it, and lines to servers with programs."""

    def __init__(self, folder: Path, cluster: Cluster, environ: dict[str, str] | None = None) -> None:
        self.folder, self.cluster = folder, cluster
        for name, key in (("ours", OUR_KEY), ("theirs", THEIR_KEY)):
            key.write_private_key_file(str(folder / name))
        connector = Connector(Config(), KnownHosts(folder / "known_hosts"))
        found = choice.engine(environ or cluster.environ, connector, lambda name: (name,))
        assert isinstance(found, Workers)
        self.engine = found
        self.servers: list[Server] = []

    def line(self, program: Program = execute, name: str = "web1", **more: str) -> FarLine:
        self.servers.append(Server(program))
        pinned = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
        own = {"user": "root", "key": str(self.folder / "ours"), "host_key": pinned, "target": "shop/web1", **more}
        address = Address(name, "127.0.0.1", self.servers[-1].port, connect_timeout=5, **own)  # type: ignore[arg-type]
        hello = {"application": "shop", "root": str(self.folder / "shop"), "state": str(self.folder / "state")}
        return self.engine.line(address, hello)

    def opened(self, *arguments: Program, **more: str) -> FarLine:
        line = self.line(*arguments, **more)
        line.open(lambda: False)
        return line

    def close(self) -> None:
        self.engine.close()
        for server in self.servers:
            server.close()


@pytest.fixture
def run(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with dask.config.set(as_settings(cluster.variables)):
        made = Run(tmp_path, cluster)
        yield made
        made.close()


def wait_for(what: str, found: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Told:
    """A program that greets, keeps what it is told, and knows when its line was cut."""

    def __init__(self, *words: bytes) -> None:
        self.words = (b'{"t": "hello", "facts": %s}\n' % json.dumps(FACTS).encode(), *words)
        self.heard = bytearray()
        self.cut = threading.Event()

    def __call__(self, channel: paramiko.Channel, command: str) -> None:
        with contextlib.suppress(OSError):
            for each in self.words:
                channel.sendall(each)
            while data := channel.recv(65536):
                self.heard += data
        self.cut.set()


class TestALine:
    def test_leads_to_a_runner_that_answers(self, run):
        line = run.opened()
        assert line.facts.python.startswith("3.")
        assert line.request("facts").message["facts"].hostname == line.facts.hostname
        assert line.request("read", {"path": "/etc/hostname"}).ok and line.exchanges == 2

    def test_carries_blobs_that_are_longer_than_what_may_be_under_way(self, run):
        line = run.opened()
        data = os.urandom(9 << 20)
        line.blob("x", data)
        with (run.folder / "source").open("wb+") as stream:
            stream.write(data)
            stream.seek(0)
            line.blob_of("y", stream, len(data))
        assert line.request("facts").ok

    def test_gets_what_others_of_its_worker_get_too_over_one_way_there(self, run):
        told = [Told() for _ in range(9)]
        lines = [run.opened(each, name=f"web{number}") for number, each in enumerate(told)]
        stations = {id(line.station): line.station for line in lines}
        before = sum(station.sent for station in stations.values())
        data = os.urandom(1 << 20)
        for line in lines:
            line.blob("x", data)
        wait_for("the blob", lambda: all(each.heard.endswith(data) for each in told))
        sent = sum(station.sent for station in stations.values()) - before
        assert sent < (len(stations) + 0.5) * len(data) and len(stations) < len(lines)

    def test_streams_output_in_order_while_it_comes(self, run):
        line, lines = run.opened(), []
        argv = ["sh", "-c", "for i in $(seq 2000); do echo line $i; done"]
        answer = line.request("stream", {"argv": argv}, on_message=lambda message: lines.append(message))
        assert answer.message["code"] == 0
        said = "".join(str(each.get("text", "")) for each in lines)
        assert re.findall(r"line (\d+)", said) == [str(number) for number in range(1, 2001)]

    def test_is_pinged_by_its_worker_and_lives_on_without_a_word_from_here(self, run):
        told = Told()
        line = run.opened(told)
        wait_for("a sign of life", lambda: b'{"op": "ping"}\n' in told.heard)
        assert not line.closed

    def test_that_is_closed_says_goodbye_before_the_run_ends(self, run):
        told = Told()
        run.opened(told).close()
        assert told.heard.endswith(b'{"op": "bye"}\n')

    def test_that_is_cut_ends_without_a_word(self, run):
        told = Told()
        run.opened(told).cut()
        assert told.cut.wait(10) and b"bye" not in told.heard

    def test_has_no_terminal_and_says_what_has(self, run):
        with pytest.raises(HawserError, match="by no worker; next: the same command without HAWSER_ENGINE"):
            run.opened(Told()).terminal("bash", None)


class TestAHost:
    def test_with_another_key_is_refused_on_the_worker(self, run):
        other = f"{OTHER_HOST_KEY.get_name()} {OTHER_HOST_KEY.get_base64()}"
        with pytest.raises(HostKeyRefused, match=r"web1: ITS HOST KEY HAS CHANGED(?s:.)*fab -H shop/web1 trust"):
            run.opened(host_key=other)
        assert not run.servers[-1].transports[-1].is_authenticated()

    def test_that_nobody_knows_is_refused(self, run):
        with pytest.raises(HostKeyRefused, match="its host key is not known yet"):
            run.opened(host_key="")

    def test_that_refuses_the_login_is_told_as_without_workers(self, run):
        with pytest.raises(Unreachable, match=r"web1 \(nobody@127.0.0.1:\d+\): the login was refused"):
            run.opened(user="nobody")
        with pytest.raises(Unreachable, match="the login was refused"):
            run.opened(key=str(run.folder / "theirs"))

    def test_whose_key_is_missing_here_is_told_before_anybody_is_asked(self, run):
        with pytest.raises(HawserError, match="does not exist"):
            run.opened(key="none")
        assert not run.servers[-1].transports

    def test_that_does_not_answer_is_told(self, run):
        line = run.line()
        # Nobody listens at a port that is only taken.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            line.address = dataclasses.replace(line.address, port=taken.getsockname()[1])
            with pytest.raises(Unreachable, match="connection refused; next: is sshd running there"):
                line.open(lambda: False)

    def test_without_python_asks_here_whether_it_may_be_installed(self, run):
        asked = []
        with pytest.raises(Unreachable, match=r"there is no python3 yet; next: fab -H shop/web1 bootstrap"):
            run.line(say("hawser: no python3 here\n")).open(lambda: bool(asked.append("asked")))
        assert asked == ["asked"]

    @pytest.mark.parametrize("words", [b"no message\n", b'{"t": "done", "id": 9, "ok": true}\n'])
    def test_that_breaks_the_protocol_is_cut(self, run, words):
        told = Told(words)
        line = run.opened(told)
        with pytest.raises(ProtocolBreach):
            line.request("facts")
        assert told.cut.wait(10)

    def test_whose_runner_ends_is_told_with_its_last_words(self, run):
        line = run.opened(say(Told().words[0].decode(), "out of memory"))
        with pytest.raises(Unreachable, match="the connection or the runner ended:\nout of memory"):
            line.request("facts")

    def test_that_is_silent_is_no_worker_that_is(self, run, monkeypatch):
        with pytest.raises(Unreachable, match="the connection or the runner ended"):
            run.opened(say())
        assert run.opened().request("facts").ok


class TestAWorker:
    """That dies, or that is silent, is like hosts that are cut off."""

    def test_with_another_hawser_is_refused(self, run, monkeypatch):
        monkeypatch.setattr(station_module, "this_version", lambda: "0.0.1+123456789abc")
        with pytest.raises(
            HawserError, match=r"the worker (one|two|three) .* has Hawser \S+, and here is 0.0.1\+123456789abc"
        ):
            run.opened()

    def test_that_is_stopped_loses_its_lines_after_the_silence_of_a_host_and_cuts_them_when_it_goes_on(
        self, run, monkeypatch
    ):
        monkeypatch.setattr(station_module, "SILENCE", 4.0)
        told = [Told() for _ in range(3)]
        lines = [run.opened(each, name=f"web{number}") for number, each in enumerate(told)]
        place = next(place for place, line in enumerate(lines) if line.station.name.startswith("three"))
        stopped = run.cluster.workers["three"]
        stopped.send(signal.SIGSTOP)
        with pytest.raises(Unreachable, match=r"its worker three \S+ has been silent for 4 s; the line is cut"):
            lines[place].request("facts")
        stopped.send(signal.SIGCONT)
        assert told[place].cut.wait(10)

    def test_that_dies_loses_its_lines_at_once_and_others_take_its_hosts(self, run):
        lines = [run.opened(name=f"web{number}") for number in range(3)]
        doomed = next(line for line in lines if line.station.name.startswith("three"))
        run.cluster.workers.pop("three").kill()
        began = time.monotonic()
        with pytest.raises(
            Unreachable, match=rf"{doomed.name}: its worker three \(tls://\S+\) is gone .*the line is cut"
        ):
            doomed.request("stream", {"argv": ["sleep", "60"]})
        assert time.monotonic() - began < 5
        assert [line.request("facts").ok for line in lines if line is not doomed] == [True, True]
        assert run.opened(name=doomed.name).request("facts").ok


# A run of another process: it opens lines, says so, and waits.
CLIENT = """
import os, sys, time
from pathlib import Path
from fabric.config import Config
from hawser.session import choice
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import KnownHosts

folder, port, pinned = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
engine = choice.engine(os.environ, Connector(Config(), KnownHosts(folder / "known_hosts")), lambda name: (name,))
for name in ("web1", "web2"):
    address = Address(name, "127.0.0.1", port, "root", str(folder / "ours"), host_key=pinned)
    engine.line(address, {"application": "shop", "root": "/nowhere", "state": "/nowhere"}).open(lambda: False)
print("open", flush=True)
time.sleep(60)
"""


def test_a_machine_that_dies_in_the_middle_of_a_run_leaves_no_line(run, cluster):
    programs: list[Told] = []

    def program(channel: paramiko.Channel, command: str) -> None:
        programs.append(Told())
        programs[-1](channel, command)

    run.servers.append(Server(program))
    pinned = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
    argv = [sys.executable, "-c", CLIENT, str(run.folder), str(run.servers[-1].port), pinned]
    environ = {**os.environ, **cluster.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(argv, cwd=PROJECT, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    process.kill()
    process.wait()
    # The scheduler tells its workers at once; without it they would notice by the silence, as hosts do.
    began = time.monotonic()
    assert [each.cut.wait(20) for each in programs] == [True, True]
    assert time.monotonic() - began < 10


class TestSecrets:
    def test_are_not_in_the_scheduler_nor_in_what_dask_knows_of_tasks(self, run, cluster):
        line = run.opened(sudo_password=f"{SECRET}-sudo")
        line.blob("x", f"{SECRET}-blob".encode())
        line.request("stream", {"argv": ["echo", f"{SECRET}-argument"]}, (f"{SECRET}-mask",))
        client = run.engine.cluster.client
        told = repr((client.get_task_stream(), client.story(*client.who_has()), client.get_worker_logs()))
        told += repr(client.run_on_scheduler(lambda dask_scheduler: list(map(repr, dask_scheduler.tasks.values()))))
        assert "hawser-" in told and SECRET not in told
        assert not in_memory(cluster.scheduler.process.pid, SECRET)
        holder = line.station.name.split()[0]
        # The same look finds it where it has to be.
        assert in_memory(cluster.workers[holder].process.pid, f"{SECRET}-blob")
        words = "".join(word for each in (*cluster.workers.values(), cluster.scheduler) for word in each.words)
        assert words and SECRET not in words

    def test_go_to_no_scheduler_of_which_no_certificate_is_here(self, run, cluster):
        lacking = r"no certificate for tls://.*DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"
        with dask.config.set({"distributed.comm.tls.client.cert": None}), pytest.raises(HawserError, match=lacking):
            run.opened()

    def test_go_to_no_scheduler_with_a_certificate_of_somebody_else(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(dask_cluster, "PATIENCE", 2.0)
        theirs = as_settings(make_certificates(tmp_path, "somebody"))
        with dask.config.set(theirs), pytest.raises(HawserError, match=r"the scheduler tls://\S+ cannot be reached"):
            run.opened()


def in_memory(process: int, text: str) -> bool:
    """Whether a process has a text anywhere in its memory."""
    wanted = text.encode()
    places = Path(f"/proc/{process}/maps").read_text().splitlines()
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in places:
            begin, end = (int(each, 16) for each in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(begin)
                if wanted in memory.read(end - begin):
                    return True
    return False
