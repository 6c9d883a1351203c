"""Lock files of other tools, which nothing here installs; what they pin must not be passed over without a word."""

from __future__ import annotations

import json
import os
import re

from ..files.disk import read_beneath
from ..files.walk import walk
from ..system import Failure
from .origins import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Set

LONGEST = 16 << 20
# Lock files, and how each becomes requirements that are pinned.
FOREIGN = {
    "poetry.lock": "poetry export -o requirements.txt (of the plugin poetry-plugin-export)",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    "pdm.lock": "pdm export --prod -o requirements.txt",
    "conda-lock.yml": "conda-lock render --kind explicit",
    "pixi.lock": "pixi workspace export conda-environment environment.yml",
}
# Folders of other people's code, and levels of folders in which a project may lie.
NOT_ENTERED = ("node_modules", "site-packages", "vendor", "venv", "tests")
DEEPEST = 3
MOST_FOLDERS = 2000
PACKAGE = re.compile(r"^\[\[packages?\]\]\r?\nname = \"([^\"\n]*)\"\r?\nversion = \"([^\"\n]*)\"", re.M)
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s{0,9}(?:\[[^\]]*\])?\s{0,9}===?\s{0,9}([^\s;*,]+)\s*(?:;|--|\\|$)")


def foreign(source: str) -> List[str]:
    """Return the lock files of other tools at the top of a checkout."""
    return [name for name in FOREIGN if os.path.isfile(os.path.join(source, name))]


def advice(name: str) -> str:
    """Return what to do with a lock file of another tool."""
    return (
        "`%s` on your machine, and commit what it writes; or name under [python] what shall be installed instead "
        '(requirements = ["requirements.txt"], or requirements = false and packages = ["."]): then the lock does not '
        "count" % FOREIGN[name]
    )


def require_same(source: str, chosen: str, lines: Sequence[str]) -> None:
    """Stop where a lock of another tool would be passed over, and other versions installed than it says.

    :param chosen: the file that is installed in its place; empty for none.
    :param lines: the requirements in it, without options.
    :raises Failure: names both, and what to do.
    """
    for name in foreign(source):
        if not chosen or chosen == "pyproject.toml":
            raise Failure("the versions in %s would not be installed: it is not read; next: %s" % (name, advice(name)))
        locked = versions(source, name)
        for line in lines:
            pin = PINNED.match(line)
            if pin is None and "--hash" not in line and "@" not in line:
                why = "it leaves the version of %r open" % line[:80]
            elif pin and pin.group(2) not in locked.get(normal(pin.group(1)), {pin.group(2)}):
                why = "it has %s %s, the lock %s" % (*pin.groups(), ", ".join(sorted(locked[normal(pin.group(1))])))
            else:
                continue
            raise Failure("%s is installed, and not what %s says: %s; next: %s" % (chosen, name, why, advice(name)))


def versions(source: str, name: str) -> Dict[str, Set[str]]:
    """Return the versions that a lock file at the top of a checkout names for each package."""
    return versions_in(name, decode(read_beneath(source, name, LONGEST) or b""))


def limits(text: str) -> List[str]:
    """Return the versions in uv.lock or pylock.toml, as far as there is one for a package, as requirements."""
    return ["%s==%s" % (name, min(each)) for name, each in sorted(versions_in("", text).items()) if len(each) == 1]


def versions_in(name: str, text: str) -> Dict[str, Set[str]]:
    """Return the versions that a lock file names for each package; empty where its format is not read."""
    found: Dict[str, Set[str]] = {}
    if name == "Pipfile.lock":
        try:
            packages = json.loads(text)["default"].items()
            pairs = [(package, str(entry.get("version", "")).lstrip("=")) for package, entry in packages]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
    else:
        pairs = PACKAGE.findall(text)
    for package, version in pairs:
        if version:
            found.setdefault(normal(package), set()).add(version)
    return found


def normal(name: str) -> str:
    """Return a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def deeper(source: str, names: Sequence[str]) -> List[str]:
    """Return the files of these names in the folders below the top of a checkout, the highest first."""
    found = []
    for count, (path, folders, files) in enumerate(walk(source)):
        inner = os.path.relpath(path, source)
        level = 0 if inner == "." else inner.count("/") + 1
        folders[:] = [each for each in folders if each[0] != "." and each not in NOT_ENTERED] if level < DEEPEST else []
        if level:
            found += [os.path.join(inner, name) for name in names if name in files]
        if count > MOST_FOLDERS:
            break
    return sorted(found, key=lambda each: (each.count("/"), names.index(os.path.basename(each)), each))
