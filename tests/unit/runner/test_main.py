"""The runner as it really runs: started over pipes, spoken to in its protocol, cut off in every way."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
import uuid

import pytest

from hawser.runner.lock import end_leftovers, marked

from .conftest import ME, MY_GROUP, names, whole_row
from .daemons import until
from .interpreters import interpreters
from .line import Line

INFO = {"who": "ann", "from": "desk", "what": "deploy", "since": 1.0}


@pytest.fixture
def token():
    """Marks what the runners of a test start; nothing of it outlives the test."""
    token = uuid.uuid4().hex
    yield token
    if marked(token):
        end_leftovers(token)


@pytest.fixture
def start(tmp_path, token):
    """Start a runner and hear its greeting."""
    lines = []

    def start(**options):
        line = Line(tmp_path, token=token, **options).__enter__()
        lines.append(line)
        line.hello()
        return line

    yield start
    for line in lines:
        line.__exit__()


@pytest.fixture
def row(tmp_path):
    def row(name="a", content="text\n", **more):
        spec = {"kind": "file", "step": "files", "label": f"file {name}", "path": f"{tmp_path}/{name}"}
        return whole_row({**spec, "content": content, "owner": ME, "group": MY_GROUP, **more})

    return row


def command(script, **more):
    argv = ["sh", "-c", script]
    return whole_row({"kind": "command", "step": "run", "label": script, "argv": argv, "timeout": 60, **more})


class TestConversation:
    @pytest.mark.parametrize("version", interpreters())
    def test_a_conversation_works_under_every_python_of_this_machine(self, tmp_path, token, row, version):
        with Line(tmp_path, interpreters()[version], token) as line:
            assert line.hello()["python"].startswith(version + ".")
            assert line.request("lock", info=INFO)["ok"]
            assert line.request("holder")["holder"]["who"] == "ann"
            rows = [row(), command("echo done", when=[0])]
            assert line.request("apply", catalog=rows, dry=True)["ok"]
            assert [event["status"] for event in line.heard] == ["would_change"] * 2
            assert line.request("apply", catalog=rows)["ok"]
            assert [event["t"] for event in line.heard] == ["start", "event", "start", "event"]
            assert line.heard[-1]["output"] == "done\n"
            assert line.request("apply", catalog=rows)["ok"]
            assert [event["status"] for event in line.heard] == ["ok", "ok"]
            line.blob("b", b"\n{}" * 50_000)
            assert line.request("stream", argv=["cat"], stdin="in")["code"] == 0
            assert line.heard == [{"t": "output", "stream": "out", "text": "in"}]
            assert not line.request("apply", catalog=[{"kind": "spell", "step": "", "label": ""}])["ok"]
            assert line.request("read", path=f"{tmp_path}/a")["text"] == "text\n"
            line.send({"op": "bye"})
            assert line.end() == 0
            assert line.process.stderr.read() == b""
        assert names(tmp_path / "state" / "scratch") == []

    def test_conversations_are_tried_at_least_under_the_systems_own_python(self):
        assert interpreters(), "no python3 from 3.8 on starts here"

    def test_the_greeting_says_what_the_host_is(self, tmp_path, token):
        with Line(tmp_path, token=token) as line:
            facts = line.hello()
        assert facts["hostname"] == os.uname().nodename
        assert 0 < facts["disk_free"] < facts["disk_total"]
        assert abs(facts["clock"] - time.time()) < 5
        assert facts["app"]["releases"] == []
        assert facts["app"]["journal"] is None

    def test_several_questions_are_answered_at_once_and_one_that_fails_keeps_no_other_back(self, start):
        answer = start().request("ask_all", questions=[["looks.pending", {}], ["os.system", {}], ["looks.pending", {}]])
        assert answer["answers"] == [{"answer": 0}, {"error": "this runner has no function os.system"}, {"answer": 0}]

    def test_a_request_that_fails_does_not_disturb_the_next(self, start, tmp_path):
        line = start()
        answer = line.request("fly")
        assert (answer["ok"], answer["error"]) == (False, "this runner cannot do 'fly'")
        assert (
            line.request("ask", function="os.system", arguments={})["error"] == "this runner has no function os.system"
        )
        answer = line.request("apply", nonsense=1)
        assert "unexpected keyword argument" in answer["error"]
        assert "Traceback" in answer["traceback"]
        assert line.request("read", path=f"{tmp_path}/no") == {"t": "done", "id": 4, "ok": True, "text": None}

    def test_the_mask_of_a_login_changes_no_mode(self, start, tmp_path):
        line = start(umask=0o077)
        path = f"{tmp_path}/made"
        line.request("apply", catalog=[command(f"mkdir {path}"), command(f"touch {path}/file")])
        assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755
        assert stat.S_IMODE((tmp_path / "made" / "file").stat().st_mode) == 0o644

    def test_a_name_that_no_encoding_carries_arrives_as_an_escape(self, start, tmp_path):
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / os.fsdecode(b"\xff")).write_text("")
        spec = {"kind": "files", "step": "", "label": "d", "folder": f"{tmp_path}/d", "pattern": "*", "keep": []}
        line = start()
        assert line.request("apply", catalog=[whole_row(spec)])["ok"]
        assert line.heard[-1]["note"] == r"removes \udcff"
        assert names(tmp_path / "d") == []

    def test_ctrl_c_on_the_host_is_not_ours(self, start):
        line = start()
        line.process.send_signal(signal.SIGINT)
        assert line.request("holder")["ok"]

    def test_secrets_of_a_request_are_masked_in_its_answers(self, start, row):
        line = start()
        line.request("apply", masks=["sesame"], catalog=[row(content="open sesame\n"), command("echo sesame; exit 1")])
        assert "sesame" not in json.dumps(line.heard)
        assert line.heard[1]["diff"].endswith("+open ********")
        line.request("stream", masks=["sesame"], argv=["printf", "open %s%s\n", "ses", "ame"])
        assert line.heard[-1]["text"] == "open ********\n"


class TestStream:
    def test_output_comes_as_it_is_written_and_the_exit_code_last(self, start):
        line = start()
        line.ask(
            "stream",
            argv=["sh", "-c", "echo one; echo two >&2; read x; echo $x $A; exit 3"],
            stdin="in\n",
            env={"A": "b"},
        )
        assert line.answer()["code"] == 3
        said = {name: "".join(each["text"] for each in line.heard if each["stream"] == name) for name in ("out", "err")}
        assert said == {"out": "one\nin b\n", "err": "two\n"}

    def test_a_line_is_heard_while_the_program_still_runs(self, start):
        line = start()
        line.ask("stream", argv=["sh", "-c", "echo one; sleep 60"])
        assert line.hear("output")["text"] == "one\n"

    def test_bytes_that_are_no_text_and_the_rest_of_a_line_arrive(self, start):
        line = start()
        line.request("stream", argv=["printf", r"\377\nrest"])
        assert [each["text"] for each in line.heard] == ["\ufffd\n", "rest"]

    def test_much_output_arrives_whole(self, start):
        line = start()
        line.request("stream", argv=["seq", "100000"])
        assert "".join(each["text"] for each in line.heard).split() == [str(number) for number in range(1, 100001)]


class TestBlob:
    def test_a_blob_is_kept_until_the_end_and_then_gone(self, start, tmp_path):
        line, data = start(), os.urandom(300_000)
        line.request("lock", info=INFO)
        line.blob("b", data)
        line.request("holder")
        (kept,) = (tmp_path / "state" / "scratch").iterdir()
        assert kept.read_bytes() == data
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
        line.send({"op": "bye"})
        line.end()
        assert not kept.exists()

    def test_a_blob_goes_with_the_catalog_that_it_was_sent_ahead_of(self, start, tmp_path, row):
        line = start()
        line.request("lock", info=INFO)
        line.blob("b", b"data")
        assert line.request("apply", catalog=[row()])["ok"]
        line.process.kill()
        line.end()
        assert names(tmp_path / "state" / "scratch") == []

    def test_an_empty_blob_is_kept_as_well(self, start, tmp_path):
        line = start()
        line.request("lock", info=INFO)
        line.blob("b", b"")
        line.request("holder")
        (kept,) = (tmp_path / "state" / "scratch").iterdir()
        assert kept.read_bytes() == b""

    def test_the_lines_end_inside_of_a_blob_ends_the_run(self, start):
        line = start()
        line.send({"op": "blob", "id": "b", "size": 1000})
        line.write(b"half")
        line.process.stdin.close()
        assert line.end() == 3

    def test_a_disk_that_does_not_take_a_blob_is_told_to_the_next_request(self, start, tmp_path, row):
        line = start()
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "scratch").write_text("in the way")
        line.blob("b", b"x" * 100_000)
        answer = line.request("apply", catalog=[row()])
        assert answer["error"].startswith(f"what was sent ahead cannot be kept in {tmp_path}/state/scratch")
        assert not (tmp_path / "a").exists()
        assert line.request("apply", catalog=[row()])["ok"]

    def test_blobs_that_a_killed_run_kept_go_with_the_next(self, start, tmp_path):
        line = start()
        line.request("lock", info=INFO)
        line.blob("b", b"data")
        line.request("holder")
        line.process.kill()
        line.end()
        assert len(names(tmp_path / "state" / "scratch")) == 1
        start().request("lock", info=INFO)
        assert not (tmp_path / "state" / "scratch").exists()


class TestLock:
    def test_a_second_runner_is_told_who_holds_it(self, start):
        first, second = start(), start()
        assert first.request("lock", info=INFO)["ok"]
        answer = second.request("lock", info={"who": "bob"})
        assert not answer["ok"]
        assert answer["holder"]["who"] == "ann"
        assert second.request("holder")["holder"]["from"] == "desk"

    def test_the_same_runner_keeps_the_lock_and_blobs_that_were_sent_ahead(self, start, tmp_path):
        line = start()
        line.request("lock", info=INFO)
        line.blob("b", b"data")
        assert line.request("lock", info=INFO)["ok"]
        assert len(names(tmp_path / "state" / "scratch")) == 1

    def test_goodbye_gives_the_lock_back_even_when_the_line_is_closed_at_once(self, start, tmp_path):
        for _ in range(5):
            line = start()
            assert line.request("lock", info=INFO)["ok"]
            line.send({"op": "bye"})
            line.process.stdin.close()
            assert line.end() == 0
            assert (tmp_path / "state" / "lock").read_text() == ""

    def test_a_greeting_after_the_lock_tells_what_the_holder_before_has_changed(self, start, tmp_path):
        line = start()
        (tmp_path / "releases").mkdir()
        (tmp_path / "current").symlink_to("releases/one")
        assert line.request("lock", info=INFO)["facts"]["app"]["current"] == "one"


class TestTheEnd:
    """Whatever ends a run, its programs end with it and the lock is free."""

    @pytest.fixture
    def busy(self, start, token):
        """Start a runner that holds the lock and is at work."""

        def busy(**options):
            line = start(**options)
            assert line.request("lock", info=INFO)["ok"]
            line.ask("apply", catalog=[command("trap '' TERM HUP; sleep 60 & sleep 60; true")])
            until(lambda: len(marked(token)) == 3)
            return line

        return busy

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, start, token):
        yield
        until(lambda: not marked(token))
        assert start().request("lock", info=INFO)["ok"]

    def test_a_runner_ends_with_its_line(self, busy):
        line = busy()
        line.process.stdin.close()
        assert line.end() == 3

    def test_a_runner_ends_when_nobody_listens_any_more(self, busy):
        line = busy(HEARTBEAT="0.2")
        line.process.stdout.close()
        assert line.end() == 3

    def test_a_runner_ends_when_the_other_side_says_nothing_any_more(self, busy):
        assert busy(SILENCE="1.5").end() == 4

    def test_a_silent_other_side_ends_a_runner_that_cannot_get_rid_of_its_words(self, start):
        line = start(SILENCE="0.4", HEARTBEAT="0.1")
        line.request("lock", info=INFO)
        line.ask("stream", argv=["yes"])
        assert line.end() == 4

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_a_runner(self, busy, number):
        line = busy()
        line.process.send_signal(number)
        assert line.end() == 3

    def test_a_message_that_cannot_be_read_ends_a_runner(self, busy):
        line = busy()
        line.write(b"nonsense\n")
        assert line.end() == 1
        assert b"JSONDecodeError" in line.process.stderr.read()

    def test_a_line_that_ends_before_the_greeting_ends_a_runner(self, tmp_path):
        with Line(tmp_path) as line:
            line.process.stdin.close()
            line.end()


class TestSignsOfLife:
    def test_the_runner_gives_signs_of_life_while_it_is_at_work(self, start):
        line = start(HEARTBEAT="0.1")
        line.ask("apply", catalog=[command("sleep 60")])
        assert line.hear("start")
        for _ in range(3):
            assert line.hear("beat")

    def test_the_runner_lives_on_while_it_is_spoken_to(self, start):
        line = start(SILENCE="0.4")
        line.ask("apply", catalog=[command("sleep 0.9")])
        for _ in range(8):
            line.send({"op": "ping"})
            time.sleep(0.1)
        assert line.answer()["ok"]

    def test_a_long_message_over_a_slow_line_is_one_from_its_first_byte_on(self, start, row):
        line = start(SILENCE="0.4")
        message = {"op": "apply", "id": 1, "arguments": {"catalog": [row(content="x" * 100_000)]}, "masks": []}
        data = json.dumps(message).encode() + b"\n"
        for begin in range(0, len(data), 15_000):
            line.write(data[begin : begin + 15_000])
            time.sleep(0.1)
        line.counter = 1
        assert line.answer()["ok"]


def test_a_killed_runner_frees_the_lock_and_the_next_holder_ends_what_it_left(start, token):
    line = start()
    line.request("lock", info=INFO)
    line.ask("apply", catalog=[command("setsid sleep 60 & sleep 60; true")])
    until(lambda: len(marked(token)) == 3)
    line.process.kill()
    line.end()
    time.sleep(0.1)
    assert marked(token)
    other = start()
    assert other.request("holder")["holder"] is None
    assert other.request("lock", info=INFO)["ok"]
    assert not marked(token)
