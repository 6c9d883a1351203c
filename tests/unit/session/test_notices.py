"""Who is told of a rollout: a webhook and a mail server that take what they get, on this machine."""

from __future__ import annotations

import dataclasses
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import ClassVar

import pytest

from hawser.errors import HawserError, InputErrors, StepFailed
from hawser.host.journal import PUT_BACK, Record
from hawser.session import notices
from hawser.session.notices import send
from hawser.tasks.notify import test as tell
from tests.webhook import Hook, taking

from ..simulated_hosts import World

TEXT = """\
[app]
name = "pier"
repo = "."

[env]
required = ["HOOK"]

[notify]
urls = [{urls}]
about = {about}

[hosts]
{hosts}
"""


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with taking() as hook:
        yield hook


class Mails(socketserver.StreamRequestHandler):
    """One conversation of RFC 5321, as far as a client needs it."""

    taken: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.taken.append(text)
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")


@pytest.fixture
def world(tmp_path, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> World:
    made = World(
        monkeypatch, tmp_path, TEXT, urls='"{{ secrets.HOOK }}"', about='["begun", "done", "failed", "put back"]'
    )
    (tmp_path / "pier.env").write_text(f"HOOK={hook.url}\n")
    (tmp_path / "pier.env").chmod(0o600)
    made.fleet(web1="web")
    return made


RECORD = Record("aaaaaaaaaa-11111111", "a" * 40, "deploy", hosts=("web1", "web2"))


def rolled(world: World, error: BaseException | None = None, phase: str = "switch", dry: bool = False) -> None:
    """Have a rollout come to its end, as `deploy` does."""
    session = world.fleet_of(command="deploy").session
    session.dry = dry
    try:
        with session.notices.of(RECORD):
            session.progress.set_rollout(dataclasses.replace(RECORD, phase=phase))
            if error is not None:
                raise error
    except (HawserError, KeyboardInterrupt):
        pass
    session.notices.finish()


def test_that_a_rollout_begins_and_is_done_is_told(world: World, hook: Hook) -> None:
    rolled(world)
    told = {each["title"]: each for each in hook.got}
    assert sorted(told) == ["pier: deploy done", "pier: deploy has begun"]
    assert told["pier: deploy done"]["type"] == "success"
    body = told["pier: deploy done"]["message"]
    assert re.fullmatch(r"aaaaaaaaaa-11111111 on web1, web2\nBy \S+ on \S+\.\nIt took \d+ s\.", body)


def test_a_failure_is_told_with_its_reason_and_without_secrets(world: World, hook: Hook) -> None:
    rolled(world, StepFailed(f"switch failed on web1\n  {hook.url} does not answer\n" + "more\n" * 50))
    last = next(each for each in hook.got if "failed" in each["title"])
    assert last["title"] == "pier: deploy has failed" and last["type"] == "failure"
    assert "switch failed on web1" in last["message"] and hook.url not in last["message"]
    assert len(last["message"].splitlines()) < 15
    rolled(world, StepFailed("it is ill"), phase=PUT_BACK)
    assert [each["type"] for each in hook.got if each["title"].endswith("has failed, and was put back")] == ["warning"]
    rolled(world, KeyboardInterrupt())
    assert "Somebody has stopped it." in hook.got[-1]["message"] + hook.got[-2]["message"]


def test_a_dry_run_tells_nobody_and_only_what_is_wanted_is_told(world: World, hook: Hook) -> None:
    rolled(world, dry=True)
    assert hook.got == []
    world.settings(about='["failed"]')
    rolled(world)
    assert hook.got == []


def test_somebody_who_cannot_be_told_is_a_warning_without_the_address(
    world: World, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.status = 500
    rolled(world)
    said = capsys.readouterr().out
    assert "not everybody could be told: notify.urls[0]: " in said and "500" in said
    assert "a-token-of-ours" not in said
    world.settings(urls='"nonsense://x", "json://127.0.0.1:1/secret-path"')
    rolled(world)
    said = capsys.readouterr().out
    assert "notify.urls[0]: apprise knows no such address" in said and "notify.urls[1]: " in said
    assert "secret-path" not in said


def test_a_server_that_does_not_answer_holds_nobody_up_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over = threading.Event()
    monkeypatch.setattr(notices, "send", lambda *arguments: over.wait(10) and [])
    monkeypatch.setattr(notices, "PATIENCE", 0.1)
    rolled(world)
    over.set()
    assert "no answer within 0 s" in capsys.readouterr().out


def test_a_fault_of_the_library_is_a_warning_without_the_address(
    world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(urls: list[str], *_more: object) -> list[str]:
        raise ValueError(f"{urls[0].rpartition('/')[2]} is odd")

    monkeypatch.setattr(notices, "send", broken)
    rolled(world)
    said = capsys.readouterr().out
    assert "not everybody could be told: ValueError: " in said and "a-token-of-ours" not in said


def test_without_the_library_it_is_said_how_to_get_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notices, "installed", lambda: False)
    rolled(world)
    assert "pip install 'hawser-deploy[notify]'" in capsys.readouterr().out


def test_mail_arrives(tmp_path) -> None:
    with mail_server() as port:
        url = f"mailto://127.0.0.1:{port}?from=hawser@example.org&to=ops@example.org&mode=insecure"
        assert send([url], "pier: deploy done", "a on web1", "done") == []
    mail = message_from_bytes(Mails.taken[-1], policy=policy.default)
    assert mail["Subject"] == "pier: deploy done" and "ops@example.org" in mail["To"]
    assert "a on web1" in mail.as_string()


@contextmanager
def mail_server() -> Iterator[int]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mails)
    with running(server):
        yield server.server_address[1]


def test_a_test_says_who_was_reached(world: World, hook: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    session = world.fleet_of(command="notify.test").session
    tell.body(session)
    assert "told 1 addresses" in capsys.readouterr().out and hook.got[-1]["title"] == "pier: a test"
    hook.status = 403
    with pytest.raises(StepFailed, match=r"notify\.urls\[0\]"):
        tell.body(session)


def test_an_address_that_cannot_be_rendered_stops_before_anything_is_touched(world: World) -> None:
    world.settings(urls='"{{ secrets.NOPE }}"')
    with pytest.raises(InputErrors, match=r"notify\.urls\[0\]: the secret NOPE is not listed"):
        world.fleet_of()
    world.settings(urls='"{{ 1 // 0 }}"')
    problems = world.fleet_of().session.rendering_problems()
    assert [each.key for each in problems] == ["notify.urls[0]"]
