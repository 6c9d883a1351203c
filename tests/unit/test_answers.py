"""What an answer of a host may be, and what it costs to look."""

from __future__ import annotations

from typing import Any

import pytest

from hawser.answers import kinds, reading

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("looks.rooms", {"paths": ["/", "/srv"]}),
    ("looks.reach", {"places": ["127.0.0.1 5432"]}),
    ("survey.health", {"checks": [{"name": "web"}]}),
    ("migrations.plans", {"questions": [{"env": {"HAWSER_DATABASE": "shop"}}, {"plain": True}]}),
    ("ports.listening", {}),
]


@pytest.mark.parametrize(("function", "arguments"), QUESTIONS, ids=[function for function, _arguments in QUESTIONS])
def test_the_check_of_an_answer_is_made_at_the_first_question_alone(function: str, arguments: dict[str, Any]) -> None:
    made = [kinds.adapter(reading.expected(function, arguments)) for _question in range(2)]
    assert made[0] is made[1]


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        ("looks.rooms", {"paths": ["/"]}, [{"path": "/etc"}]),
        ("looks.reach", {"places": ["127.0.0.1 5432"]}, {"10.0.0.1 22": ""}),
        ("survey.health", {"checks": [{"name": "web"}]}, {"web": "ok", "other": "ok"}),
    ],
)
def test_an_answer_about_something_else_is_none(function: str, arguments: dict[str, Any], answer: Any) -> None:
    assert not reading.is_about(function, arguments, answer)
    assert reading.is_about(function, arguments, type(answer)())
