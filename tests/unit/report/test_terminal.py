"""The report for a person, as a terminal gets it."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hawser.report import Marked
from hawser.report.events import Event
from hawser.report.lines import Settings
from hawser.report.live import Board
from hawser.report.stream import Sink
from hawser.report.terminal import TerminalReport

RED, OFF = "\x1b[31m", "\x1b[0m"


class Terminal:
    """A report on a terminal of 60 columns that a test can read."""

    def __init__(self, environ: dict[str, str] | None = None, dry: bool = False, width: int = 60) -> None:
        self.stream = io.StringIO()
        settings = Settings(dry)
        colours = {"TERM": "xterm-256color", **(environ or {})}
        self.report = TerminalReport(Sink(self.stream), settings, colours, width=width, height=24)

    def text(self) -> str:
        """All that was written, without escape sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.stream.getvalue())

    def waits_for(self, pattern: str) -> None:
        """Give the live area two seconds to show something."""
        deadline = time.monotonic() + 2
        while not re.search(pattern, self.text()):
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    one = Terminal()
    yield one
    one.report.finish(True)


def changed(label: str = "file /etc/a", **more: Any) -> Event:
    return Event(0, "nginx.install", label, "changed", 12.0, **more)


def test_a_line_that_stays_is_whole_whatever_the_width(terminal: Terminal) -> None:
    path = "/srv/demo/" + "very-" * 30 + "long"
    terminal.report.event("web1", changed(f"file {path}"))
    assert f"web1  changed  nginx.install     file {path}  12 ms\n" in terminal.text()


def test_markup_of_hosts_is_shown_as_text(terminal: Terminal) -> None:
    terminal.report.event("web1", changed("file [red]/etc/a[/] :ship: [/bold]"))
    terminal.report.output("web1", "[link=x]y[/]")
    terminal.report.note("web1", "[bold]loud", "warning")
    terminal.report.table("[b]t", ["[i]c"], [["[/x]cell"]])
    for text in ("[red]/etc/a[/] :ship: [/bold]", "web1 | [link=x]y[/]", "[bold]loud", "[b]t", "[i]c", "[/x]cell"):
        assert text in terminal.text()


def test_a_marked_cell_of_a_table_stands_out(terminal: Terminal) -> None:
    terminal.report.table("", ["state"], [[Marked.bad("failed")], ["running"]])
    assert f"\x1b[1;31mfailed {OFF}" in terminal.stream.getvalue()
    assert "running" in terminal.text()


def test_output_keeps_its_colours_and_loses_the_rest(terminal: Terminal) -> None:
    terminal.report.output("web1", f"{RED}red{OFF}\x1b[2J\x07")
    assert f"{RED}red{OFF}\\x07\n" in terminal.stream.getvalue()
    assert "\x1b[2J" not in terminal.stream.getvalue()


def test_a_colour_of_thousands_of_digits_is_none(terminal: Terminal) -> None:
    terminal.report.output("web1", f"\x1b[{'9' * 5000}mtext")
    assert "web1 | text\n" in terminal.text()


def test_a_colour_inside_a_secret_does_not_save_it_from_the_mask(terminal: Terminal) -> None:
    terminal.report.set_masks(["hunter2"])
    terminal.report.output("web1", f"{RED}a{OFF} hun{RED}ter{OFF}2")
    terminal.report.output("web1", f"{RED}hunter2{OFF}")
    assert "web1 | a ********\n" in terminal.text()
    assert f"{RED}********{OFF}\n" in terminal.stream.getvalue()


def test_labels_of_hosts_lose_even_their_colours(terminal: Terminal) -> None:
    terminal.report.event("web1", changed(f"file {RED}/etc/a"))
    assert RED not in terminal.stream.getvalue()


def test_the_variable_no_color_is_honoured() -> None:
    terminal = Terminal({"NO_COLOR": "1"}, dry=True)
    terminal.report.event("web1", Event(0, "s", "l", "would_change", diff="-a\n+b"))
    terminal.report.output("web1", f"{RED}red{OFF}")
    terminal.report.finish(True)
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9][;m]", terminal.stream.getvalue())
    assert "web1 | red\n" in terminal.text()


def test_diffs_are_coloured_in_a_terminal() -> None:
    terminal = Terminal(dry=True)
    terminal.report.event("web1", Event(0, "s", "l", "would_change", diff="--- a\n+++ b\n-- comment\n+new"))
    terminal.report.finish(True)
    assert f"{RED}-- comment{OFF}" in terminal.stream.getvalue()
    assert f"\x1b[32m+new{OFF}" in terminal.stream.getvalue()


def test_each_host_at_work_has_a_live_line_and_none_is_left_when_all_are_done(terminal: Terminal) -> None:
    terminal.report.phase("prepare", ["web1", "data1"])
    assert "\x1b[?25l" in terminal.stream.getvalue(), "the cursor is hidden while lines are live"
    terminal.report.start("web1", "venv.build", "environment /srv/demo/envs/1f00")
    terminal.report.event("data1", changed())
    terminal.report.event("web1", changed())
    terminal.waits_for(r"web1  . prepare › nginx\.install +\d+ ms")
    terminal.report.host_done("web1")
    assert "\x1b[?25h" not in terminal.stream.getvalue()
    terminal.report.host_done("data1")
    assert terminal.stream.getvalue().count("\x1b[?25h") == 1, "the cursor is back"


