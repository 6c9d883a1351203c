"""One look after the other in the same place of a terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.text import Text

from hawser.report import Marked
from hawser.report.screen import Screen
from hawser.report.stream import Sink

ENVIRON = {"TERM": "xterm-256color"}
MOVE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]|\r|\n|[^\x1b\r\n]+")


def left(text: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    rows, at = [""], 0
    for part in MOVE.finditer(text):
        if part[2] == "A":
            at = max(0, at - int(part[1] or 1))
        elif part[2] in ("K", "J"):
            rows[at] = ""
        elif part[0] == "\n":
            at += 1
            rows += [""] * (at + 1 - len(rows))
        elif part[0] != "\r" and part[2] is None and not part[0].startswith("\x1b"):
            rows[at] += part[0]
    return [row.rstrip() for row in rows if row.strip()]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "12")
    return io.StringIO()


def screen(stream: io.StringIO) -> Screen:
    return Screen(Sink(stream), "mysite: status", {**ENVIRON, "COLUMNS": "80", "LINES": "12"})


def test_a_look_stands_in_the_place_of_the_one_before(stream: io.StringIO) -> None:
    with screen(stream) as watched:
        for state in ("running", "failed"):
            look = watched.report()
            look.table("processes", ["host", "state"], [["web1", Marked.bad(state)], ["web2", "running"]])
            look.note("web1", f"it is {state}")
            watched.show(look, f"web1: {state}")
    shown = left(stream.getvalue())
    assert shown[0].startswith("mysite: status  ") and shown[0].endswith("Ctrl-C ends")
    assert sum("web1" in row for row in shown) == 3 and "web1: failed" in shown
    assert not [row for row in shown if "web1" in row and "running" in row]


def test_a_look_that_is_higher_than_the_terminal_is_cut_off_below(stream: io.StringIO) -> None:
    with screen(stream) as watched:
        look = watched.report()
        look.table("processes", ["host", "state"], [[f"web{number}", "running"] for number in range(50)])
        watched.show(look)
        # The last one stays whole, when nothing has to be drawn over it any more.
        drawn = left(stream.getvalue())
    assert len(drawn) <= 12 and any("web3" in row for row in drawn) and not any("web40" in row for row in drawn)


def test_words_of_hosts_move_nothing_on_the_screen_and_secrets_stay_masked(stream: io.StringIO) -> None:
    with screen(stream) as watched:
        look = watched.report()
        look.set_masks(["hunter2"])
        look.note("web1", "\x1b[2J\x1b[H hun\x1b[0mter2 \x07")
        watched.show(look)
    assert "hunter2" not in stream.getvalue() and "\x1b[2J" not in stream.getvalue() and "\x07" not in stream.getvalue()
    assert "********" in Text.from_ansi(stream.getvalue()).plain
