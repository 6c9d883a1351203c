"""The Python packages that a checkout asks for, the files that say so, and the Python that they want."""

from __future__ import annotations

import configparser
import json
import posixpath
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .checkout import Checkout
from .facts import Draft

# What Hawser takes by itself, in its order.
TAKEN = ("uv.lock", "pylock.toml", "requirements.lock", "requirements.txt")
# Requirements in a subfolder or under another name, the likeliest for production first.
_NAMED = (
    "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt", "requirements/main.txt",
    "requirements/common.txt", "requirements/requirements.txt", "requirements-prod.txt", "requirements_prod.txt",
    "requirements-production.txt", "requirements/default.txt", "requirements.pip",
)  # fmt: skip
# Extras and groups that are for production by their names.
_PRODUCTION = ("production", "prod", "postgres", "postgresql", "pgsql", "pg", "psycopg", "deploy", "server")
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_VERSION = re.compile(r"3\.\d+")
# The Pythons of Debian 12 and 13: a range with both needs no Python but the host's.
_OF_HOSTS = ((3, 11), (3, 13))


@dataclass
class Packages:
    """The packages of an application.

    :ivar names: all that are asked for, by their normalized names, with the place that says so.
    """

    names: dict[str, str] = field(default_factory=dict)
    project: dict[str, Any] = field(default_factory=dict)

    def first(self, *names: str) -> str:
        """Return the first of these packages that is asked for; empty where none is."""
        return next((name for name in names if name in self.names), "")

    def __contains__(self, name: str) -> bool:
        return name in self.names


def normalized(name: str) -> str:
    """Return the name of a package as the index compares it (PEP 503)."""
    return re.sub("[-_.]+", "-", name).lower()


def read_packages(checkout: Checkout, base: str, draft: Draft) -> Packages:
    """Find the packages, and put the settings into the draft by which Hawser finds them."""
    found = Packages()
    base = _home(checkout, base)
    pyproject = posixpath.join(base, "pyproject.toml")
    found.project = table(checkout.text(pyproject))
    declared = found.project.get("project", {})
    _requirements(found, declared.get("dependencies", []), pyproject)
    poetry = found.project.get("tool", {}).get("poetry", {})
    listed = poetry.get("dependencies", {})
    optional = [name for name, value in listed.items() if isinstance(value, dict) and value.get("optional")]
    _requirements(found, [name for name in listed if name not in optional], pyproject)
    present = [place for name in TAKEN if (place := posixpath.join(base, name)) in checkout.names]
    lock = next(iter(present), "") or _of_workspace(checkout, base)
    if posixpath.basename(lock) == "uv.lock":
        _choices(draft, found, pyproject)
    if lock:
        _listed(checkout, lock, found, base=base)
    elif _locked(checkout, base, draft, found):
        pass
    elif declared.get("name") or poetry.get("name"):
        _choices(draft, found, pyproject)
    else:
        _elsewhere(checkout, base, draft, found, pyproject)
    if not lock and (above := next(_locks_above(checkout, base), "")):
        draft.note(
            f"{above} has no {base} in its workspace, and is not read: versions are chosen anew from {pyproject}."
        )
    _interpreter(checkout, base, draft, found, pyproject)
    return found


def _locks_above(checkout: Checkout, folder: str) -> Iterator[str]:
    while folder:
        folder = posixpath.dirname(folder)
        place = posixpath.join(folder, "uv.lock")
        if place in checkout.names:
            yield place


def _of_workspace(checkout: Checkout, base: str) -> str:
    """Return the uv.lock above a folder that has it in its workspace, which Hawser reads then; empty for none."""
    return next((each for each in _locks_above(checkout, base) if _members(table(checkout.text(each)), each, base)), "")


def _members(lock: dict[str, Any], path: str, base: str) -> list[str]:
    """Return the packages in uv.lock whose code lies in a folder."""
    inside = posixpath.relpath(base or ".", posixpath.dirname(path) or ".")
    return [name for name, row in _rows(lock).items() if inside in _places(row)]


