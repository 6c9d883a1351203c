"""The values of a module's names, worked out from its text: paths, lists, variables; no code runs."""

from __future__ import annotations

import ast
import operator
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .checkout import Checkout
from .reads import Read, dotted, read_by, readers_of, scheme_of

# The checkout's top folder in paths that code computes from its own place.
TOP = "/\x00checkout"
DEEPEST = 6
# Steps of one evaluation: settings have some thousand.
MOST_STEPS = 200_000


class Unknown:
    """What cannot be worked out."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class FromVariable:
    """A value that a variable of the environment decides.

    :param value: what it is when the variable is not set.
    :param direct: the value is the variable's own, not a part of something longer.
    """

    read: Read
    value: Any
    direct: bool = True
    separator: str = ""


@dataclass(frozen=True)
class Alternative:
    """A value that a name gets under a condition about a variable.

    :param equals: the text that the variable has then; empty where it only has to be set.
    """

    read: Read
    equals: str
    value: Any


def plain(value: Any) -> Any:
    """Return a value as it is when no variable is set."""
    if isinstance(value, FromVariable):
        return plain(value.value)
    return value


class Module:
    """A module whose names are worked out.

    :ivar names: {name: value}; what cannot be worked out is UNKNOWN.
    :ivar lines: {name: line of the last assignment}, with its file.
    :ivar alternatives: {name: values that it gets where a variable says so}.
    :ivar needed: {variable: where it is read}, of those that are read when no other is set.
    :ivar fed: {name: the variable that it was first given}, whatever it became afterwards.
    """

    def __init__(self, checkout: Checkout, path: str, base: str = "", depth: int = 0) -> None:
        self.checkout, self.path, self.base, self.depth = checkout, path, base, depth
        self.names: dict[str, Any] = {}
        self.lines: dict[str, str] = {}
        self.alternatives: dict[str, list[Alternative]] = {}
        self.fed: dict[str, FromVariable] = {}
        self.needed: dict[str, Read] = {}
        self.steps = 0
        tree = checkout.tree(path)
        self.readers = readers_of(tree) if tree else frozenset()
        self.scheme: dict[str, object] = scheme_of(tree) if tree else {}
        if tree is not None and depth < DEEPEST:
            self.run(tree.body)

    def run(self, body: list[ast.stmt]) -> None:
        """Work out statements, one after the other."""
        for each in body:
            self.steps += 1
            if self.steps > MOST_STEPS:
                return
            try:
                self.statement(each)
            except (RecursionError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
                continue

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self.assign(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.assign(node.target, node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.store(node.target.id, _added(self.names.get(node.target.id, UNKNOWN), self.of(node.value)), node)
        elif isinstance(node, ast.If):
            self.branch(node)
        elif isinstance(node, ast.Try):
            self.run([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            self.run(node.body)
        elif isinstance(node, ast.ImportFrom):
            self.import_from(node)
        elif isinstance(node, ast.Import):
            pass
        elif isinstance(node, ast.FunctionDef):
            self.names[node.name] = node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.changed(node.value)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.store(target.id, self.of(value), target)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name | ast.Subscript):
            table, key = self.of(target.value), plain(self.of(target.slice))
            if isinstance(table, dict) and isinstance(key, str):
                table[key] = self.of(value)

    def store(self, name: str, value: Any, node: ast.stmt | ast.expr) -> None:
        self.names[name] = value
        self.lines[name] = f"{self.path}:{node.lineno}"
        if isinstance(value, FromVariable) and value.direct:
            self.fed.setdefault(name, value)

    def changed(self, node: ast.Call) -> None:
        """Follow `LIST.append(…)` and the like; note what any other call is given of variables."""
        for argument in (*node.args, *(each.value for each in node.keywords)):
            self.of(argument)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.args:
            found, value = self.names.get(node.func.value.id), self.of(node.args[0])
            if isinstance(found, list):
                self.names[node.func.value.id] = found + (value if isinstance(value, list) else [value])

    def import_from(self, node: ast.ImportFrom) -> None:
        path = self.checkout.module(self.absolute(node), self.base)
        # `from . import base` names modules.
        if not path or path == self.path:
            return
        module = Module(self.checkout, path, self.base, self.depth + 1)
        for each in node.names:
            if each.name == "*":
                self.names |= {name: value for name, value in module.names.items() if not name.startswith("_")}
                self.lines |= module.lines
                self.alternatives |= module.alternatives
                self.fed |= module.fed
                self.needed |= module.needed
                self.readers |= module.readers
                self.scheme |= module.scheme
            elif each.name in module.names:
                name = each.asname or each.name
                self.names[name] = module.names[each.name]
                self.lines[name] = module.lines.get(each.name, path)
            elif each.name in module.readers:
                self.readers |= {each.asname or each.name}
                self.scheme |= module.scheme

    def absolute(self, node: ast.ImportFrom) -> str:
        """Return the whole name of the module that an import means."""
        if not node.level:
            return node.module or ""
        inside = posixpath.relpath(self.path, self.base or ".").removesuffix(".py").split("/")
        package = inside[: len(inside) - node.level]
        return ".".join([*package, *((node.module or "").split(".") if node.module else [])])

    def branch(self, node: ast.If) -> None:
        test = self.of(node.test)
        taken, other = (node.body, node.orelse) if _true(test) else (node.orelse, node.body)
        if isinstance(test, FromVariable):
            self.note_alternatives(node, test, other)
        self.run(taken)

    def note_alternatives(self, node: ast.If, test: FromVariable, other: list[ast.stmt]) -> None:
        """Remember what names would be, were the variable of a condition another."""
        before = dict(self.names), dict(self.lines)
        needed = dict(self.needed)
        self.run(other)
        for name, value in self.names.items():
            if value is not before[0].get(name) and (name.isupper() or isinstance(value, dict)):
                equals = _compared(node.test) if other is node.body else ""
                self.alternatives.setdefault(name, []).append(Alternative(test.read, equals, value))
        self.names, self.lines = before
        self.needed = needed

    def of(self, node: ast.AST | None) -> Any:
        """Return the value of an expression."""
        self.steps += 1
        if node is None or self.steps > MOST_STEPS:
            return UNKNOWN
        read = read_by(node, self.readers, self.path)
        if read is not None:
            return self.variable(node, read)
        work = _EXPRESSIONS.get(type(node))
        return work(self, node) if work else UNKNOWN

    def variable(self, node: ast.AST, read: Read) -> FromVariable:
        if read.name not in self.scheme:
            self.needed.setdefault(read.name, read)
        given = [each.value for each in node.keywords if each.arg == "default"] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Call) and len(node.args) > 1:
            given.append(node.args[1])
        if not given and read.name in self.scheme:
            read = replace(read, default=self.scheme[read.name], required=False)
            return FromVariable(read, read.default, separator="," if read.kind == "list" else "")
        value = self.of(given[0]) if given else None
        return FromVariable(read, value, separator="," if read.kind in ("list", "tuple", "csv") else "")

    def call(self, node: ast.Call) -> Any:
        name = dotted(node.func)
        last = name.rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
        values = [self.of(each) for each in node.args if not isinstance(each, ast.Starred)]
        if name in ("os.path.join", "path.join", "join", "posixpath.join"):
            return _joined(values)
        if name in ("os.path.dirname", "path.dirname", "dirname"):
            return _mapped(values[0], lambda text: posixpath.dirname(text))
        if last in ("abspath", "realpath", "normpath", "Path", "PurePath", "str", "PosixPath") and values:
            return _joined(values) if len(values) > 1 else values[0]
        if name in ("bool", "int", "float", "strtobool", "list", "tuple", "filter", "json.loads") and values:
            return values[-1]
        if name == "dict":
            return {each.arg: self.of(each.value) for each in node.keywords if each.arg}
        if isinstance(node.func, ast.Attribute):
            return self.method(node, last, values)
        if isinstance(self.names.get(name), ast.FunctionDef):
            return self.own_function(node, self.names[name], values)
        return UNKNOWN

    def method(self, node: ast.Call, name: str, values: list[Any]) -> Any:
        assert isinstance(node.func, ast.Attribute)
        owner = self.of(node.func.value)
        if name in (
            "resolve",
            "absolute",
            "as_posix",
            "expanduser",
            "strip",
            "lower",
            "upper",
            "removesuffix",
            "rstrip",
        ):
            return owner
        if name == "joinpath":
            return _joined([owner, *values])
        if name == "split" and isinstance(owner, FromVariable):
            separator = plain(values[0]) if values else " "
            text = plain(owner)
            parts = text.split(separator or None) if isinstance(text, str) else []
            return FromVariable(owner.read, parts, owner.direct, separator if isinstance(separator, str) else " ")
        if name in ("startswith", "endswith") and isinstance(owner, FromVariable):
            return FromVariable(owner.read, False, direct=False)
        if name == "get" and isinstance(owner, dict) and values:
            return owner.get(plain(values[0]), values[1] if len(values) > 1 else None)
        return UNKNOWN

    def own_function(self, node: ast.Call, function: ast.FunctionDef, values: list[Any]) -> Any:
        """Return what a helper reads whose first argument is the name of a variable."""
        text = plain(values[0]) if values else None
        if isinstance(text, str) and text.isupper() and text.replace("_", "").isalnum():
            default = values[1] if len(values) > 1 else None
            read = Read(text, plain(default), False, f"{self.path}:{node.lineno}")
            return FromVariable(read, default)
        return values[0] if len(values) == 1 and isinstance(values[0], FromVariable) else UNKNOWN


def _true(value: Any) -> bool:
    value = plain(value)
    return bool(value) and value is not UNKNOWN and str(value).lower() not in ("false", "0", "no", "off")


def _compared(test: ast.expr) -> str:
    """Return the text that a condition compares a variable with."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.In):
        found = [each.value for each in ast.walk(test.comparators[0]) if isinstance(each, ast.Constant)]
        return (
            str(found[0])
            if found and isinstance(test.ops[0], ast.Eq | ast.In) and isinstance(found[0], str | bool)
            else ""
        )
    return ""


