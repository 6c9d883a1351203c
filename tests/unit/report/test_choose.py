"""Which report a run gets."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from hawser.errors import HawserError
from hawser.report import make_report
from hawser.report.events import Event


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "kind"),
    [
        (Tty(), {"TERM": "xterm"}, "TerminalReport"),
        (Tty(), {"TERM": "dumb"}, "PlainReport"),
        (Tty(), {}, "PlainReport"),
        (io.StringIO(), {"TERM": "xterm"}, "PlainReport"),
        (io.StringIO(), {"TERM": "xterm", "HAWSER_OUTPUT": ""}, "PlainReport"),
        (Tty(), {"TERM": "xterm", "HAWSER_OUTPUT": "plain"}, "PlainReport"),
        (Tty(), {"TERM": "xterm", "HAWSER_OUTPUT": "json"}, "JsonReport"),
        (io.StringIO(), {"HAWSER_OUTPUT": "terminal"}, "TerminalReport"),
    ],
)
def test_the_stream_and_a_variable_choose_the_kind_of_report(
    stream: io.StringIO, environ: dict[str, str], kind: str
) -> None:
    assert type(make_report(stream, environ)).__name__ == kind


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        HawserError, match=r"HAWSER_OUTPUT=jsno: .*terminal, plain, json.*did you mean json\?"
    ) as caught:
        make_report(io.StringIO(), {"HAWSER_OUTPUT": "jsno"})
    assert caught.value.code == 2


def test_a_variable_of_the_environment_asks_for_diffs() -> None:
    stream = io.StringIO()
    make_report(stream, {"HAWSER_DIFF": "1"}).event("web1", Event(0, "s", "l", "changed", diff="+new"))
    assert "    | +new\n" in stream.getvalue()


TALK = """
from hawser.report import make_report
report = make_report()
for number in range(3000):
    report.output("web1", "äöü 🚢 " + "x" * 100)
report.finish(True)
import sys
print("still here", file=sys.stderr)
"""


def test_a_run_outlives_the_reader_of_its_output() -> None:
    child = subprocess.Popen([sys.executable, "-c", TALK], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    said = child.stderr.read().decode()
    child.stderr.close()
    assert (child.wait(), said) == (0, "still here\n")


def test_a_stream_that_cannot_show_a_character_gets_an_escape() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, env=environ, check=True)
    assert done.stdout.startswith("web1 | äöü \\U0001f6a2 xxx".encode("latin-1"))
