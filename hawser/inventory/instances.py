"""Several instances of one application: an entry that is written once for all of them becomes one for each.

``[instances.NAME]`` names an instance and gives it values of its own. An entry of a table whose name says
``{{ instance.name }}``, or another value of the instance, stands there once for each of them, and so does an item of a
list that says so anywhere. All of this happens while the file is read, so that nothing else needs to know of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TypeGuard

import jinja2
from jinja2 import meta, nodes
from pydantic.fields import FieldInfo

from hawser.templates.bounded import MISTAKES
from hawser.templates.bounded import Environment as Jinja
from hawser.templates.budget import budget

from .base import Loc, SettingError, did_you_mean
from .documents import Table, merge
from .lookup import keys_of, model_at, plain
from .schema import Environment

_jinja = Jinja(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
_HERE = "instance"
# Variables are rendered for each instance where they are used: they need no entry for each.
_RENDERED_LATER: Loc = ("env", "variables")


@dataclass
class Expansion:
    """An environment file's tables, with one entry for each instance.

    :param origins: where parts of these tables stand in the file, for all that stand elsewhere.
    """

    table: Table
    origins: dict[Loc, Loc] = field(default_factory=dict)
    findings: list[SettingError] = field(default_factory=list)

    def written(self, loc: Loc) -> Loc:
        """Return where in the file that was written which stands at `loc` now."""
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.origins:
                return (*self.origins[loc[:length]], *loc[length:])
        return loc


def expand(table: Table) -> Expansion:
    """Return the tables of a file with one entry for each instance where it says `instance`."""
    instances = table.get("instances", {})
    known = {name: values for name, values in _items(instances) if isinstance(values, dict)}
    expander = _Expander(known)
    expanded = expander.table({key: value for key, value in table.items() if key != "instances"}, (), (), "")
    if "instances" in table:
        expanded["instances"] = instances
    return Expansion(expanded, expander.origins, expander.findings)


def _items(table: object) -> Iterator[tuple[str, object]]:
    if isinstance(table, Mapping):
        yield from table.items()


class _Expander:
    """Walks through tables: `at` is where something stands in the result, `written` where in the file."""

    def __init__(self, instances: Mapping[str, Table]) -> None:
        self.instances = instances
        self.origins: dict[Loc, Loc] = {}
        self.findings: list[SettingError] = []

    def value(self, value: object, at: Loc, written: Loc, bound: str) -> object:
        """Return a value as it is for the instance `bound`; an empty one stands for none."""
        if isinstance(value, dict):
            return self.table(value, at, written, bound)
        if isinstance(value, list):
            return self.items(value, at, written, bound)
        if isinstance(value, str) and _takes(at) is tuple:
            self.origins[*at, 0] = written  # a single text stands for a list of one
        if not mentions(value):
            return value
        if bound:
            return self.bind(value, at, written, bound)
        if _takes(at) is tuple:
            return self.items([value], at, written, bound, items_are_written=False)
        if written[:2] != _RENDERED_LATER:
            hint = 'say it in the name, as in [processes."web-{{ instance.name }}"]'
            if "instance" in _keys_at(at[:-1]):
                hint += f', or add {_HERE} = "…"'
            self.findings.append(SettingError(written, "speaks of an instance, and nothing says of which one", hint))
        elif not self.instances:
            self.none(written)
        return value

    def table(self, table: Table, at: Loc, written: Loc, bound: str) -> Table:
        if not bound and "instance" in _keys_at(at) and table.get(_HERE) in self.instances:
            bound = str(table[_HERE])
        found: dict[str, tuple[object, str, Loc]] = {}
        for key, value in table.items():
            if not mentions(key):
                continue
            for name in self.names(bound, (*written, key)):
                own = str(self.bind(key, (*at, key), (*written, key), name))
                if mentions(own):
                    break  # the mistake has been told
                if own in found:
                    message = f"is {own} for more than one instance"
                    self.findings.append(SettingError((*written, key), message, "use {{ instance.name }}"))
                found[own] = (value, name, (*written, key))
        result: Table = {}
        for key, value in table.items():
            if key not in found and not mentions(key):
                result[key] = self.value(value, (*at, key), (*written, key), bound)
            for own, (each, name, place) in found.items():
                if own not in result and (place[-1] == key or own == key):
                    result[own] = self.entry(each, table.get(own), (*at, own), (place, (*written, own)), name)
        return result

    def entry(self, value: object, special: object, at: Loc, written: tuple[Loc, Loc], name: str) -> object:
        """Return the entry of one instance.

        :param special: what the file says of this one besides; it wins.
        :param written: where the entry for all of them stands, and where that for this one.
        """
        self.origins[at] = written[0]
        if isinstance(value, dict) and isinstance(special, dict):
            value = merge(value, special)
            self.origins.update({(*at, key): (*written[1], key) for key in special})
        elif special is not None:
            value, self.origins[at] = special, written[1]
        return self.belonging(self.value(value, at, self.origins[at], name), at, name)

    def items(
        self, items: list[object], at: Loc, written: Loc, bound: str, items_are_written: bool = True
    ) -> list[object]:
        result: list[object] = []
        for position, item in enumerate(items):
            place = (*written, position) if items_are_written else written
            own = isinstance(item, dict) and item.get(_HERE) in self.instances
            each = not bound and not own and any(map(mentions, _texts(item)))
            for name in self.names("", place) if each else [bound]:
                here = (*at, len(result))
                if here != place:
                    self.origins[here] = place
                value = self.value(item, here, place, name)
                result.append(self.belonging(value, here, name) if each else value)
        return result

    def belonging(self, value: object, at: Loc, name: str) -> object:
        """Add to an entry that can carry it the name of its instance."""
        if isinstance(value, dict) and "instance" in _keys_at(at):
            return {_HERE: name, **value}
        return value

    def names(self, bound: str, written: Loc) -> list[str]:
        """Return the instances for which something stands."""
        if bound:
            return [bound]
        if not self.instances:
            self.none(written)
        return list(self.instances)

    def none(self, written: Loc) -> None:
        needs = frozenset({"instances"})
        self.findings.append(
            SettingError(written, "speaks of instances, and there is none", "add [instances.NAME]", needs)
        )

    def bind(self, text: str, at: Loc, written: Loc, name: str) -> object:
        """Return a text with the values of one instance.

        One that uses nothing else is rendered. In another one, ``instance`` becomes ``instances['NAME']``, for later.
        """
        values = {**self.instances[name], "name": name}
        tree = _jinja.parse(text)
        used = [node for node in tree.find_all(nodes.Name) if node.name == _HERE]
        gets = [
            node
            for node in tree.find_all(nodes.Getattr)
            if isinstance(node.node, nodes.Name) and node.node.name == _HERE
        ]
        for attribute in dict.fromkeys(node.attr for node in gets):
            if attribute not in values:
                hint = did_you_mean(attribute, values, f"values: {', '.join(values)}")
                message = f"the instance {name} has no value {attribute!r}"
                self.findings.append(SettingError(written, message, hint, frozenset({"instances"})))
                return text
        if len(gets) < len(used):
            self.findings.append(SettingError(written, "says instance alone", "as in {{ instance.name }}"))
            return text
        if meta.find_undeclared_variables(tree) == {_HERE}:
            if _takes(at) in (int, bool, tuple) and len(gets) == 1 and _is_one_value(tree):
                return values[gets[0].attr]
            try:
                with budget:
                    rendered = _jinja.from_string(text).render(instance=SimpleNamespace(**values))
            except MISTAKES:
                rendered = "{{"  # a filter that is known later, or a mistake that is told then
            if not any(mark in rendered for mark in ("{{", "{%", "{#")):
                return rendered
        return _with_name(text, name)


def mentions(text: object) -> TypeGuard[str]:
    """Tell whether a text speaks of the instance that it is for."""
    if not isinstance(text, str) or _HERE not in text or "{" not in text:
        return False
    try:
        return _HERE in meta.find_undeclared_variables(_jinja.parse(text))
    except MISTAKES:
        return False  # told where the value is checked


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _with_name(text: str, name: str) -> str:
    """Return `text` with ``instances['NAME']`` in place of ``instance``."""
    words, before = [], ""
    for _line, kind, word in _jinja.lex(text):
        if kind == "name" and word == _HERE and before != ".":
            word = f"instances['{name}']"
        words.append(word)
        before = word if kind != "whitespace" else before
    return "".join(words)


def _is_one_value(tree: nodes.Template) -> bool:
    """Tell whether a text is ``{{ instance.X }}`` and nothing else."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Getattr(node=nodes.Name())])]:
            return True
    return False


def _keys_at(loc: Loc) -> Mapping[str, FieldInfo]:
    model = model_at(Environment, loc)
    return keys_of(model) if model else {}


def _takes(loc: Loc) -> object:
    """Return the type that the schema wants at a place."""
    if not loc:
        return None
    found = _keys_at(loc[:-1]).get(str(loc[-1]))
    bare = plain(found.annotation) if found else None
    return getattr(bare, "__origin__", bare)