def _rows(lock: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the packages in uv.lock by their names."""
    return {each["name"]: each for each in lock.get("package", []) if isinstance(each, dict) and "name" in each}


def _places(row: dict[str, Any]) -> list[str]:
    """Return the folder of a package in uv.lock, where it is code beside the lock."""
    source = row.get("source")
    return [source[kind] for kind in ("editable", "virtual") if kind in source] if isinstance(source, dict) else []


def table(text: str) -> dict[str, Any]:
    """Return the tables of a TOML file; none where it is no TOML."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return {}


def _requirements(found: Packages, lines: list[Any], where: str) -> None:
    for line in lines if isinstance(lines, list) else ():
        match = _REQUIREMENT.match(line) if isinstance(line, str) else None
        if match:
            found.names.setdefault(normalized(match[1]), where)


def _listed(checkout: Checkout, path: str, found: Packages, depth: int = 0, base: str = "") -> None:
    """Take the packages of a lock or requirements file.

    :param base: the folder of the application, which may be one of several in a uv.lock.
    """
    text = checkout.text(path)
    if path.endswith((".toml", "uv.lock")):
        parsed = table(text)
        direct = _direct(parsed, found, _members(parsed, path, base))
        names = [
            each.get("name", "") for each in parsed.get("package", parsed.get("packages", [])) if isinstance(each, dict)
        ]
        _requirements(found, [name for name in names if not direct or name in direct], path)
        return
    for number, line in enumerate(text.splitlines(), 1):
        included = re.match(r"\s*(?:-r|--requirement)[ =]\s*(\S+)", line)
        if included and depth < 5:
            _listed(
                checkout, posixpath.normpath(posixpath.join(posixpath.dirname(path), included[1])), found, depth + 1
            )
        elif not line.lstrip().startswith(("-", "#")):
            _requirements(found, [line], f"{path}:{number}")


def _direct(lock: dict[str, Any], asked: Packages, members: list[str]) -> set[str]:
    """Return the packages in uv.lock that are installed: what the project and its chosen groups need, and so on.

    :param members: the packages of the application's own folder; where there are none, all that lie beside the lock.
    """
    rows = _rows(lock)
    own = members or [name for name, row in rows.items() if _places(row)]
    found: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in own]
    waiting += [(name, ()) for name in asked.names if name in rows]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        found.add(name)
        row = rows.get(name, {})
        optional = row.get("optional-dependencies", {}) if extras else {}
        groups = row.get("dev-dependencies", {}) if name in own else {}
        needed = list(row.get("dependencies", []))
        needed += [each for extra in extras for each in optional.get(extra, [])]
        needed += [each for group in groups if normalized(group) in _PRODUCTION for each in groups[group]]
        for each in needed:
            if isinstance(each, dict) and isinstance(each.get("name"), str):
                next_one = (each["name"], tuple(each.get("extra", ())))
                if next_one not in seen:
                    seen.add(next_one)
                    waiting.append(next_one)
    return found if own else set()


def _choices(draft: Draft, found: Packages, where: str) -> None:
    """Choose the extras and groups that are for production by their names."""
    extras = found.project.get("project", {}).get("optional-dependencies", {})
    groups = found.project.get("dependency-groups", {})
    for key, choices in (("extras", extras), ("groups", groups)):
        for name in choices if isinstance(choices, dict) else ():
            if normalized(name) in _PRODUCTION:
                draft.add("python", key, value=name, where=where)
                _requirements(found, choices[name], where)


def _home(checkout: Checkout, base: str) -> str:
    """Return the folder that says which packages there are: that of the application, or the nearest one above it."""
    folder = base
    while folder:
        if any(
            posixpath.join(folder, each) in checkout.names for each in (*TAKEN, *_NAMED, "pyproject.toml", "Pipfile")
        ):
            return folder
        folder = posixpath.dirname(folder)
    return folder


