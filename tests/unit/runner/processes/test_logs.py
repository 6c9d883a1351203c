from __future__ import annotations

import calendar
import gzip
import itertools
import json
import os
import re
import stat
import threading
import time
import tracemalloc

import pytest

from hawser.runner.processes import logs

NOON = calendar.timegm((2026, 3, 5, 12, 0, 0))


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-03-05 12:00:00,250 INFO celery: ready", NOON + 0.25),
        ("[2026-03-05 12:00:00 +0100] [7] [INFO] Booting", NOON - 3600),
        ("2026-03-05T12:00:00.5Z INFO up", NOON + 0.5),
        ("2026-03-05T12:00:00-02:30 INFO up", NOON + 9000),
        ("2026/03/05 12:00:00 [error] 7#7: *1 connect() failed", NOON),
        ('10.0.0.1 - - [05/Mar/2026:14:00:00 +0200] "GET / HTTP/1.1" 200', NOON),
        ("INFO  2026-03-05 12:00:00 django: x", NOON),
        ("  File 'x', line 3", None),
        ("2026-99-99 99:99:99 nonsense", None),
        ('10.0.0.1 - - [05/Nix/2026:14:00:00 +0200] "GET', None),
        ("", None),
    ],
)
def test_the_time_of_a_line_is_read_as_programs_write_it(line, moment):
    assert logs.stamp(line) == moment


def test_a_file_is_read_from_its_end_whatever_the_blocks(tmp_path, monkeypatch):
    path = tmp_path / "log"
    lines = [f"line {number} " + "ä" * (number % 7) for number in range(500)]
    path.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(logs, "BLOCK", 37)
    with path.open("rb") as stream:
        assert [line for line in logs.backwards(stream) if line] == lines[::-1]
        first = len(lines[0].encode()) + 1
        assert [line for line in logs.backwards(stream, first) if line] == lines[:1]


def peak(work):
    """Return the most memory that some work takes, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("line", [b"a line without a time\n", b"x" * 1000], ids=["no times", "one single line"])
def test_the_last_lines_of_a_file_take_as_much_memory_whatever_its_size(system, tmp_path, line):
    path = tmp_path / "log"
    with path.open("wb") as stream:
        for _block in range(64):
            stream.write(line * ((1 << 20) // len(line)))
    source = {"name": "web", "path": str(path)}
    found = []

    def look():
        found.extend(logs.collect(system, source, 5, 0, time.time(), path.stat().st_size, None, 10**6))

    assert peak(look) < 24 << 20
    assert [text for _moment, _name, text in found] in ([line.decode().strip()] * 5, [logs.TOO_LONG])


def test_a_packed_file_is_not_unpacked_into_memory(system, tmp_path):
    (tmp_path / "log").write_text("2026-03-05 12:00:09 INFO now\n")
    with gzip.open(tmp_path / "log.1.gz", "wb") as stream:
        for _block in range(64):
            stream.write(b"0" * (1 << 20))
        stream.write(b"\n2026-03-05 12:00:01 last\n")
    found = []
    assert peak(lambda: found.extend(logs.of_file(str(tmp_path / "log"), 0))) < 24 << 20
    texts = [text for _moment, text in found]
    assert texts == ["2026-03-05 12:00:09 INFO now", "2026-03-05 12:00:01 last", logs.TOO_LONG]


@pytest.mark.parametrize("line", ["", "0123456789 " * 3], ids=["empty", "short"])
def test_the_last_lines_of_a_packed_file_are_told(tmp_path, monkeypatch, line):
    monkeypatch.setattr(logs, "LONGEST_TAIL", 1000)
    (tmp_path / "log").write_text("2026-03-05 12:00:09 INFO now\n")
    with gzip.open(tmp_path / "log.1.gz", "wt") as stream:
        stream.write(f"{line}\n" * 5000 + "2026-03-05 12:00:01 last\n")
    texts = [text for _moment, text in logs.of_file(str(tmp_path / "log"), 0)]
    assert texts[:2] == ["2026-03-05 12:00:09 INFO now", "2026-03-05 12:00:01 last"]
    assert texts[2:] == ([line] * 28 if line else [])


def test_an_answer_has_a_limit_also_when_all_lines_are_wanted(system, tmp_path):
    (tmp_path / "log").write_text("2026-03-05 12:00:09 INFO now\n" * 500)
    found = logs.collect(system, {"name": "web", "path": f"{tmp_path}/log"}, 0, 0, NOON + 99, 10**6, None, 5000)
    assert len(found) < 50
    assert found[0][2] == "(what was written before this is left out)"


def test_very_many_short_lines_of_several_files_are_no_longer_than_an_answer_may_be(system, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LONGEST_ANSWERS", 100_000)
    (tmp_path / "log").write_text("x\n" * 10_000)
    said = []
    sources = [{"name": name, "path": f"{tmp_path}/log"} for name in ("web", "api", "worker")]
    logs.show(system, said.append, sources, 0, 0, "", False)
    assert len(said) > 300 and sum(len(json.dumps(each)) for each in said) < 100_000


class TestWhatIsNoLogFile:
    """The application's user may put anything where its log should be."""

    @pytest.fixture(params=["pipe", "device", "link", "folder"])
    def planted(self, request, tmp_path):
        path = tmp_path / "log"
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "device":
            if os.getuid():
                pytest.skip("makes a device")
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        elif request.param == "link":
            if os.getuid():
                pytest.skip("makes another user's link")
            (tmp_path / "secret").write_text("2026-03-05 12:00:00 secret\n")
            path.symlink_to("secret")
            os.lchown(path, 65534, 65534)
        else:
            path.mkdir()
        return path

    def test_a_thing_that_is_no_log_file_is_told_and_never_read(self, system, planted):
        (row,) = logs.collect(system, {"name": "web", "path": str(planted)}, 5, 0, NOON, 10**6, None, 10**6)
        assert row[1] == "web"
        assert "no file" in row[2] or "not a file" in row[2] or "root does not own" in row[2]
        assert logs.size_of(str(planted)) == 0


