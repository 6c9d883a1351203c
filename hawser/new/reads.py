"""Variables that code reads from its environment, and the defaults that it has for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from .checkout import Checkout

_NAME = re.compile("[A-Z][A-Z0-9_]*")
# Of django-environ and environs: how a value is read, and the variable when none is named.
KINDS = {
    "str": "", "bool": "", "int": "", "float": "", "list": "", "json": "", "tuple": "", "dict": "", "path": "",
    "url": "", "db": "DATABASE_URL", "db_url": "DATABASE_URL", "dj_db_url": "DATABASE_URL",
    "cache": "CACHE_URL", "cache_url": "CACHE_URL", "dj_cache_url": "CACHE_URL",
    "email": "EMAIL_URL", "email_url": "EMAIL_URL", "search_url": "SEARCH_URL", "log_level": "",
}  # fmt: skip
# Where applications of Flask keep the defaults of their configuration.
_CONFIGURATION = re.compile(r"(^|/)((default_)?(config|settings)|configs?/(default|base|production|__init__))\.py$")
_SETTINGS_BASES = {"BaseSettings"}


@dataclass(frozen=True)
class Read:
    """One place where a variable is read.

    :param default: what counts when it is not set; None where the code has nothing.
    :param required: the code fails without it, as far as this place says.
    :param kind: how it is read: ``bool``, ``list``, ``db`` and the like; empty where nothing says so.
    """

    name: str
    default: object
    required: bool
    where: str
    kind: str = ""


def reads_of(checkout: Checkout, paths: tuple[str, ...]) -> list[Read]:
    """Return all places in these files where variables are read."""
    helpers, settings = _helpers(checkout, paths), _settings_classes(checkout, paths)
    own = {path: readers_of(tree) for path in paths if (tree := checkout.tree(path)) is not None}
    found: list[Read] = []
    for path in own:
        readers = (
            own[path]
            | frozenset(helpers)
            | _imported(checkout.tree(path), {each: own[each] for each in own if own[each]})
        )
        lenient = frozenset(name for name, required in helpers.items() if not required and name not in own[path])
        found += _in_file(checkout, path, readers, settings, lenient)
    return [*found, *(read for prefix in _prefixes(checkout, paths) for read in _configured(checkout, paths, prefix))]


def _prefixes(checkout: Checkout, paths: tuple[str, ...]) -> list[str]:
    """Return what stands before the variables that an application of Flask takes as its configuration.

    `from_prefixed_env` of Flask does, and functions of the code that are called as ``…env(app, prefix="SHOP_")``.
    """
    found: dict[str, None] = {}
    for path in paths:
        tree = checkout.tree(path) if "prefix" in checkout.text(path) and "env(" in checkout.text(path) else None
        for node in ast.walk(tree) if tree else ():
            name = dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name.endswith("env"):
                given = next((_text(each.value) for each in node.keywords if each.arg == "prefix"), "")
                if name == "from_prefixed_env":
                    given = f"{given or (_text(node.args[0]) if node.args else '') or 'FLASK'}_"
                if re.fullmatch("[A-Z][A-Z0-9_]*_", given):
                    found[given] = None
    return list(found)


def _configured(checkout: Checkout, paths: tuple[str, ...], prefix: str) -> Iterator[Read]:
    """Yield the keys of Flask's configuration files as variables with a prefix."""
    for path in paths:
        tree = checkout.tree(path) if _CONFIGURATION.search(path) else None
        classes = [node.body for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
        for node in [each for body in [tree.body if tree else [], *classes] for each in body]:
            for target in node.targets if isinstance(node, ast.Assign) else ():
                if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and _NAME.fullmatch(target.id):
                    yield Read(f"{prefix}{target.id}", constant(node.value), False, f"{path}:{node.lineno}")


def _imported(tree: ast.Module | None, own: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the readers that a module takes from others of the code, by their names or with all that they have."""
    found: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.ImportFrom) and node.module:
            ends = tuple(f"{node.module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
            known = {name for path, names in own.items() if path.endswith(ends) for name in names}
            found |= {each.asname or each.name for each in node.names if each.name in known}
            found |= known if any(each.name == "*" for each in node.names) else set()
    return frozenset(found)


def _in_file(
    checkout: Checkout, path: str, readers: frozenset[str], settings: frozenset[str], lenient: frozenset[str]
) -> Iterator[Read]:
    tree = checkout.tree(path)
    if tree is None:
        return
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    while waiting:
        node, always = waiting.pop()
        if isinstance(node, ast.ClassDef) and node.name in settings:
            yield from _fields(node, path)
        read = read_by(node, readers, path)
        if read is not None:
            fails = always and not (isinstance(node, ast.Call) and dotted(node.func) in lenient)
            yield read if fails else replace(read, required=False)
        if isinstance(node, ast.For):
            yield from _looped(node, tree, path)
        always = always and not isinstance(
            node, ast.If | ast.IfExp | ast.Try | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        waiting += [(each, always) for each in ast.iter_child_nodes(node)]


def _looped(loop: ast.For, tree: ast.Module, path: str) -> Iterator[Read]:
    """Yield the keys of a table of defaults as variables, where a loop over it looks for each of them."""
    table = loop.iter
    if isinstance(table, ast.Call) and isinstance(table.func, ast.Attribute) and table.func.attr in ("items", "keys"):
        table = table.func.value
    name = dotted(table).rpartition(".")[2]
    inside = [each for part in loop.body for each in ast.walk(part)]
    asks = any(
        (isinstance(each, ast.Subscript) and _is_environ(each.value) and isinstance(each.slice, ast.Name))
        or (
            isinstance(each, ast.Call)
            and _asks_environ(each)
            and bool(each.args)
            and isinstance(each.args[0], ast.Name)
        )
        for each in inside
    )
    upper = any(isinstance(each, ast.Attribute) and each.attr == "upper" for each in inside)
    for node in ast.walk(tree) if name and asks else ():
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and dotted(target) == name:
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                word = _text(key).upper() if upper else _text(key)
                if key is not None and _NAME.fullmatch(word):
                    yield Read(word, constant(value), False, f"{path}:{key.lineno}")


def _asks_environ(node: ast.Call) -> bool:
    return dotted(node.func) in ("os.getenv", "getenv", "os.environ.get", "environ.get")


def read_by(node: ast.AST, readers: frozenset[str], path: str) -> Read | None:
    """Return what an expression reads from the environment, if it is such a one.

    :param readers: names that stand for readers here, as `config` of decouple does.
    """
    where = f"{path}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Subscript):
        name = _text(node.slice)
        return Read(name, None, True, where) if name and _is_environ(node.value) else None
    if not isinstance(node, ast.Call):
        return None
    function, kind = dotted(node.func), ""
    if (function.rpartition(".")[2] in ("get", "pop", "setdefault") and _is_environ(_owner(node.func))) or function in (
        "os.getenv",
        "getenv",
    ):
        required = False
    elif function in readers:
        required = True
    elif function.rpartition(".")[0] in readers and function.rpartition(".")[2] in KINDS:
        kind, required = function.rpartition(".")[2], True
    elif function in ("dj_database_url.config", "database_url.config"):
        named = next((_text(each.value) for each in node.keywords if each.arg == "env"), "")
        return Read(named or "DATABASE_URL", _default(node, 0), False, where, "db")
    else:
        return None
    name = (_text(node.args[0]) if node.args else "") or next(
        (_text(each.value) for each in node.keywords if each.arg in ("var", "name")), ""
    )
    if not name and not node.args:
        name = KINDS.get(kind, "")
    if not name or not _NAME.fullmatch(name):
        return None
    cast = next((dotted(each.value) for each in node.keywords if each.arg == "cast"), "")
    has_default = len(node.args) > 1 or any(each.arg == "default" for each in node.keywords)
    return Read(name, _default(node, 1), required and not has_default, where, kind or cast.lower())


def readers_of(tree: ast.Module) -> frozenset[str]:
    """Return the names in a module that read variables: of decouple, starlette, django-environ and environs."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "decouple":
            found |= {each.asname or each.name for each in node.names if each.name == "config"}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = dotted(node.value.func).rpartition(".")[2]
            if made in ("Env", "FileAwareEnv", "AutoConfig") or (made == "Config" and _imports_starlette(tree)):
                found |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return frozenset(found)


def _imports_starlette(tree: ast.Module) -> bool:
    return any(isinstance(each, ast.ImportFrom) and each.module == "starlette.config" for each in ast.walk(tree))


def scheme_of(tree: ast.Module) -> dict[str, object]:
    """Return the defaults that `environ.Env(NAME=(bool, False))` declares."""
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "Env":
            for each in node.keywords:
                if each.arg and isinstance(each.value, ast.Tuple) and len(each.value.elts) == 2:
                    found[each.arg] = constant(each.value.elts[1])
    return found


def _helpers(checkout: Checkout, paths: tuple[str, ...]) -> dict[str, bool]:
    """Return the functions of the code itself that read the variable which their first argument names.

    With each, whether it fails where the variable is not set and no default is given.
    """
    named: dict[str, list[ast.FunctionDef]] = {}
    for path in paths:
        tree = checkout.tree(path) if "environ" in checkout.text(path) or "getenv" in checkout.text(path) else None
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.FunctionDef) and (node.args.args or node.args.posonlyargs):
                named.setdefault(node.name, []).append(node)
    found: dict[str, bool] = {}
    # A helper may ask another one.
    for _level in range(3):
        known = frozenset(found)
        for name, nodes in named.items():
            reading = [node for node in nodes if any(_reads_name(each, _first(node), known) for each in ast.walk(node))]
            if reading and name != "get":
                found[name] = any(_fails(node) for node in reading)
    return found


def _fails(node: ast.FunctionDef) -> bool:
    """Tell whether a helper may fail for want of a variable: by itself, or because it has no default to return."""
    raises = any(isinstance(each, ast.Raise) for each in ast.walk(node))
    strict = any(isinstance(each, ast.Subscript) and _is_environ(each.value) for each in ast.walk(node))
    return raises or strict


def _first(node: ast.FunctionDef) -> str:
    return [*node.args.posonlyargs, *node.args.args][0].arg


def _reads_name(node: ast.AST, name: str, helpers: frozenset[str]) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_environ(node.value) and isinstance(node.slice, ast.Name) and node.slice.id == name
    if not isinstance(node, ast.Call):
        return False
    reads = (
        dotted(node.func) in ("os.getenv", "getenv", "os.environ.get", "environ.get") or dotted(node.func) in helpers
    )
    given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == name)]
    return reads and any(isinstance(each, ast.Name) and each.id == name for each in given)


