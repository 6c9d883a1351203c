"""How parameters stand in nginx's configuration; that nginx reads them so is shown on hosts, in tests/hosts/formats."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable, nginx_string, nginx_word


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("plain", '"plain"'),
        ("a; b {} # c", '"a; b {} # c"'),
        ('say "hi"', r'"say \"hi\""'),
        ("it's", '"it\'s"'),
        ("\\d+\\", r'"\\d+\\"'),
        ("a\nb\r\tc", r'"a\nb\r\tc"'),
        ("Übermut 100%", '"Übermut 100%"'),
    ],
)
def test_a_string_is_quoted_as_nginx_reads_it(value: str, written: str) -> None:
    assert nginx_string(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("www.example.org", "www.example.org"),
        ("*.example.org", "*.example.org"),
        ("/srv/demo/static/", "/srv/demo/static/"),
        ("unix:/run/demo/web.sock", "unix:/run/demo/web.sock"),
        ("/srv/my app", '"/srv/my app"'),
        ("/srv/{x};", '"/srv/{x};"'),
    ],
)
def test_a_word_is_quoted_as_nginx_reads_it(value: str, written: str) -> None:
    assert nginx_word(value) == written


@pytest.mark.parametrize("write", [nginx_string, nginx_word])
@pytest.mark.parametrize(("value", "reason"), [("a$b", r"a \$"), ("ä" * 2047, "4095 bytes")])
def test_what_nginx_has_no_way_to_carry_is_refused(write: object, value: str, reason: str) -> None:
    assert callable(write)
    with pytest.raises(NotRepresentable, match=reason):
        write(value)


@pytest.mark.parametrize(("value", "reason"), [("", "empty"), ("a\nb", "control"), ("a\x7f", "control")])
def test_a_word_of_nginx_has_no_control_characters(value: str, reason: str) -> None:
    with pytest.raises(NotRepresentable, match=reason):
        nginx_word(value)
