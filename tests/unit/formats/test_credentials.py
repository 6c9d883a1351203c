"""How credentials stand in files of certbot's plugins; `tests/hosts/test_acme.py` has their own reader read them."""

from __future__ import annotations

import pytest

from hawser.formats import NotRepresentable, credentials_value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("abc=", '"abc="'),
        ("a, b # c", '"a, b # c"'),
        ("it's", '"it\'s"'),
        ('say "hi"', "'say \"hi\"'"),
        (" %s 100% $x \\ ", '" %s 100% $x \\ "'),
    ],
)
def test_a_credential_is_quoted_as_configobj_reads_it(value: str, written: str) -> None:
    assert credentials_value(value) == written


@pytest.mark.parametrize(
    ("value", "why"),
    [("a\nb", "newline"), ("a\rb", "newline"), ("\0", "NUL"), ("\"'", "both"), ("a%(b)sc", "stands for another value")],
)
def test_what_configobj_would_read_as_something_else_is_refused(value: str, why: str) -> None:
    with pytest.raises(NotRepresentable, match=why):
        credentials_value(value)
