"""Commands that messages advise: each names an environment, for a bare host may be another environment's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser.inventory import Environment

PROJECT = Path(__file__).parents[2]
# Ends of expressions that stand for what is typed after -H: `Environment.target`, and the environment's own name.
TARGETS = re.compile(r"(.*\.)?(target(\(.*\))?|environment\.name|environment)", re.DOTALL)
# What repeats the words of whoever typed the command, or stands for names that only the reader knows.
TYPED = {"','.join(hosts.session.names)", "self.example_target()", "hosts"}
PLACEHOLDERS = {"HOSTS", "HOST", "demo", "ENV"}


def advised(text: ast.JoinedStr | ast.Constant) -> Iterator[str]:
    """Yield what a text of the code has after each `fab -H`, as an expression in braces where it is one."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    whole = "".join(
        str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
        for part in parts
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )
    # A brace of an expression may hold others.
    yield from (match[1] for match in re.finditer(r"fab (?:-\w )*-H ((?:\{(?:[^{}]|\{[^{}]*\})*\}|[^\s{}])+)", whole))


def texts(path: Path) -> Iterator[tuple[int, str]]:
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
            yield from ((node.lineno, each) for each in advised(node))


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
