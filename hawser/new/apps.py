"""Applications of Flask and of ASGI frameworks: the objects and factories that a server can load."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .checkout import module_name
from .project import Project
from .reads import dotted

ASGI = {"FastAPI": "FastAPI", "Starlette": "Starlette", "Quart": "Quart", "Litestar": "Litestar", "Sanic": "Sanic",
        "BlackSheep": "BlackSheep"}  # fmt: skip
WSGI = {
    "Flask": "Flask",
    "APIFlask": "Flask",
    "OpenAPI": "Flask",
    "Connexion": "Flask",
    "Bottle": "Bottle",
    "Falcon": "Falcon",
}
_LIKELY = ("wsgi", "asgi", "main", "app", "__init__", "server", "application", "run", "api", "web")
_ASIDE = re.compile(
    r"(^|/)(scripts?|tools?|dev|plugins?|contrib|cli|benchmarks?|samples?|stubs?|alembic|bin)/|(celery|worker|tasks)[a-z_]*\.py$"
)


@dataclass(frozen=True)
class App:
    """An application that a server can load.

    :param name: of the object or factory in its module.
    :param factory: it has to be called.
    """

    path: str
    name: str
    framework: str
    asgi: bool
    factory: bool
    line: int

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def find_apps(project: Project) -> list[App]:
    """Return the applications of the code, the likeliest first."""
    kinds = {name: (framework, True) for name, framework in ASGI.items()}
    kinds |= {name: (framework, False) for name, framework in WSGI.items()}
    kinds |= _subclasses(project, kinds)
    found = [app for path in project.python if not _ASIDE.search(path) for app in _in_file(project, path, kinds)]
    factories = {app.name: app for app in found if app.factory}
    found += [app for path in project.python if not _ASIDE.search(path) for app in _made(project, path, factories)]
    return sorted(found, key=lambda app: (app.factory, _rank(app), app.path.count("/"), app.path))


def _rank(app: App) -> int:
    stem = posixpath.basename(app.path).removesuffix(".py")
    place = _LIKELY.index(stem) if stem in _LIKELY else len(_LIKELY)
    named = (
        0
        if stem in ("wsgi", "asgi") or app.name in ("app", "application", "asgi_app", "create_app", "api", "server")
        else 20
    )
    return place + named


def _subclasses(project: Project, kinds: dict[str, tuple[str, bool]]) -> dict[str, tuple[str, bool]]:
    """Return the classes of the code itself that are an application."""
    found: dict[str, tuple[str, bool]] = {}
    for path in project.python:
        tree = project.checkout.tree(path) if any(name in project.checkout.text(path) for name in kinds) else None
        for node in tree.body if tree else ():
            if isinstance(node, ast.ClassDef):
                base = next((dotted(each).rpartition(".")[2] for each in node.bases), "")
                if base in kinds and node.name not in kinds:
                    found[node.name] = kinds[base]
    return found


def _imported(tree: ast.Module, kinds: dict[str, tuple[str, bool]]) -> dict[str, tuple[str, bool]]:
    """Return the names in a module that make an application."""
    found: dict[str, tuple[str, bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name: kinds[each.name] for each in node.names if each.name in kinds}
        if isinstance(node, ast.ClassDef) and node.name in kinds:
            found[node.name] = kinds[node.name]
        if isinstance(node, ast.Import):
            for each in node.names:
                known = next((name for name in kinds if name.lower() == each.name), "")
                if known:
                    found[f"{each.asname or each.name}.{known}"] = kinds[known]
    return found


def _in_file(project: Project, path: str, kinds: dict[str, tuple[str, bool]]) -> Iterator[App]:
    if not any(name in project.checkout.text(path) for name in kinds):
        return
    tree = project.checkout.tree(path)
    makers = _imported(tree, kinds) if tree else {}
    for node in tree.body if tree and makers else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            made, target = makers.get(dotted(node.value.func)), _target(node)
            if made and target:
                yield App(path, target, *made, factory=False, line=node.lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            made = next((makers[dotted(each.func)] for each in ast.walk(node)
                         if isinstance(each, ast.Call) and dotted(each.func) in makers), None)  # fmt: skip
            if made and _returns_value(node) and not _needs_arguments(node):
                yield App(path, node.name, *made, factory=True, line=node.lineno)


def _made(project: Project, path: str, factories: dict[str, App]) -> Iterator[App]:
    """Yield the objects at the top of a module that a factory of the code has made."""
    tree = project.checkout.tree(path) if any(f"{name}(" in project.checkout.text(path) for name in factories) else None
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            factory, target = factories.get(dotted(node.value.func).rpartition(".")[2]), _target(node)
            if factory and target:
                yield App(path, target, factory.framework, factory.asgi, factory=False, line=node.lineno)


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _returns_value(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(each, ast.Return) and each.value for each in ast.walk(node)
    )


def _needs_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = node.args
    return len(arguments.args) + len(arguments.posonlyargs) > len(arguments.defaults)


def home_of(project: Project, path: str) -> str:
    """Return the folder from which a module is imported: above all packages that it lies in."""
    folder = posixpath.dirname(path)
    while folder and posixpath.join(folder, "__init__.py") in project.checkout.names:
        folder = posixpath.dirname(folder)
    # A package without __init__.py, as in `app/main.py` with `from app.core import …`.
    name = posixpath.basename(folder)
    if name and re.search(rf"^\s*(from|import) {re.escape(name)}[. ]", project.checkout.text(path), re.MULTILINE):
        folder = posixpath.dirname(folder)
    return folder


def target_of(app: App, home: str) -> str:
    """Return how a server names an application, seen from the folder that it is imported from."""
    inside = posixpath.relpath(app.path, home) if home else app.path
    return f"{module_name(inside)}:{app.name}"
