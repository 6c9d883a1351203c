"""The report for programs."""

from __future__ import annotations

import io
import json
import threading
from datetime import UTC, datetime

from hawser.report import Marked
from hawser.report.events import Event
from hawser.report.jsonlines import JsonReport
from hawser.report.stream import Sink


def recorded() -> tuple[JsonReport, io.StringIO]:
    stream = io.StringIO()
    return JsonReport(Sink(stream), clock=iter([10.0, 12.5]).__next__), stream


def rows(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_call_is_one_line_that_says_when_and_where() -> None:
    report, stream = recorded()
    report.phase("prepare", ["web1"], "3f2c1ab")
    report.start("web1", "nginx.install", "file /etc/a")
    report.event("web1", Event(0, "nginx.install", "file /etc/a", "changed", 12.5, diff="-a\n+b", facts={"n": 1}))
    report.note("web1", "self-signed", "warning")
    report.output("web1", "\x1b[31mred\u2028", "err")
    report.host_done("web1")
    report.host_failed("web1", "gone")
    report.table("demo", ["host"], [["web1"]])
    report.pause()
    report.finish(False)
    report.finish(False)
    told = rows(stream)
    for row in told:
        at = datetime.fromisoformat(str(row.pop("at")))
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    changed = {"step": "nginx.install", "label": "file /etc/a", "status": "changed", "ms": 12.5, "diff": "-a\n+b"}
    assert told == [
        {"t": "phase", "name": "prepare", "hosts": ["web1"], "detail": "3f2c1ab"},
        {"t": "start", "host": "web1", "step": "nginx.install", "label": "file /etc/a"},
        {"t": "event", "host": "web1", "position": 0, **changed, "facts": {"n": 1}},
        {"t": "note", "host": "web1", "level": "warning", "text": "self-signed"},
        {"t": "output", "host": "web1", "stream": "err", "text": "\x1b[31mred\u2028"},
        {"t": "host_done", "host": "web1"},
        {"t": "host_failed", "host": "web1", "message": "gone"},
        {"t": "table", "title": "demo", "columns": ["host"], "rows": [["web1"]]},
        {
            "t": "finish",
            "ok": False,
            "code": 0,
            "dry": False,
            "seconds": 2.5,
            "counts": {"web1": {"changed": 1}},
            "broken_off": {"web1": "gone"},
        },
    ]


def test_secrets_are_masked_in_values_however_deep() -> None:
    report, stream = recorded()
    report.set_masks(["hunter2"])
    report.event("web1", Event(0, "s", "l", "ok", facts={"hunter2": {"url": ["x://a:hunter2@b"]}}))
    assert rows(stream)[0]["facts"] == {"********": {"url": ["x://a:********@b"]}}


def test_the_subject_of_a_commit_is_told_where_it_goes_out_and_not_where_others_are_taken_back() -> None:
    report, stream = recorded()
    report.commits("a", "b", ["web1"], "1 commit goes out", ["Younger", "Older"])
    report.commits("b", "a", ["web1"], "1 commit is taken back", ["Younger"], goes_out=False)
    assert [row.get("subject") for row in rows(stream)] == ["Younger", None]


def test_a_secret_that_a_colour_hides_is_masked_and_other_colours_stay() -> None:
    report, stream = recorded()
    report.set_masks(["hunter2"])
    report.output("web1", "\x1b[31mhun\x1b[0mter2")
    report.output("web1", "\x1b[31mred\x1b[0m hunter2")
    assert [row["text"] for row in rows(stream)] == ["********", "\x1b[31mred\x1b[0m ********"]


def test_json_lines_of_eight_threads_stay_whole() -> None:
    report, stream = recorded()

    def work(host: str) -> None:
        for number in range(100):
            report.event(host, Event(number, "s", "l", "ok"))

    threads = [threading.Thread(target=work, args=(f"web{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = rows(stream)
    assert {(row["host"], row["position"]) for row in told} == {(f"web{h}", n) for h in range(8) for n in range(100)}
    moments = [str(row["at"]) for row in told]
    assert moments == sorted(moments)


def test_a_table_tells_programs_numbers_as_numbers() -> None:
    report, stream = recorded()
    report.set_masks(["hunter2"])
    report.table("demo", ["disk", "age"], [[Marked.bad("9 %"), ""]], [{"disk": 0.09, "age": None, "key": "hunter2"}])
    (told,) = rows(stream)
    assert told["columns"] == ["disk", "age"] and told["rows"] == [["9 %", ""]]
    assert told["records"] == [{"disk": 0.09, "age": None, "key": "********"}]


def test_programs_are_told_of_book_keeping_and_that_it_is_that() -> None:
    report, stream = recorded()
    report.phase("migrated", ["web1"], bookkeeping=True)
    report.event("web1", Event(0, "release.advance", "journal x", "changed", bookkeeping=True))
    report.event("web1", Event(1, "release.start", "running demo-web", "changed"))
    assert [row.get("bookkeeping") for row in rows(stream)] == [True, True, None]


def test_the_last_line_says_what_the_run_ended_with() -> None:
    report, stream = recorded()
    report.set_masks(["hunter2"])
    report.finish(False, error="web1: hunter2 is refused", code=2)
    (told,) = rows(stream)
    assert (told["ok"], told["code"], told["error"]) == (False, 2, "web1: ******** is refused")


def test_an_empty_table_says_why_to_programs_as_well() -> None:
    report, stream = recorded()
    report.table("backups", ["host"], [], empty="none yet")
    report.table("backups", ["host"], [["web1"]], empty="none yet")
    assert [row.get("empty") for row in rows(stream)] == ["none yet", None]
