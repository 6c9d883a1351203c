"""How tokens stand in Caddy's configuration."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable
from hawser.formats.caddy import caddy_word


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", "``"),
        ("/srv/shop/static", "`/srv/shop/static`"),
        ("/srv/a b/#c", "`/srv/a b/#c`"),
        ('say "hi"\\', '`say "hi"\\`'),
        ("100% of $1", "`100% of $1`"),
        ('`a` "b"', r'"`a` \"b\""'),
    ],
)
def test_a_token_is_quoted_as_caddy_reads_it(value: str, written: str) -> None:
    assert caddy_word(value) == written


@pytest.mark.parametrize(
    ("value", "why"),
    [("a\nb", "control character"), ("\0", "NUL"), ("{$HOME}", "placeholder"), ("`\\", "backquote and a backslash")],
)
def test_what_caddy_cannot_carry_is_refused(value: str, why: str) -> None:
    with pytest.raises(NotRepresentable, match=why):
        caddy_word(value)
