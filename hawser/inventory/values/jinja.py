"""Reads the Jinja2 in values without rendering it: is it well formed, and which names does it use?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from jinja2 import nodes

from hawser.templates.bounded import MISTAKES, mistake
from hawser.templates.bounded import Environment as Jinja
from hawser.templates.budget import budget

from ..base import InvalidValue

_jinja = Jinja()


@dataclass(frozen=True)
class References:
    """Names in a value: plain ones, and the constant arguments of ``secrets.…``, ``group(…)`` and ``login(…)``."""

    names: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    logins: frozenset[tuple[str, ...]] = frozenset()


def check_syntax(text: str) -> str:
    """Return `text`; raise :class:`InvalidValue` when Jinja2 cannot read it."""
    references(text)
    return text


def check_expression(text: str) -> str:
    """Return `text`; raise :class:`InvalidValue` when it is no expression of Jinja2."""
    if "{{" in text or "{%" in text:
        raise InvalidValue("is an expression already", "write it without {{ and }}")
    try:
        with budget:
            _jinja.compile_expression(text)
    except MISTAKES as error:
        raise InvalidValue(f"Jinja2 cannot read it: {mistake(error)}") from None
    return text


@lru_cache(maxsize=2048)
def references(text: str) -> References:
    """Return the names that `text` uses; raise :class:`InvalidValue` when Jinja2 cannot read it."""
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return References()
    try:
        tree = _jinja.parse(text)
        return References(
            frozenset(name.name for name in tree.find_all(nodes.Name)),
            frozenset(_members(tree, "secrets")),
            frozenset(first for first, *_rest in _arguments(tree, "group")),
            frozenset(_arguments(tree, "login")),
        )
    except MISTAKES as error:
        message = f"Jinja2 cannot read it: {mistake(error)}"
        raise InvalidValue(
            message, "text that must keep its {{, {% or {# goes between {% raw %} and {% endraw %}"
        ) from None


def _members(tree: nodes.Template, name: str) -> set[str]:
    found: set[str] = set()
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name == name:
            found.add(attribute.attr)
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and item.node.name == name and isinstance(item.arg, nodes.Const):
            found.add(str(item.arg.value))
    return found


def _arguments(tree: nodes.Template, function: str) -> set[tuple[str, ...]]:
    return {
        tuple(str(each.value) for each in call.args if isinstance(each, nodes.Const))
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name)
        and call.node.name == function
        and call.args
        and isinstance(call.args[0], nodes.Const)
    }
