"""What a person may write after --since."""

from __future__ import annotations

import time

import pytest

from hawser.errors import HawserError
from hawser.tasks.logs import moment

NOON = time.mktime((2026, 3, 5, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("text", "ago"),
    [("30s", 30), ("10min", 600), ("10 min", 600), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1w", 604800)],
)
def test_since_may_say_how_long_ago(text, ago):
    assert moment(text, NOON) == NOON - ago


@pytest.mark.parametrize(
    ("text", "ago"),
    [("11:30", 1800), ("11:59:30", 30), ("2026-03-05", 43200), ("2026-03-04 12:00", 86400), ("2026-03-05T11:00", 3600)],
)
def test_since_may_be_a_time_or_a_date(text, ago):
    assert moment(text, NOON) == NOON - ago


@pytest.mark.parametrize("text", ["yesterday", "10 apples", "25:99", ""])
def test_since_refuses_anything_else_and_says_what_to_write(text):
    with pytest.raises(HawserError, match="write 10min"):
        moment(text or "x", NOON)
