"""The words of an error: its host before them, its next move behind them."""

from __future__ import annotations

import pytest

from hawser.errors import HawserError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HawserError("no key"), "no key"),
        (HawserError("no key", host="web1"), "web1: no key"),
        (HawserError("no key", next="fab trust"), "no key\n  next: fab trust"),
        (HawserError("no key;", next="fab trust"), "no key; next: fab trust"),
        (HawserError("two keys:\n  a\n  b", host="web1", next="choose"), "web1: two keys:\n  a\n  b\n  next: choose"),
    ],
)
def test_an_error_begins_with_its_host_and_ends_with_its_next_move(error: HawserError, text: str) -> None:
    assert str(error) == text
    assert error.without_host == text.removeprefix("web1: ")


def test_the_words_of_an_error_are_known_without_host_and_next_move() -> None:
    error = HawserError("no key;", code=2, host="web1", next="fab trust")
    assert (error.what, error.host, error.next, error.code) == ("no key", "web1", "fab trust", 2)
