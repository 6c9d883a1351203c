"""Output that is passed on while a program runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.runner.processes import stream
from hawser.runner.processes.stream import Lines
from hawser.runner.system import System


class Told:
    """What was passed on, piece by piece."""

    def __init__(self, *masks):
        system = System("/nowhere")
        system.masks = masks
        self.pieces = []
        self.lines = Lines(system, lambda name, text: self.pieces.append((name, text)))

    def add(self, *parts, name="out"):
        for part in parts:
            self.lines.add(name, part if isinstance(part, bytes) else part.encode())

    def text(self):
        return "".join(text for _name, text in self.pieces)


def test_lines_are_passed_on_whole():
    told = Told()
    told.add("one\ntw", "o\nthr")
    assert told.pieces == [("out", "one\n"), ("out", "two\n")]
    told.lines.close()
    assert told.pieces[-1] == ("out", "thr")


def test_both_streams_of_a_program_have_lines_of_their_own():
    told = Told()
    told.add("a")
    told.add("b\n", name="err")
    told.add("c\n")
    assert told.pieces == [("err", "b\n"), ("out", "ac\n")]


def test_a_secret_in_two_pieces_is_masked():
    told = Told("sesame")
    told.add("open ses", "ame\n")
    assert told.text() == "open ********\n"


def test_a_character_in_two_pieces_arrives_whole():
    told = Told()
    told.add(b"\xc3", b"\xa4\n")
    assert told.text() == "ä\n"


def test_bytes_that_are_no_text_do_no_harm():
    told = Told()
    told.add(b"\xff\n")
    assert told.text() == "\ufffd\n"


class TestALineThatDoesNotEnd:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(stream, "LONGEST_LINE", 30)

    def test_a_line_that_does_not_end_is_passed_on_in_parts(self):
        told = Told()
        told.add("x" * 31)
        assert told.text() == "x" * 27
        told.lines.close()
        assert told.text() == "x" * 31

    def test_no_part_of_a_line_ends_inside_of_a_character(self):
        told = Told("ss")
        told.add("ä" * 40, b"\n")
        assert told.text() == "ä" * 40 + "\n"

    @given(
        text=st.text(alphabet="abä", min_size=20, max_size=200),
        secrets=st.lists(st.text(alphabet="abä", min_size=2, max_size=12), min_size=1, max_size=3),
        size=st.integers(1, 40),
    )
    def test_every_secret_is_masked_wherever_a_line_is_parted(self, text, secrets, size):
        told = Told(*secrets)
        data = text.encode()
        told.add(*(data[start : start + size] for start in range(0, len(data), size)))
        told.lines.close()
        assert told.text() == told.lines.system.mask(text)