def _locked(checkout: Checkout, base: str, draft: Draft, found: Packages) -> bool:
    """Take the versions of a lock file of poetry or pipenv, which Hawser does not read; tell whether there is one."""
    poetry, pipenv = posixpath.join(base, "poetry.lock"), posixpath.join(base, "Pipfile.lock")
    if poetry in checkout.names:
        lines, where = _of_poetry(table(checkout.text(poetry)), found), poetry
    elif pipenv in checkout.names:
        lines, where = _of_pipenv(checkout.text(pipenv)), pipenv
    else:
        return False
    draft.put("python", "requirements", value=False, where=f"{where} is not read by Hawser; its versions stand here")
    draft.put("python", "packages", value=lines, where=where)
    _requirements(found, lines, where)
    return True


def _of_poetry(lock: dict[str, Any], found: Packages) -> list[str]:
    """Return the requirements in poetry.lock that the project needs, without its groups."""
    poetry = found.project.get("tool", {}).get("poetry", {})
    extras = poetry.get("extras", {}) if isinstance(poetry.get("extras"), dict) else {}
    chosen = {normalized(each) for name, listed in extras.items() if normalized(name) in _PRODUCTION for each in listed}
    rows: dict[str, list[dict[str, Any]]] = {}
    for each in lock.get("package", []):
        if isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("version"), str):
            rows.setdefault(normalized(each["name"]), []).append(each)
    # The conditions under which each is needed; an empty one is always true.
    wanted: dict[str, set[str]] = {name: {""} for name in {*found.names, *chosen} & set(rows)}
    waiting = [(name, "") for name in wanted]
    while waiting:
        parent, condition = waiting.pop()
        for row in rows[parent]:
            needed = row.get("dependencies", {})
            for name, value in needed.items() if isinstance(needed, dict) else ():
                one = value if isinstance(value, dict) else {}
                marker = condition or str(one.get("markers", ""))
                known = wanted.setdefault(normalized(name), set()) if normalized(name) in rows else {marker}
                if not one.get("optional") and "extra ==" not in marker and marker not in known:
                    known.add(marker)
                    waiting.append((normalized(name), marker))
    return [_pinned(row, found, wanted[name]) for name in sorted(wanted) for row in rows[name] if wanted[name]]


def _pinned(row: dict[str, Any], found: Packages, conditions: set[str]) -> str:
    marker = row.get("markers")
    if not isinstance(marker, str) and "" not in conditions:
        marker = " or ".join(f"({each})" for each in sorted(conditions))
    condition = f" ; {marker}" if isinstance(marker, str) else ""
    asked = found.project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get(row["name"])
    extras = asked.get("extras") if isinstance(asked, dict) else None
    named = f"{row['name']}[{','.join(map(str, extras))}]" if extras else row["name"]
    return f"{named}=={row['version']}{condition}"


def _of_pipenv(text: str) -> list[str]:
    try:
        rows = json.loads(text).get("default", {}).items()
    except (ValueError, AttributeError, RecursionError):
        return []
    found = []
    for name, value in rows:
        if isinstance(value, dict) and isinstance(value.get("version"), str):
            marker = f" ; {value['markers']}" if isinstance(value.get("markers"), str) else ""
            found.append(f"{_of_pipfile(name, value)}{marker}")
    return found


