"""Commands that messages advise: each exists, and names an environment: a bare host may be another environment's."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser

from hawser import namespace
from hawser.inventory import Environment
from hawser.program import Program

PROJECT = Path(__file__).parents[2]
# Ends of expressions that stand for what is typed after -H: `Environment.target`, and the environment's own name.
TARGETS = re.compile(r"(.*\.)?(target(\(.*\))?|environment\.name|environment)", re.DOTALL)
# What repeats the words of whoever typed the command, or stands for names that only the reader knows.
TYPED = {"','.join(hosts.session.names)", "self.example_target()", "hosts"}
PLACEHOLDERS = {"HOSTS", "HOST", "demo", "ENV"}


def whole_text(text: ast.JoinedStr | ast.Constant) -> str:
    """Return a text of the code, each expression in braces."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
        for part in parts
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


def advised(text: ast.JoinedStr | ast.Constant) -> Iterator[str]:
    """Yield what a text of the code has after each `fab -H`, as an expression in braces where it is one."""
    whole = whole_text(text)
    # A brace of an expression may hold others.
    yield from (match[1] for match in re.finditer(r"fab (?:-\w )*-H ((?:\{(?:[^{}]|\{[^{}]*\})*\}|[^\s{}])+)", whole))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    yield from ((line, each) for line, node in said_by(path) for each in advised(node))


def said_by(path: Path) -> Iterator[tuple[int, ast.JoinedStr | ast.Constant]]:
    """Yield the texts of a module with their lines, without what documents it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inner = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if id(node) in documents or id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node.lineno, node


# What expressions in the place of tasks stand for; any other one stands for a word.
TASKS_SAID = {
    "{'issue' if acme and name == 'site' else 'install'}": "issue",
    "{self.command}": "deploy",
    "{task}": "bootstrap",
    "{tasks}": "bootstrap deploy",
    "{words}": "logs --only services",
}
EXPRESSION = re.compile(r"\{(?:[^{}]|\{[^{}]*\})*\}")
TYPED_LINE = re.compile(r"fab (?=(?:-\w )*-H )[^\n;,`]*")


def typed(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in a text of the code, and what the sentence says after it."""
    plain = EXPRESSION.sub(lambda found: TASKS_SAID.get(found[0], "812"), text)
    for found in TYPED_LINE.finditer(plain):
        line = found[0]
        # A command of the shell may hold what ends a sentence.
        if line.count('"') % 2:
            line += plain[found.end() :].partition('"')[0] + '"'
        yield shlex.split(line)[1:]


@cache
def parser() -> Parser:
    """Return what reads command lines as the program does."""
    return Parser(initial=Program().initial_context, contexts=namespace.to_contexts())


def command_of(words: list[str]) -> list[str]:
    """Return the words that are typed, without those of the sentence around them; none where nothing can be typed."""
    for length in range(len(words), 0, -1):
        try:
            found = parser().parse_argv(words[:length])
        except ParseError:
            continue
        return words[:length] if len(found) > 1 else []
    return []


def is_understood(words: list[str]) -> bool:
    """Tell whether a command exists, with all its options: what follows it is the rest of a sentence."""
    command = command_of(words)
    rest = words[len(command) :]
    return bool(command) and not (rest and (rest[0].startswith("-") or " " in rest[0]))


def test_every_command_that_a_message_advises_is_one_with_its_options():
    wrong, found = [], 0
    for folder in ("hawser", "tasks"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for line, node in said_by(path):
                for words in typed(whole_text(node)):
                    found += 1
                    # Of these only the reader knows the task.
                    if words[:2] != ["-H", "HOSTS"] and not (path.name == "program.py" or is_understood(words)):
                        wrong.append(f"{path.relative_to(PROJECT)}:{line}: fab {shlex.join(words)}")
    assert found > 90 and not wrong, "\n".join(["not understood:", *wrong])


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("f'fab -H {target} status; when it answers, again'", True),
        ("f'fab -H {target} run \"df -h; df -i\"; old releases go'", True),
        ("f'fab -H {target} deploy sends it'", True),
        ("f'fab -R -H {target} {task} shows what differs'", True),
        ("f'fab -H {target} logs --proces web'", False),
        ("f'fab -H {target} realeases.prune, when nothing keeps it'", False),
        ("f'fab -H {target} run'", False),
        ("f'fab -H {target} rollback --to'", False),
    ],
)
def test_a_command_is_told_from_the_sentence_around_it(text, true):
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.JoinedStr)
    assert [is_understood(each) for each in typed(whole_text(node))] == [true]


def names_an_environment(words: str) -> bool:
    if words in PLACEHOLDERS:
        return True
    if not (words.startswith("{") and words.endswith("}")):
        return False
    return bool(TARGETS.fullmatch(words[1:-1])) or words[1:-1] in TYPED


def test_every_command_that_a_message_advises_names_its_environment():
    bare, found = [], 0
    for folder in ("hawser", "tasks"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            for line, words in texts(path):
                found += 1
                if not names_an_environment(words):
                    bare.append(f"{path.relative_to(PROJECT)}:{line}: fab -H {words}")
    assert found > 70 and not bare, "\n".join(["say host.target, or environment.target(name):", *bare])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("f'fab -H {host.name} status'", False),
        ("f'fab -H {name} status'", False),
        ("f'fab -H web1 status'", False),
        ("'fab -H {host} status'", False),
        ("f'fab -H {host.target} status'", True),
        ("f'fab -H {fleet.environment.target(name)} status'", True),
        ("f'fab -R -H {host.environment.name} status'", True),
        ("'fab -H {target} status'", True),
    ],
)
def test_a_bare_host_is_found_in_a_text(text, named):
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.JoinedStr | ast.Constant)
    assert [names_an_environment(each) for each in advised(node)] == [named]


def test_a_target_is_typed_with_its_environment():
    environment = Environment.model_construct(name="demo")
    assert environment.target() == "demo"
    assert environment.target("web1", "web2") == "demo/web1,demo/web2"
