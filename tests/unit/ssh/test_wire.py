"""Wires to a real SSH server on the loopback device, whose programs are real ones or say what a test wants."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from fabric.config import Config

from hawser.errors import HawserError, ProtocolBreach, Unreachable
from hawser.resources import Catalog, File, Link
from hawser.signatures import Signer, make_key
from hawser.ssh import protocol
from hawser.ssh import wire as wire_module
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import HostKeyRefused, KnownHosts, fingerprint, parse_key
from hawser.ssh.loader import NO_PYTHON, Source, modules
from hawser.ssh.wire import Wire
from tests.hostile.ssh import (
    HOST_KEY,
    OTHER_HOST_KEY,
    OUR_KEY,
    THEIR_KEY,
    Login,
    Program,
    Server,
    execute,
    keep_silent,
    say,
)

GREETING = b'{"t": "hello", "facts": {"app": {}}}\n'


@pytest.fixture
def serve() -> Iterator[Callable[[Program], int]]:
    """Start servers; returns their port."""
    servers: list[Server] = []

    def serve(program: Program) -> int:
        servers.append(Server(program))
        return servers[-1].port

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connector:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for name, key in (("ours", OUR_KEY), ("theirs", THEIR_KEY)):
        key.write_private_key_file(str(tmp_path / name))
    return Connector(Config(), KnownHosts(tmp_path / "known_hosts"))


@pytest.fixture
def address(tmp_path: Path) -> Callable[..., Address]:
    def address(port: int, user: str = "root", key: str = "ours", trusted: paramiko.PKey | None = HOST_KEY) -> Address:
        pinned = f"{trusted.get_name()} {trusted.get_base64()}" if trusted else ""
        return Address(
            "web1", "127.0.0.1", port, user, str(tmp_path / key), host_key=pinned, connect_timeout=2, target="shop/web1"
        )

    return address


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Source:
    return Source(modules(), str(tmp_path_factory.mktemp("runner")))


@pytest.fixture
def wire(tmp_path: Path, serve, connector, address, runner, monkeypatch) -> Iterator[Callable[..., Wire]]:
    """Return wires to a server with a program, not opened yet; a runner is kept where only these tests look."""
    monkeypatch.setattr(wire_module, "source", lambda: runner)
    made: list[Wire] = []

    def wire(program: Program, user: str = "root") -> Wire:
        hello = {"application": "shop", "root": str(tmp_path / "shop"), "state": str(tmp_path / "state")}
        made.append(Wire(address(serve(program), user), connector, hello))
        return made[-1]

    yield wire
    for each in made:
        each.close()


def refuse() -> bool:
    return False


class TestConnecting:
    def test_a_host_with_the_key_we_know_lets_us_in(self, serve, connector, address):
        connection = connector.open(address(serve(keep_silent)))
        assert connection.is_connected
        connection.close()

    def test_the_key_of_known_hosts_counts(self, serve, connector, address):
        port = serve(keep_silent)
        connector.known_hosts.pin(connector.trust(address(port, trusted=None)), HOST_KEY)
        connector.open(address(port, trusted=None)).close()

    def test_an_unknown_host_key_is_refused_with_the_next_move(self, serve, connector, address):
        with pytest.raises(HostKeyRefused) as caught:
            connector.open(address(serve(keep_silent), trusted=None))
        assert fingerprint(HOST_KEY) in str(caught.value) and "fab -H shop/web1 trust" in str(caught.value)

    def test_a_changed_host_key_is_refused_with_both(self, serve, connector, address):
        with pytest.raises(HostKeyRefused, match="ITS HOST KEY HAS CHANGED") as caught:
            connector.open(address(serve(keep_silent), trusted=OTHER_HOST_KEY))
        assert fingerprint(HOST_KEY) in str(caught.value) and fingerprint(OTHER_HOST_KEY) in str(caught.value)

    def test_a_key_of_another_kind_than_the_known_one_is_refused(self, serve, connector, address):
        other = parse_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")
        with pytest.raises(HostKeyRefused):
            connector.open(address(serve(keep_silent), trusted=other))

    @pytest.mark.parametrize(("user", "key"), [("root", "theirs"), ("nobody", "ours")])
    def test_a_refused_login_says_how_to_try_it(self, serve, connector, address, user, key):
        port = serve(keep_silent)
        with pytest.raises(Unreachable, match=rf"web1 \({user}@127\.0\.0\.1:{port}\): the login was refused") as caught:
            connector.open(address(port, user, key))
        assert f"next: ssh -p {port} {user}@127.0.0.1" in str(caught.value)

    def test_a_private_key_that_is_missing_is_named(self, serve, connector, address):
        with pytest.raises(HawserError, match=r"the private key .*/none does not exist"):
            connector.open(address(serve(keep_silent), key="none"))

    @pytest.mark.parametrize("content", ["", "hello\n", "locked"], ids=["empty", "no key", "passphrase"])
    def test_a_private_key_that_cannot_be_used_is_named(self, serve, connector, address, tmp_path, content):
        if content == "locked":
            OUR_KEY.write_private_key_file(str(tmp_path / "bad"), password="x")
        else:
            (tmp_path / "bad").write_text(content)
        with pytest.raises(HawserError, match="bad"):
            connector.open(address(serve(keep_silent), key="bad"))

    def test_a_port_where_nobody_listens_is_unreachable(self, connector, address):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(Unreachable, match=r"web1 .*refused"):
            connector.open(address(port))

    def test_a_server_that_speaks_no_ssh_is_unreachable(self, connector, address):
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def hang_up() -> None:
                link, _ = listening.accept()
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                link.close()

            threading.Thread(target=hang_up, daemon=True).start()
            with pytest.raises(Unreachable, match="web1"):
                connector.open(address(listening.getsockname()[1]))

    def test_the_key_of_a_host_is_read_without_logging_in(self, serve, connector, address):
        assert connector.show_key(address(serve(keep_silent), trusted=None)) == HOST_KEY

    def test_a_host_that_does_not_answer_has_no_key_to_read(self, connector, address):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(HawserError, match=f"127.0.0.1:{port}: .*refused"):
            connector.show_key(address(port, trusted=None))


class TestRunner:
    def test_the_runner_greets_with_its_facts(self, wire):
        opened = wire(execute)
        opened.open(refuse)
        assert opened.facts.hostname == socket.gethostname()

    def test_the_runner_brings_a_catalog_about_in_one_exchange_and_tells_of_it(self, wire, tmp_path):
        opened, told = wire(execute), []
        opened.open(refuse)
        catalog = Catalog.of([("release.activate", [Link(str(tmp_path / "current"), "releases/1")])])
        assert opened.apply(catalog, False, (), told.append)
        assert (tmp_path / "current").readlink() == Path("releases/1")
        assert opened.exchanges == 1 and "event" in [message["t"] for message in told]

    def test_the_runner_changes_nothing_when_dry(self, wire, tmp_path):
        opened = wire(execute)
        opened.open(refuse)
        assert opened.apply(Catalog.of([("x", [Link(str(tmp_path / "current"), "x")])]), True, (), lambda message: None)
        assert not (tmp_path / "current").is_symlink()

    def test_the_runner_says_that_something_failed(self, wire, tmp_path):
        opened = wire(execute)
        opened.open(refuse)
        nowhere = File(str(tmp_path / "x"), "", owner="no-such-user-here")
        assert not opened.apply(Catalog.of([("x", [nowhere])]), False, (), lambda message: None)

    def test_the_runner_says_that_it_does_not_understand(self, wire):
        opened = wire(execute)
        opened.open(refuse)
        assert not opened.request("dance").ok

    def test_the_runner_masks_what_it_is_told_to(self, wire, tmp_path):
        opened, told = wire(execute), []
        opened.open(refuse)
        catalog = Catalog.of([("x", [Link(str(tmp_path / "link"), "the-s3cret-target")])])
        opened.apply(catalog, True, ("s3cret",), told.append)
        assert told and "s3cret" not in repr(told)


class TestEndings:
    def test_a_silent_line_is_cut(self, wire, monkeypatch):
        monkeypatch.setattr(protocol, "SILENCE", 0.2)
        with pytest.raises(Unreachable, match=r"web1: has been silent for 0 s; the line is cut"):
            wire(keep_silent).open(refuse)

    def test_a_host_without_python_is_not_changed_unasked(self, wire):
        with pytest.raises(Unreachable, match="web1: there is no python3 yet; next: fab -H shop/web1 bootstrap"):
            wire(say(NO_PYTHON + "\n")).open(refuse)

    def test_python_is_installed_once_and_looked_for_again(self, wire):
        with pytest.raises(Unreachable, match="python3 was installed and is still not found"):
            wire(say(NO_PYTHON + "\n")).open(lambda: True)

    @pytest.mark.parametrize(
        ("errors", "message"),
        [
            ("sudo: a password is required\n", "sudo asks deploy for a password; next: .*ssh.sudo_password"),
            ("Sorry, try again.\nsudo: 1 incorrect password attempt\n", "sudo refuses the password of deploy"),
            (
                "sudo: sorry, you must have a tty to run sudo\n",
                r"sudo wants a terminal of deploy \(requiretty\); next: .*!requiretty",
            ),
            ("sudo: Account or password is expired, reset your password and try again\n", "sudo refuses .* expired;"),
            ("sudo: interactive authentication is required\n", "sudo asks deploy for a password;"),
            ("env: 'sudo': No such file or directory\n", "there is no sudo for deploy; next: install it"),
            ("deploy is not in the sudoers file.\n", "deploy may not use sudo on this host; next: .*NOPASSWD"),
            ("Sorry, user deploy is not allowed to execute '/bin/sh' as root on web1.\n", "deploy may not use sudo"),
            ("Illegal instruction\n", "the connection or the runner ended:\nIllegal instruction"),
            ("", "the connection or the runner ended$"),
        ],
    )
    def test_a_runner_that_ended_is_told_with_its_last_words(self, wire, errors, message):
        with pytest.raises(Unreachable, match=f"web1: {message}"):
            wire(say(errors=errors, code=1), user="deploy").open(refuse)

    @pytest.mark.parametrize(
        "noise",
        ["\x1b]0;web1\x07", "Welcome!\nto web1", "x" * 100_000, "no end\r", "\xff\x00", "{}\n[1]"],
    )
    def test_the_greeting_is_found_after_whatever_a_login_says_first(self, wire, noise):
        def speak(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(noise.encode("latin-1"))
            execute(channel, command)

        opened = wire(speak)
        opened.open(refuse)
        assert opened.request("facts").ok

    @pytest.mark.parametrize("name", ["sh", "bash", "dash", "tcsh", "csh", "fish", "zsh", "ksh", "busybox"])
    @pytest.mark.parametrize(("user", "password"), [("root", ""), ("deploy", ""), ("deploy", "secret")])
    def test_a_runner_starts_under_any_login_shell(self, wire, tmp_path, monkeypatch, name, user, password):
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name}")
        (tmp_path / "bin").mkdir()
        # Stands in for sudo: its options, then a command.
        sudo = '#!/bin/sh\ncase "$*" in "-S -p  -v") read -r p; [ "$p" = secret ];; *) shift; exec "$@";; esac\n'
        (tmp_path / "bin" / "sudo").write_text(sudo)
        (tmp_path / "bin" / "sudo").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        shell = ("busybox", "sh") if name == "busybox" else (name,)
        opened = wire(lambda channel, command: execute(channel, command, shell), user)
        opened.address = dataclasses.replace(opened.address, sudo_password=password)
        opened.open(refuse)
        assert opened.request("facts").ok

    def test_what_a_login_says_stands_in_the_error(self, wire):
        with pytest.raises(Unreachable, match=r"the runner ended:\nThis account is not available\.\nBye"):
            wire(say("This account is not available.\n", "Bye\n", 1)).open(refuse)

    def test_what_a_login_asks_stands_in_the_error_when_nobody_answers(self, wire, monkeypatch):
        def ask(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(b"Menu\nYour choice: ")
            keep_silent(channel, command)

        monkeypatch.setattr(protocol, "SILENCE", 1.0)
        with pytest.raises(Unreachable, match=r"has been silent .*; it had said:\nMenu\nYour choice:"):
            wire(ask).open(refuse)

    def test_what_we_have_sent_is_not_told_when_a_login_sends_it_back(self, wire):
        def send_back(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(b"\x1b[1mHello\x1b[0m\r\n")
            heard = b""
            while b'"token"' not in heard or not heard.endswith(b"\n"):
                heard += channel.recv(1 << 15)
            channel.sendall(heard)
            channel.close()

        opened = wire(send_back, user="deploy")
        opened.address = dataclasses.replace(opened.address, sudo_password="s3cret")
        with pytest.raises(Unreachable, match=r"the runner ended:\n\S*Hello") as caught:
            opened.open(refuse)
        assert not any(word in str(caught.value) for word in ("s3cret", "token"))

    def test_words_of_sudo_from_a_runner_that_had_greeted_are_not_taken_for_sudos(self, wire):
        def end(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(GREETING)
            heard = b""
            while b'"op"' not in heard:
                heard = heard[-8:] + channel.recv(1 << 16)
            channel.sendall_stderr(b"Resource busy, try again\n")
            channel.close()

        opened = wire(end, user="deploy")
        opened.open(refuse)
        with pytest.raises(Unreachable, match="the connection or the runner ended:\nResource busy"):
            opened.request("facts")

    def test_a_runner_that_warns_much_is_heard_and_its_last_words_are_told(self, wire):
        def warn(channel: paramiko.Channel, command: str) -> None:
            channel.sendall_stderr(b"warning\n" * (3 << 17))
            channel.sendall(GREETING)
            channel.sendall_stderr(b"warning\n" * (3 << 17) + b"Illegal instruction\n")
            channel.close()

        opened = wire(warn)
        opened.open(refuse)
        with pytest.raises(Unreachable, match=r"web1: the connection or the runner ended:\n(.*\n)+Illegal"):
            opened.request("facts")

    def test_a_runner_takes_what_it_is_sent_though_it_warns_meanwhile(self, wire):
        size, all_taken = 5 << 20, threading.Event()

        def warn(channel: paramiko.Channel, command: str) -> None:
            channel.sendall(GREETING)
            channel.sendall_stderr(b"x" * (3 << 20))
            taken = 0
            while taken < size:
                taken += len(channel.recv(1 << 16))
            all_taken.set()

        opened = wire(warn)
        opened.open(refuse)
        opened.blob("x", bytes(size))
        assert all_taken.wait(5)

    def test_a_runner_that_does_nothing_but_warn_is_cut(self, wire, monkeypatch):
        def warn(channel: paramiko.Channel, command: str) -> None:
            with suppress(OSError):
                while True:
                    channel.sendall_stderr(b"x" * 32000)

        monkeypatch.setattr(wire_module, "LONGEST_ERRORS", 5 << 20)
        with pytest.raises(ProtocolBreach, match="more than 5 MiB on standard error; the line is cut"):
            wire(warn).open(refuse)

    def test_a_line_that_breaks_during_a_request_is_unreachable(self, wire):
        opened = wire(execute)
        opened.open(refuse)
        assert opened.connection is not None
        opened.connection.transport.close()
        with pytest.raises(Unreachable, match="web1: "):
            opened.request("facts")

    def test_half_a_message_of_the_runner_is_the_last_one(self, wire, monkeypatch):
        opened = wire(execute)
        opened.open(refuse)

        def stall(data: bytes) -> int:
            raise TimeoutError

        monkeypatch.setattr(wire_module, "SILENCE", -1.0)
        monkeypatch.setattr(opened.channel, "send", stall)
        with pytest.raises(Unreachable, match="the connection broke"):
            opened.blob("x", b"data")
        monkeypatch.undo()
        with pytest.raises(Unreachable, match="the connection broke"):
            opened.request("facts")

    @pytest.mark.parametrize("refusal", [{"executes": False}, {"session": 1}], ids=["command", "session"])
    def test_a_server_that_starts_no_command_is_unreachable(self, wire, monkeypatch, refusal):
        for name, value in refusal.items():
            monkeypatch.setattr(Login, name, value)
        with pytest.raises(Unreachable, match="web1: "):
            wire(keep_silent).open(refuse)


class TestCommand:
    @pytest.fixture
    def command(self, serve, connector, address) -> Callable[..., tuple[str, bytes]]:
        def command(user: str, password: str = "") -> tuple[str, bytes]:
            where = dataclasses.replace(address(serve(keep_silent), user), sudo_password=password)
            connected = Wire(where, connector, {})
            connected.connection = connector.connection(where)
            return connected.command("id -u")

        return command

    def test_the_runner_needs_no_sudo_for_root(self, command):
        assert command("root") == ("/bin/sh -c 'id -u'", b"")

    def test_users_that_are_not_root_use_sudo_that_does_not_ask(self, command):
        assert command("deploy") == ("env LC_ALL=C sudo -n /bin/sh -c 'unset LC_ALL; id -u'", b"")

    def test_a_sudo_password_goes_over_standard_input_only(self, command):
        text, first = command("deploy", "pa ss'word")
        assert "pa ss" not in text and first == b"pa ss'word\n"


class TestTheHelper:
    """Deploy users start a program of root's, which takes signed messages; see `hawser.runner.helper`."""

    @pytest.fixture
    def signer(self) -> Signer:
        return Signer("harbour", make_key())

    @pytest.fixture
    def helper(self, tmp_path, runner, signer, monkeypatch) -> Path:
        """Return the helper as `bootstrap` places it, and a sudo that starts nothing else."""
        for name in ("shop", "state", "bin"):
            (tmp_path / name).mkdir()
        rules = {name: [] for name in ("users", "groups", "own", "logs", "lines", "databases", "vhosts")}
        rules |= {"application": "shop", "environment": "harbour", "host": "web1", "key": signer.public}
        rules |= {"root": str(tmp_path / "shop"), "state": str(tmp_path / "state")}
        (tmp_path / "rules.json").write_text(json.dumps(rules))
        (tmp_path / "packed").write_bytes(runner.compressed)
        program = runner.helper("shop", str(tmp_path / "packed"), str(tmp_path / "rules.json"))
        place = tmp_path / "hawser-shop"
        place.write_text(program.replace("/usr/bin/python3", sys.executable))
        sudo = f'#!/bin/sh\n[ "$*" = "-n {place}" ] && exec {place}; echo "sudo: a password is required" >&2; exit 1\n'
        (tmp_path / "bin" / "sudo").write_text(sudo)
        for each in (place, tmp_path / "bin" / "sudo"):
            each.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
        return place

    @pytest.fixture
    def opened(self, wire, helper, signer):
        def opened(**changes: object) -> Wire:
            made = wire(execute, "deploy")
            made.address = dataclasses.replace(made.address, **{"helper": str(helper), "signer": signer, **changes})
            made.open(refuse)
            return made

        return opened

    def test_it_does_what_is_signed(self, opened, tmp_path):
        wire = opened()
        assert wire.facts.python
        wire.blob("ahead", b"data")
        catalog = Catalog.of([("a step", [Link(f"{tmp_path}/shop/current", "releases/one")])])
        assert wire.apply(catalog, False, (), lambda message: None)
        assert (tmp_path / "shop" / "current").readlink() == Path("releases/one")

    def test_what_it_refuses_is_told_in_its_words(self, opened):
        answer = opened().request("stream", {"argv": ["id"], "user": "root"})
        assert not answer.ok and answer.error == "needs an administrator (--as-admin): the request `stream`"

    def test_without_the_key_nothing_is_asked_of_it(self, opened):
        with pytest.raises(Unreachable, match=r"takes what HAWSER_SIGNING_KEY has signed, .* is missing"):
            opened(signer=None)

    def test_another_key_is_told_in_its_words(self, opened):
        with pytest.raises(Unreachable, match="ended"):
            opened(signer=Signer("harbour", make_key()))

    def test_a_helper_of_another_version_is_named(self, opened, runner, monkeypatch):
        other = Source({"x": ("x.py", "")}, runner.kept)
        monkeypatch.setattr(wire_module, "source", lambda: other)
        with pytest.raises(Unreachable, match=r"of another Hawser; next: fab -H shop/web1 bootstrap, as an admin"):
            opened()

    def test_where_there_is_none_the_way_to_it_is_told(self, wire, signer):
        made = wire(say("", "sudo: a password is required\n", 1), "deploy")
        made.address = dataclasses.replace(made.address, helper="/usr/local/sbin/hawser-shop", signer=signer)
        with pytest.raises(
            Unreachable, match=r"sudo does not let deploy start /usr/local/sbin/hawser-shop; next: .* boot"
        ):
            made.open(refuse)

    def test_what_takes_all_of_root_is_refused_here(self, opened):
        wire = opened()
        for ask in (
            lambda: wire.terminal("id", None),
            lambda: wire.terminal("id", ("xterm", 80, 24)),
            lambda: wire.blob_of("x", io.BytesIO(b"x"), 1),
        ):
            with pytest.raises(Unreachable, match=r"needs an administrator; next: the same command with --as-admin"):
                ask()