def _joined(values: list[Any]) -> Any:
    texts = [plain(each) for each in values]
    if not texts or not all(isinstance(each, str) for each in texts):
        return UNKNOWN
    joined = posixpath.normpath(posixpath.join(*texts))
    last = values[-1]
    return FromVariable(last.read, joined, direct=False) if isinstance(last, FromVariable) else joined


def _mapped(value: Any, function: Callable[[str], str]) -> Any:
    text = plain(value)
    return function(text) if isinstance(text, str) else UNKNOWN


def _added(left: Any, right: Any) -> Any:
    one, two = plain(left), plain(right)
    for kind in (str, list):
        if isinstance(one, kind) and isinstance(two, kind):
            both = operator.add(one, two)
            read = left if isinstance(left, FromVariable) else right
            if isinstance(read, FromVariable):
                return FromVariable(read.read, both, direct=False)
            return both
    return left if isinstance(left, list) else UNKNOWN


def _name(module: Module, node: ast.Name) -> Any:
    if node.id == "__file__":
        return f"{TOP}/{module.path}"
    return module.names.get(node.id, UNKNOWN)


def _attribute(module: Module, node: ast.Attribute) -> Any:
    if node.attr == "parent":
        return _mapped(module.of(node.value), posixpath.dirname)
    return UNKNOWN