def _elsewhere(checkout: Checkout, base: str, draft: Draft, found: Packages, pyproject: str) -> None:
    """Take packages from where Hawser does not look by itself."""
    named = next((each for each in _NAMED if posixpath.join(base, each) in checkout.names), "")
    if named:
        place = posixpath.join(base, named)
        draft.put("python", "requirements", value=[named], where=place)
        _listed(checkout, place, found)
        return
    groups = found.project.get("dependency-groups", {})
    group = next((each for each in ("main", "default", "production", "prod") if each in groups), "")
    if group:
        lines = [each for each in groups[group] if isinstance(each, str)]
        draft.put("python", "packages", value=lines, where=f"{pyproject}, dependency-groups.{group}")
        _requirements(found, lines, pyproject)
        return
    pipfile = table(checkout.text(posixpath.join(base, "Pipfile"))).get("packages", {})
    if pipfile:
        place = posixpath.join(base, "Pipfile")
        lines = [_of_pipfile(name, value) for name, value in pipfile.items()]
        draft.put("python", "packages", value=lines, where=f"{place}: its lock is not read")
        _requirements(found, lines, place)


def _of_pipfile(name: str, value: object) -> str:
    """Return an entry of a Pipfile as a requirement."""
    version = value.get("version", "*") if isinstance(value, dict) else value
    extras = value.get("extras", []) if isinstance(value, dict) else []
    named = f"{name}[{','.join(map(str, extras))}]" if extras else name
    return named if version == "*" or not isinstance(version, str) else f"{named}{version}"


def _interpreter(checkout: Checkout, base: str, draft: Draft, found: Packages, pyproject: str) -> None:
    """Choose the Python: none where a range has those of Debian's releases, else the one that the code names."""
    project, poetry = found.project.get("project", {}), found.project.get("tool", {}).get("poetry", {})
    wanted = str(project.get("requires-python") or poetry.get("dependencies", {}).get("python") or "")
    if wanted and all(_allows(wanted, version) for version in _OF_HOSTS):
        draft.note(f"requires-python = {wanted!r} ({pyproject}): the Python of the hosts will do.")
        return
    own = next((version for version in reversed(_OF_HOSTS) if wanted and _allows(wanted, version)), None)
    for path, pattern in (
        (".python-version", r"^\s*(?:cpython-)?(3\.\d+)"),
        ("runtime.txt", r"python-(3\.\d+)"),
        (".tool-versions", r"^python (3\.\d+)"),
        ("Dockerfile", r"(?im)^FROM\s+(?:\S+/)?python:(3\.\d+)"),
        ("docker/Dockerfile", r"(?im)^FROM\s+(?:\S+/)?python:(3\.\d+)"),
    ):
        for place in dict.fromkeys((posixpath.join(base, path), path)):
            match = re.search(pattern, checkout.text(place), re.MULTILINE)
            version = tuple(int(part) for part in match[1].split(".")) if match else ()
            # Images name one of those that fit; a Debian's own is there without being fetched.
            if path.endswith("Dockerfile") and own and version not in _OF_HOSTS:
                continue
            if match and (not wanted or _allows(wanted, version)):
                draft.put("python", "interpreter", value=match[1], where=place)
                return
    lowest = _VERSION.search(f"{own[0]}.{own[1]}" if own else wanted)
    if lowest:
        draft.put("python", "interpreter", value=lowest[0], where=f"{pyproject}: requires-python = {wanted!r}")


def _allows(specifier: str, version: tuple[int, ...]) -> bool:
    """Tell whether a range of versions of Python (PEP 440, and poetry's ``^``) has a minor version."""
    for part in filter(None, re.split(r"[,\s]+", specifier.replace(" ", ""))):
        match = re.match(r"(>=|<=|==|!=|~=|\^|~|>|<)?(\d+)(?:\.(\d+))?", part)
        if not match or not match[3]:
            continue
        sign, limit = match[1] or "==", (int(match[2]), int(match[3]))
        fits = {
            ">=": version >= limit, "<=": version <= limit, "==": version == limit, "!=": version != limit,
            "~=": version == limit if part.count(".") > 1 else version >= limit,
            "^": version >= limit, "~": version == limit, ">": version > limit, "<": version < limit,
        }  # fmt: skip
        if not fits[sign]:
            return False
    return True


def section(text: str) -> configparser.ConfigParser:
    """Return the sections of an INI file; none where it is no such file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return configparser.ConfigParser()
    return parser
