"""Questions about migrations are put to a release, and their answers told from its chatter."""

from __future__ import annotations

import getpass

import pytest

from hawser.runner.code.migrations import MARK, plans
from hawser.runner.system import System


@pytest.fixture
def ask(tmp_path):
    def ask(script, **more):
        question = {"argv": ["sh", "-c", script], "user": getpass.getuser(), "cwd": str(tmp_path), **more}
        return plans(System(str(tmp_path)), [question])[0]

    return ask


def test_the_answer_is_found_among_what_the_application_says(ask):
    said = f"echo 5 objects imported automatically; echo '{MARK}{{\"pending\": []}}'; echo bye; echo oh >&2"
    assert ask(said) == {"pending": []}


def test_a_plain_question_is_answered_with_lines(ask):
    assert ask("echo ' a1 -> b2 '; echo; echo INFO >&2", plain=True) == {"lines": ["a1 -> b2"]}


def test_a_plan_that_fails_is_told_with_its_output(ask):
    answer = ask("echo no database >&2; exit 3")
    assert "exited with 3" in answer["error"] and "no database" in answer["output"]


@pytest.mark.parametrize(
    ("said", "crashed"),
    [
        ("Traceback (most recent call last):\nImportError: no module", True),
        ("usage: manage.py [-h] {run}\nmanage.py: error: argument command: invalid choice", False),
        ("Error: No such command 'db'.", False),
        ("Unknown command: 'shell'", False),
    ],
)
def test_a_release_that_fails_is_told_from_a_program_that_does_not_know_the_question(ask, said, crashed):
    assert ask(f'printf %s "{said}" >&2; exit 1')["crashed"] is crashed
    assert ask(f'printf %s "{said}" >&2; exit 1', plain=True)["crashed"]


def test_the_words_of_a_program_that_the_answering_one_ran_come_with_its_answer(ask):
    said = f"""echo oh no >&2; echo '{MARK}{{"error": "`flask db current` exited with 1", "crashed": true}}'"""
    assert ask(said)["output"] == "oh no\n"


def test_a_plan_that_says_nothing_useful_is_no_answer(ask):
    assert ask("echo hello")["error"] == "it gives no answer"
    assert ask(f"echo '{MARK}{{'")["error"] == "it gives no answer"
    assert ask(f"echo '{MARK}[1]'")["error"] == "it gives no answer"
    deep = f"printf '{MARK}'; head -c 200000 /dev/zero | tr '\\0' '['; echo"
    assert ask(deep)["error"] == "it gives no answer"


@pytest.mark.parametrize("plain", [True, False])
def test_an_answer_that_is_too_long_to_be_passed_on_is_none(ask, plain):
    said = f"printf '%s' '{MARK}{{\"pending\": ['; yes '\"x\",' | head -n 2000000 | tr -d '\\n'; echo '1]}}'"
    told = ask("yes a | head -n 2000000" if plain else said, plain=plain)
    assert told["error"] == "its answer is too long" and len(told["output"]) < 1 << 17


def test_variables_reach_the_program_that_tells_the_plan(ask):
    assert ask("echo $HAWSER_DATABASE", plain=True, env={"HAWSER_DATABASE": "stats"}) == {"lines": ["stats"]}


@pytest.mark.parametrize("said", ["error: unrecognized arguments: -c ", "manage.py: error: no such option: -c"])
def test_a_django_before_1_10_is_asked_in_another_way(ask, said):
    other = ["sh", "-c", f"echo '{MARK}{{\"pending\": []}}'"]
    assert ask(f"echo '{said}' >&2; exit 2", otherwise=other) == {"pending": []}
    assert "exited with 2" in ask("echo broken >&2; exit 2", otherwise=other)["error"]
    assert "exited with 2" in ask(f"echo '{said}' >&2; exit 2")["error"]