def _subscript(module: Module, node: ast.Subscript) -> Any:
    if isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
        number, found = plain(module.of(node.slice)), plain(module.of(node.value.value))
        for _level in range(number + 1 if isinstance(number, int) and 0 <= number < 20 else 0):
            found = posixpath.dirname(found)
        return found
    table, key = module.of(node.value), plain(module.of(node.slice))
    return table.get(key, UNKNOWN) if isinstance(table, dict) and isinstance(key, str) else UNKNOWN


def _binary(module: Module, node: ast.BinOp) -> Any:
    left, right = module.of(node.left), module.of(node.right)
    if isinstance(node.op, ast.Div):
        return _joined([left, right])
    return _added(left, right) if isinstance(node.op, ast.Add) else UNKNOWN


def _boolean(module: Module, node: ast.BoolOp) -> Any:
    values = [module.of(each) for each in node.values]
    read = next((each for each in values if isinstance(each, FromVariable)), None)
    if isinstance(node.op, ast.Or):
        found = next((each for each in values if _true(each)), values[-1])
    else:
        found = next((each for each in values if not _true(each)), values[-1])
    if read is None or isinstance(found, FromVariable):
        return found
    return FromVariable(read.read, found, direct=isinstance(node.op, ast.Or), separator=read.separator)


