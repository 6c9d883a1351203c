"""How arguments stand in Apache's configuration."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable, apache_word


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("/srv/shop/static", '"/srv/shop/static"'),
        ("/srv/a b/#c", '"/srv/a b/#c"'),
        ('say "hi"', r'"say \"hi\""'),
        ("^/a\\.b/(.*)$", r'"^/a\\.b/(.*)$"'),
        ("100% of $1", '"100% of $1"'),
    ],
)
def test_an_argument_is_quoted_as_apache_reads_it(value: str, written: str) -> None:
    assert apache_word(value) == written


@pytest.mark.parametrize(("value", "why"), [("a\nb", "control character"), ("\0", "NUL"), ("${HOME}", "variable")])
def test_what_apache_cannot_carry_is_refused(value: str, why: str) -> None:
    with pytest.raises(NotRepresentable, match=why):
        apache_word(value)
