"""The commits that go out, in words."""

from __future__ import annotations

import pytest

from hawser.answers.rows import Between
from hawser.fleet.outgoing import described


def told(brings: int, takes: int, *subjects: str) -> list[str]:
    return list(described(Between(brings=brings, takes=takes, subjects=list(subjects))))


@pytest.mark.parametrize(
    ("brings", "takes", "words"),
    [
        (1, 0, "1 commit goes out"),
        (12, 0, "12 commits go out"),
        (0, 1, "1 commit is taken back"),
        (2, 3, "2 commits go out, 3 commits are taken back"),
    ],
)
def test_commits_are_counted_in_words(brings: int, takes: int, words: str) -> None:
    assert told(brings, takes)[0] == words


def test_ten_subjects_are_told_and_the_others_are_counted() -> None:
    lines = told(14, 0, *(f"change {number}" for number in range(12)))
    assert lines[1] == "| change 0" and lines[10] == "| change 9" and lines[11:] == ["and 4 more"]


def test_a_long_subject_is_cut() -> None:
    assert len(told(1, 0, "x" * 5000)[1]) <= 102


def test_commits_that_nobody_knows_are_not_told() -> None:
    assert not described(None)