def test_a_traceback_has_the_time_of_the_line_before_it(tmp_path):
    path = tmp_path / "log"
    path.write_text("2026-03-05 12:00:00 ERROR x\nTraceback\n  deep\n2026-03-05 12:00:09 INFO y\n")
    assert list(logs.of_file(str(path), 0))[::-1] == [
        (NOON, "2026-03-05 12:00:00 ERROR x"),
        (NOON, "Traceback"),
        (NOON, "  deep"),
        (NOON + 9, "2026-03-05 12:00:09 INFO y"),
    ]


def test_older_lines_are_found_in_the_rotated_files(tmp_path):
    path = tmp_path / "log"
    path.write_text("2026-03-05 12:00:09 INFO now\n")
    (tmp_path / "log.1").write_text("2026-03-05 12:00:05 INFO before\n")
    with gzip.open(tmp_path / "log.2.gz", "wt") as stream:
        stream.write("2026-03-05 12:00:01 INFO long ago\n")
    texts = [text.split()[-1] for _moment, text in logs.of_file(str(path), 0)]
    assert texts == ["now", "before", "ago"]
    assert [text for _moment, text in logs.of_file(str(path), NOON + 7)] == ["2026-03-05 12:00:09 INFO now"]


def test_a_file_without_any_time_has_that_of_its_last_change(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    os.utime(path, (NOON, NOON))
    assert list(logs.of_file(str(path), 0)) == [(NOON, "two"), (NOON, "one")]
    assert list(logs.of_file(str(path), NOON + 1)) == []
    assert list(logs.of_file(f"{path}.none", 0)) == []


def test_the_last_lines_that_fit_are_collected(system, tmp_path):
    path = tmp_path / "log"
    path.write_text(
        "".join(f"2026-03-05 12:00:{second:02} {'odd' if second % 2 else 'even'}\n" for second in range(10))
    )
    source = {"name": "web", "path": str(path)}
    found = logs.collect(system, source, 2, 0, 0, 10**6, re.compile("odd"), 10**6)
    assert [(moment, name) for moment, name, _text in found] == [(NOON + 7, "web"), (NOON + 9, "web")]


def test_an_entry_of_the_journal_is_read_whatever_its_message_is():
    line = b'{"__REALTIME_TIMESTAMP": "1500000", "MESSAGE": %s}'
    assert list(logs.parse(line % b'"a\\nb"')) == [(1.5, "a"), (1.5, "b")]
    assert list(logs.parse(line % b"[104, 105]")) == [(1.5, "hi")]
    assert list(logs.parse(line % b"null")) == [(1.5, "")]
    # Whoever writes an entry may give a field more than once.
    assert list(logs.parse(line % b'["a", [104, 105], "b"]')) == [(1.5, "a"), (1.5, "hi"), (1.5, "b")]
    assert list(logs.parse(line % b"[[104], [105]]")) == [(1.5, "h"), (1.5, "i")]
    assert list(logs.parse(b"no json")) == []


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_a_line_of_an_entry_has_the_bound_that_a_line_of_a_file_has(tmp_path, letter):
    longest = letter * (logs.LONGEST_LINE // len(letter.encode()))
    (tmp_path / "log").write_text(f"{longest}{letter}\n{longest}\nend")
    of_a_file = [text for _moment, text in logs.of_file(str(tmp_path / "log"), 0)]
    entry = {"__REALTIME_TIMESTAMP": "1500000", "MESSAGE": f"{longest}{letter}\n{longest}\nend"}
    of_the_journal = [text for _moment, text in logs.parse(json.dumps(entry).encode())]
    assert of_the_journal == of_a_file[::-1] == [logs.TOO_LONG, longest, "end"]


class TestALongEntryOfTheJournal:
    """Whoever may write to the journal may write 32 MiB at once."""

    @pytest.fixture
    def journal(self, system, tmp_path, monkeypatch):
        row = '{"__REALTIME_TIMESTAMP": "%d000000", "MESSAGE": "%s"}\n'
        (tmp_path / "rows").write_text(row % (3, "after") + row % (2, "x" * (32 << 20)) + row % (1, "before"))
        monkeypatch.setattr(logs, "journal_arguments", lambda _source: ["sh", "-c", f"cat {tmp_path}/rows", "sh"])
        return system

    def test_a_long_entry_of_the_journal_is_left_out_and_takes_no_memory(self, journal):
        found = []
        assert peak(lambda: found.extend(logs.of_journal(journal, {}, 0, 9.0))) < 24 << 20
        assert found == [(3.0, "after"), (3.0, logs.TOO_LONG), (1.0, "before")]

    def test_a_long_entry_of_the_journal_is_left_out_where_it_is_followed(self, journal):
        told = []
        began = time.monotonic()
        assert peak(lambda: logs.watch_journal(journal, {"name": "web"}, 0, told.append)) < 24 << 20
        assert told == [(3.0, "web", "after"), (3.0, "web", logs.TOO_LONG), (1.0, "web", "before")]
        assert time.monotonic() - began < 10


def test_sources_are_told_in_the_order_of_time_with_secrets_masked(system, tmp_path):
    (tmp_path / "a").write_text("2026-03-05 12:00:02 two\n2026-03-05 12:00:04 hunter2\n")
    (tmp_path / "b").write_text("2026-03-05 12:00:01 one\n2026-03-05 12:00:03 three\n")
    system.masks = ("hunter2",)
    told = []
    sources = [{"name": name, "path": f"{tmp_path}/{name}"} for name in ("a", "b", "none")]
    logs.show(system, told.append, sources, 20, 0.0, "", False)
    assert [(each["source"], each["text"].split()[-1]) for each in told] == [
        ("b", "one"),
        ("a", "two"),
        ("b", "three"),
        ("a", "********"),
    ]


def test_a_pattern_stands_for_the_files_that_fit_it(system, tmp_path):
    for name in ("one.log", "two.log", "other"):
        (tmp_path / name).write_text(f"2026-03-05 12:00:01 {name}\n")
    told = []
    logs.show(system, told.append, [{"name": "redis", "pattern": f"{tmp_path}/*.log"}], 20, 0.0, "", False)
    assert [(each["source"], each["text"].split()[-1]) for each in told] == [("redis", "one.log"), ("redis", "two.log")]


def test_lines_that_are_added_to_a_log_are_told_once_also_after_it_was_emptied(system, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "PAUSE", 0.02)
    path = tmp_path / "log"
    path.write_text("2026-03-05 12:00:00 first\n2026-03-05 12:00:01 skipped\n")
    told = []
    arguments = (system, told.append, [{"name": "web", "path": str(path)}], 20, 0.0, "first|more|anew", True)
    threading.Thread(target=logs.show, args=arguments, daemon=True).start()

    def wait(count):
        deadline = time.monotonic() + 10
        while len(told) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [each["text"].split()[-1] for each in told]

    assert wait(1) == ["first"]
    with path.open("a") as stream:
        stream.write("2026-03-05 12:00:02 mo")
        stream.flush()
        time.sleep(0.1)
        stream.write("re\n")
    assert wait(2) == ["first", "more"]
    path.write_text("anew\n")
    assert wait(3) == ["first", "more", "anew"]
    assert all(one["time"] <= other["time"] for one, other in itertools.pairwise(told))


class TestTimesWithoutAZone:
    """A program may write times in a zone of its own, which its file does not name."""

    @pytest.fixture
    def told(self, system, tmp_path):
        """Return what is told since some moment of files that were changed last at a moment, the youngest first."""

        def told(*files, since=NOON - 600):
            for number, (text, changed) in enumerate(files):
                path = tmp_path / (f"log.{number}" if number else "log")
                path.write_text(text)
                os.utime(path, (changed, changed))
            source = {"name": "web", "path": f"{tmp_path}/log"}
            return [entry[::2] for entry in logs.collect(system, source, 0, since, NOON, 1 << 30, None, 1 << 20)]

        return told

    @pytest.mark.parametrize("offset", [-5, 5.5, -3.5, 5.75, 13, 0])
    def test_lines_written_since_are_told_whatever_the_zone(self, told, offset):
        at = [time.strftime("%F %T", time.gmtime(NOON + offset * 3600 - ago)) for ago in (7200, 60, 0)]
        found = told((f"{at[0]},1 old\n{at[1]},2 WARNING x\n{at[2]},3 ERROR y\nTraceback\n  z\n", NOON + 1))
        assert [text.split(" ")[-1] for _moment, text in found] == ["x", "y", "Traceback", "z"]
        assert [round(moment - NOON) for moment, _text in found] == [-60, 0, 0, 0]

    def test_lines_between_others_that_name_their_zone_are_told_by_those(self, told):
        text = (
            "2026-03-05 06:30:00,000 old\n2026-03-05 06:59:58,000 INFO x\n"
            "[2026-03-05 12:00:00 +0000] [7] [INFO] Booting\n"
        )
        assert [round(moment - NOON) for moment, _text in told((text, NOON))] == [-2, 0]

    def test_a_rotated_file_that_shows_no_zone_has_that_of_the_younger_one(self, told):
        young = "2026-03-05 06:59:59,000 INFO x\n"
        old = "2026-03-05 06:55:00,000 INFO y\n"
        found = told((young, NOON), (old, NOON - 120))
        assert [round(moment - NOON) for moment, _text in found] == [-300, -1]

    def test_lines_without_a_time_behind_an_old_one_are_told(self, told):
        assert told(("2026-03-05 09:17:00 INFO x\nSegmentation fault\n", NOON)) == [(NOON, "Segmentation fault")]

    def test_a_quiet_program_in_the_hosts_own_zone_keeps_its_times(self, told):
        text = "2026-03-05 09:00:00 INFO x\nwritten much later\n"
        found = told((text, NOON - 17), since=0)
        assert [round(moment - NOON) for moment, _text in found] == [-10800, -10800]