def test_output_of_others_stands_above_the_live_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    terminal.report._own_stdout = True
    terminal.report.phase("prepare", ["web1"])
    print("from a plain task")
    terminal.report.pause()
    assert sys.stdout is terminal.stream
    assert "\x1b[2Kfrom a plain task\n" in terminal.stream.getvalue()
    terminal.report.finish(True)


def test_a_pause_gives_the_terminal_back_and_the_next_word_takes_it(terminal: Terminal) -> None:
    terminal.report.phase("prepare", ["web1"])
    terminal.report.pause()
    assert "\x1b[?25h" in terminal.stream.getvalue()
    terminal.report.start("web1", "s", "l")
    assert terminal.stream.getvalue().count("\x1b[?25l") == 2


def test_terminal_lines_of_eight_threads_stay_whole() -> None:
    terminal = Terminal(width=200)
    hosts = [f"web{number}" for number in range(8)]
    terminal.report.phase("deploy", hosts)

    def work(host: str) -> None:
        for number in range(20):
            terminal.report.start(host, "nginx.install", f"file /srv/{host}/{number}")
            terminal.report.event(host, changed(f"file /srv/{host}/{number}"))
        terminal.report.host_done(host)

    threads = [threading.Thread(target=work, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    terminal.report.finish(True)
    lines = [line.strip("\r") for line in terminal.text().splitlines() if "  changed  nginx" in line]
    wanted = [
        f"{host}             changed  nginx.install     file /srv/{host}/{n}  12 ms"
        for host in hosts
        for n in range(20)
    ]
    assert sorted(lines) == sorted(wanted)


def test_a_low_terminal_shows_the_hosts_at_work_and_counts_the_others() -> None:
    board = Board(lambda: 5.0)
    board.begin("prepare", [f"web{number}" for number in range(30)])
    for number in range(26):
        board.end(f"web{number}", "done")
    board.at("web28", "venv.build", "environment /srv/demo/envs/" + "0123456789" * 8)
    lines = board.render(50, 5).plain.split("\n")
    assert [line.split()[0] for line in lines[:4]] == ["web26", "web27", "web28", "web29"]
    assert lines[2].startswith("web28 ") and "venv.build" in lines[2] and "…" in lines[2]
    assert lines[4] == "and 26 more; 26 of 30 are done"
    assert all(len(line) <= 50 for line in lines)


def test_what_takes_long_has_a_clock_of_its_own() -> None:
    now = [100.0]
    board = Board(lambda: now[0])
    board.begin("prepare", ["web1"])
    now[0] += 30
    board.at("web1", "release.build", "command npm run build")
    assert " 30.0 s" in board.render(80, 5).plain and "build 0" not in board.render(80, 5).plain
    now[0] += 12
    line = board.render(80, 5).plain
    assert "command npm run build 12.0 s" in line and line.endswith("42.0 s") and len(line) <= 80


WIDE = (
    ["host", "process", "manager", "state", "since", "release", "listens"],
    [
        ["web1", "web", "systemd", "running", "00:23 (19 min)", "6198f86b81-e3a96415", "web-blue.sock"],
        ["web1", "worker", "supervisor", "running", "00:23 (19 min)", "6198f86b81-e3a96415", ""],
    ],
)


def test_a_wide_table_is_told_in_parts_and_no_word_is_folded() -> None:
    terminal = Terminal(width=80)
    terminal.report.table("demo: processes", *WIDE)
    lines = [line.rstrip() for line in terminal.text().splitlines()]
    assert all(len(line) <= 80 for line in lines)
    for cell in (cell for row in WIDE[1] for cell in row):
        assert cell in terminal.text()
    assert lines.count("demo: processes") == 1
    assert [line.split() for line in lines if line.startswith("web1  web ")][1] == ["web1", "web", "web-blue.sock"]


def test_a_table_that_fits_is_told_in_one_part() -> None:
    terminal = Terminal(width=120)
    terminal.report.table("", *WIDE)
    assert sum(line.startswith("host") for line in terminal.text().splitlines()) == 1


@pytest.mark.parametrize("width", [8, 20])
def test_a_table_wider_than_any_terminal_is_told_all_the_same(width: int) -> None:
    terminal = Terminal(width=width)
    terminal.report.table("", ["host", "finding"], [["web1", "x" * 150], ["web2", "y"]])
    terminal.report.table("", ["host"], [["web1"]])
    terminal.report.table("", ["host", "finding"], [])
    assert terminal.text().count("x") == 150


def test_what_a_program_that_takes_long_says_last_stands_in_its_live_line(terminal: Terminal) -> None:
    terminal.report.phase("prepare", ["web1"])
    terminal.report.start("web1", "x", "npm run build")
    terminal.report.progress("web1", "[3/70] bundling")
    terminal.waits_for(r"web1 . prepare › x › npm run build \| \[3/70\] bundling")
    terminal.report.start("web1", "x", "true")
    terminal.waits_for(r"web1 . prepare › x › true  ")