def _settings_classes(checkout: Checkout, paths: tuple[str, ...]) -> frozenset[str]:
    """Return the classes of pydantic-settings: those that come from its own, and what they take fields from."""
    bases: dict[str, set[str]] = {}
    for path in paths:
        tree = checkout.tree(path) if "class " in checkout.text(path) and "ettings" in checkout.text(path) else None
        for node in tree.body if tree else ():
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(dotted(each).rpartition(".")[2] for each in node.bases)
    found = {name for name, above in bases.items() if above & _SETTINGS_BASES}
    for _level in range(6):
        found |= {name for name, above in bases.items() if above & found}
    for _level in range(6):
        found |= {each for name in found for each in bases.get(name, ()) if each in bases}
    return frozenset(found)


def _fields(node: ast.ClassDef, path: str) -> Iterator[Read]:
    """Yield the variables of a class of pydantic-settings."""
    prefix = _prefix(node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id != "model_config":
            name = f"{prefix}{each.target.id}".upper()
            value = _field_default(each.value)
            if _NAME.fullmatch(name):
                default = None if value is None else constant(value)
                yield Read(name, default, value is None, f"{path}:{each.lineno}", dotted(each.annotation).lower())


def _prefix(node: ast.ClassDef) -> str:
    """Return what stands before the names of variables: `env_prefix`, in whichever way a class says it."""
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == "env_prefix":
            return _text(each.value)
        if isinstance(each, ast.Assign) and any(dotted(target) == "env_prefix" for target in each.targets):
            return _text(each.value)
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values, strict=True):
                if _text(key) == "env_prefix":
                    return _text(value)
    return ""


def _field_default(value: ast.expr | None) -> ast.expr | None:
    """Return the default of a field; None where it has none."""
    if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] == "Field":
        given = [word.value for word in value.keywords if word.arg == "default"] + value.args
        made = any(word.arg == "default_factory" for word in value.keywords)
        value = given[0] if given else (ast.Constant("") if made else None)
    return None if isinstance(value, ast.Constant) and value.value is Ellipsis else value


def _default(node: ast.Call, place: int) -> object:
    given = [each.value for each in node.keywords if each.arg == "default"]
    if len(node.args) > place:
        given.append(node.args[place])
    return constant(given[0]) if given else None


def constant(node: ast.AST) -> object:
    """Return the value of a constant, or of a list of them; None for everything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def dotted(node: ast.AST | None) -> str:
    """Return a name as it is written, such as ``os.environ.get``; empty where it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _owner(node: ast.AST) -> ast.AST | None:
    return node.value if isinstance(node, ast.Attribute) else None


def _is_environ(node: ast.AST | None) -> bool:
    return dotted(node) in ("os.environ", "environ", "env.ENVIRON")


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
