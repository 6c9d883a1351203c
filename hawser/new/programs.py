"""Programs of an application's own: their commands about its database, as click and typer declare them."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .project import Project
from .reads import dotted

_DATABASE = ("db", "database", "migrations", "alembic")
_UPGRADES = re.compile(r"upgrade|migrate|upgrade[-_](db|database)|migrate[-_](db|database)|db[-_](upgrade|migrate)")


@dataclass(frozen=True)
class Command:
    """A command of a program.

    :param words: what is typed after the program's name.
    :param path: the file that declares it.
    """

    words: tuple[str, ...]
    path: str
    line: int


def commands_in(tree: ast.Module, path: str) -> Iterator[Command]:
    """Yield the commands that a module declares, each with the groups that it is in."""
    groups = dict(_groups(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for each in node.decorator_list:
                called = dotted(each.func) if isinstance(each, ast.Call) else ""
                owner, _, kind = called.rpartition(".")
                if isinstance(each, ast.Call) and kind == "command" and owner in groups:
                    name = _named(each) or node.name.replace("_", "-")
                    yield Command((*groups[owner], name), path, node.lineno)


def _groups(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names that stand for groups in a module, with the words that lead there; none lead to the program."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for each in node.decorator_list:
                called = dotted(each.func if isinstance(each, ast.Call) else each)
                if called == "click.group":
                    yield node.name, ()
                elif called.endswith(".group") and isinstance(each, ast.Call):
                    yield node.name, (_named(each) or node.name.replace("_", "-"),)
        made = dotted(node.value.func) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else ""
        if isinstance(node, ast.Assign) and made.rpartition(".")[2] in ("Typer", "AppGroup"):
            yield from ((each.id, ()) for each in node.targets if isinstance(each, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".add_typer") and node.args:
            name = _text(each.value for each in node.keywords if each.arg == "name")
            if name:
                yield dotted(node.args[0]), (name,)


def _named(call: ast.Call) -> str:
    return _text([*call.args[:1], *(each.value for each in call.keywords if each.arg == "name")])


def _text(given: Iterable[ast.expr]) -> str:
    return next((each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)), "")


def migration(project: Project) -> tuple[str, str]:
    """Return the command of an installed program that migrates the database, and its place; empty for none."""
    scripts = project.packages.project.get("project", {}).get("scripts", {})
    # Of requirements alone, nothing installs the application itself.
    if not isinstance(scripts, dict) or any(project.has(each) for each in ("requirements.lock", "requirements.txt")):
        return "", ""
    for name, target in scripts.items():
        module = str(target).partition(":")[0]
        ends = tuple(f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
        for path in project.python:
            tree = project.checkout.tree(path) if path.endswith(ends) else None
            for found in commands_in(tree, path) if tree else ():
                about = found.words[0] in _DATABASE and len(found.words) > 1
                # A bare `upgrade` may be about anything.
                plain = len(found.words) == 1 and found.words[0] != "upgrade"
                if (about or plain) and _UPGRADES.fullmatch(found.words[-1]):
                    return " ".join((name, *found.words)), f"{posixpath.normpath(path)}:{found.line}"
    return "", ""