def _compare(module: Module, node: ast.Compare) -> Any:
    left, right = module.of(node.left), module.of(node.comparators[0])
    if isinstance(node.ops[0], ast.In | ast.NotIn) and dotted(node.comparators[0]) in ("os.environ", "environ"):
        name = plain(left)
        if isinstance(name, str):
            read = Read(name, None, False, f"{module.path}:{node.lineno}")
            return FromVariable(read, isinstance(node.ops[0], ast.NotIn), direct=False)
    read_value = next((each for each in (left, right) if isinstance(each, FromVariable)), None)
    one, two = plain(left), plain(right)
    known = one is not UNKNOWN and two is not UNKNOWN
    result: Any = UNKNOWN
    if known and isinstance(node.ops[0], ast.Eq):
        result = one == two
    elif known and isinstance(node.ops[0], ast.NotEq):
        result = one != two
    elif known and isinstance(node.ops[0], ast.Is | ast.IsNot):
        result = (one is two) == isinstance(node.ops[0], ast.Is)
    elif known and isinstance(node.ops[0], ast.In | ast.NotIn) and isinstance(two, list | dict | str):
        result = (one in two) == isinstance(node.ops[0], ast.In)
    return FromVariable(read_value.read, result, direct=True) if read_value is not None else result


def _unary(module: Module, node: ast.UnaryOp) -> Any:
    value = module.of(node.operand)
    if not isinstance(node.op, ast.Not) or value is UNKNOWN:
        return UNKNOWN
    result = not _true(value)
    return FromVariable(value.read, result, direct=False) if isinstance(value, FromVariable) else result


def _choice(module: Module, node: ast.IfExp) -> Any:
    test = module.of(node.test)
    value = module.of(node.body if _true(test) else node.orelse)
    # `x.split(",") if x else []`: the variable decides all the same.
    if isinstance(test, FromVariable) and not isinstance(value, FromVariable):
        needed = dict(module.needed)
        other = module.of(node.orelse if _true(test) else node.body)
        module.needed = needed
        if isinstance(other, FromVariable):
            return replace(other, value=value)
    return value


def _format(module: Module, node: ast.JoinedStr) -> Any:
    found: Any = ""
    for each in node.values:
        part = module.of(each.value) if isinstance(each, ast.FormattedValue) else module.of(each)
        found = _added(found, part if not isinstance(plain(part), int) else str(plain(part)))
        if found is UNKNOWN:
            return UNKNOWN
    return found


def _list(module: Module, node: ast.List | ast.Tuple | ast.Set) -> Any:
    found: list[Any] = []
    for each in node.elts:
        value = module.of(each.value if isinstance(each, ast.Starred) else each)
        found += plain(value) if isinstance(each, ast.Starred) and isinstance(plain(value), list) else [value]
    return found


def _dict(module: Module, node: ast.Dict) -> Any:
    found: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        inside = module.of(value)
        if key is None:
            found |= inside if isinstance(inside, dict) else {}
        elif isinstance(name := plain(module.of(key)), str):
            found[name] = inside
    return found


def _named(module: Module, node: ast.NamedExpr) -> Any:
    value = module.of(node.value)
    module.store(node.target.id, value, node)
    return value


def _comprehension(module: Module, node: ast.ListComp | ast.GeneratorExp) -> Any:
    value = module.of(node.generators[0].iter)
    return value if isinstance(value, FromVariable | list) else UNKNOWN


_EXPRESSIONS: Mapping[type[ast.AST], Callable[[Module, Any], Any]] = {
    ast.Constant: lambda module, node: node.value,
    ast.Name: _name,
    ast.NamedExpr: _named,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.UnaryOp: _unary,
    ast.IfExp: _choice,
    ast.JoinedStr: _format,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Set: _list,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.Call: lambda module, node: module.call(node),
}
