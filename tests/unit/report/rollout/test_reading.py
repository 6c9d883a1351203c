"""A log is read back bounded and typed, whoever has written into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hawser.errors import HawserError
from hawser.report.rollout import reading
from hawser.report.rollout.embedded import data
from hawser.report.rollout.page import page
from hawser.report.rollout.reading import read_log
from tests.written_logs import COMMIT, Written, rollout


def test_a_log_tells_the_whole_rollout(tmp_path: Path) -> None:
    account = read_log(rollout(tmp_path, fails=True))
    assert (account.command, account.environment, account.who, account.place) == ("deploy", "mysite", "ada", "laptop")
    assert account.hosts == ("web1", "web2", "web3", "web4") and account.failed_hosts == ["web4"]
    assert (account.ok, account.code, account.error) == (False, 1, "switch 1/2 failed on web4")
    assert (account.commit, account.subject) == (COMMIT, "Boats may be longer than their berth")
    assert [phase.name for phase in account.phases] == ["prepare", "switch 1/2", "finish"]
    assert account.phases[0].seconds == pytest.approx(2.4, abs=0.1)
    assert account.at_work == {} and account.unread == 0


def test_commits_that_are_taken_back_are_not_what_goes_out(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"], command="rollback")
    log.row("release", id="x", commit=COMMIT)
    log.row("commits", former="a", commit=COMMIT, hosts=["web1"], text="1 commit is taken back", subjects=["Later"])
    account = read_log(log.done())
    assert account.subject == "" and account.commits[0].subjects == ("Later",)


def test_a_resource_began_when_the_host_said_so_and_not_before_the_one_before_it_had_ended(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    log.row("phase", name="prepare", hosts=["web1"])
    log.now = 1.0
    log.row("start", host="web1", step="s", label="long")
    log.now = 3.0
    log.event("web1", "s", "long", ms=2000)
    log.event("web1", "s", "told at once, although it says otherwise", ms=5000)
    account = read_log(log.done())
    assert [(each.began, each.seconds) for each in account.events] == [(1.0, 2.0), (3.0, 5.0)]


def test_exchanges_of_one_phase_are_one(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    for name in ("prepare", "prepare", "switch"):
        log.row("phase", name=name, hosts=["web1"])
        log.now += 1
    log.row("finish", ok=True)
    assert [(each.name, each.seconds) for each in read_log(log.done()).phases] == [("prepare", 2.0), ("switch", 1.0)]


def test_a_log_without_an_end_says_at_what_each_host_was(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    log.row("phase", name="prepare", hosts=["web1"])
    log.row("start", host="web1", step="venv.build", label="environment")
    log.rows.append('{"t": "event", "host": "web1", "sta')
    account = read_log(log.done())
    assert account.ok is None and account.at_work == {"web1": ("venv.build", "environment")} and account.unread == 1
    assert "was at" in page(account) and "No end" in page(account)


@pytest.mark.parametrize(
    "line",
    ids=str.__len__,
    argvalues=[
        "",
        "no json",
        "[" * 100_000,
        '{"t": "event"}',
        '{"t": ["event"]}',
        '{"t": "event", "host": {"a": 1}, "status": "ok"}',
        '{"t": "event", "host": "web1", "status": ["ok"]}',
        '{"t": "event", "host": "web1", "status": "great"}',
        '{"t": "event", "host": "web1", "status": "ok", "ms": NaN, "diff": {"a": 1}, "label": [1], "step": 5}',
        '{"t": "event", "host": "web1", "status": "ok", "ms": -1e999}',
        '{"t": "event", "host": "web1", "status": "ok", "ms": ' + "9" * 5000 + "}",
        '{"t": "phase", "name": {"a": 1}, "hosts": "web1"}',
        '{"t": "phase", "hosts": [null, 1, ["a"], {}]}',
        '{"t": "note", "host": 5, "text": 5, "level": {}}',
        '{"t": "commits", "subjects": {"a": 1}, "hosts": 3, "text": 3}',
        '{"t": "finish", "ok": "yes", "code": "x", "error": 3}',
        '{"t": "row"}',
        '{"t": "_tick"}',
        '{"t": "take_event", "at": "2030"}',
        '{"t": "note", "at": "9999-99-99"}',
        '{"t": "note", "at": "9999-12-31T23:59:59Z", "text": "late"}',
        '{"t": "note", "at": 5}',
        '"\\ud800"',
        '{"t": "note", "text": "\\ud800", "host": "\\udfff"}',
        "\x00\x00",
    ],
)
def test_lines_that_make_no_sense_break_neither_the_reader_nor_the_page(tmp_path: Path, line: str) -> None:
    log = Written(tmp_path).begin(["web1"])
    log.row("phase", name="prepare", hosts=["web1"])
    log.rows.append(line)
    log.event("web1", "s", "the last one")
    account = read_log(log.done())
    assert account.events[-1].label == "the last one"
    page(account).encode("utf-8")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    json.loads(data(account), parse_constant=refuse)


def test_a_line_of_megabytes_is_passed_over_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 10_000)
    log = Written(tmp_path).begin(["web1"])
    log.row("note", text="x" * 55_000)
    log.row("note", text="short")
    account = read_log(log.done())
    assert [note.text for note in account.notes] == ["short"] and account.unread == 1


def test_what_a_log_may_have_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_HOSTS", 10)
    monkeypatch.setattr(reading, "MOST_NOTES", 20)
    log = Written(tmp_path).begin(["web1"])
    for number in range(50):
        log.event(f"host{number}", "s", "l")
        log.row("note", host="", text=f"note {number}")
        log.row("phase", name=f"phase {number}", hosts=[f"other{number}"])
    account = read_log(log.done())
    assert (len(account.hosts), len(account.notes), len(account.phases)) == (10, 20, 20)
    assert {each.host for each in account.events} < set(account.hosts)


def test_a_clock_that_is_put_back_turns_nothing_back(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"])
    for now in (5.0, 2.0, 6.0):
        log.now = now
        log.row("note", text=str(now))
    assert [note.moment for note in read_log(log.done()).notes] == [5.0, 5.0, 6.0]


def test_a_log_of_a_later_format_is_refused_with_its_number(tmp_path: Path) -> None:
    log = Written(tmp_path).begin(["web1"], format=2)
    with pytest.raises(HawserError, match="format 2; this Hawser reads 1"):
        read_log(log.done())


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"t": "note", "text": "x"}) + "\n")
    with pytest.raises(HawserError, match="is no log of a rollout"):
        read_log(tmp_path / "x.jsonl")
    with pytest.raises(HawserError, match="No such file"):
        read_log(tmp_path / "y.jsonl")
