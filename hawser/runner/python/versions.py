"""The versions of packages that a release was given: chosen once for all of its hosts, and kept with it.

What a file of them says can only narrow down what the code asks for: lines for a package that nothing asks for install
nothing, and a repository is only taken where the code names it.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re

from ..files.disk import read
from ..files.records import parsed
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence, Tuple

# The name of the file in a release's folder.
FILE = "versions.json"
LONGEST, MOST = 1 << 20, 5000
PIN = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]{0,200})(?:\[[A-Za-z0-9._,\s-]{0,500}\])?==([A-Za-z0-9][A-Za-z0-9._+!-]{0,200})\Z"
)
# A repository and a commit in it; an address with a password in it is nothing to be kept.
COMMIT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}(?:\[[A-Za-z0-9._,\s-]{0,500}\])? @ "
    r"(git\+[a-z]+://(?![^/@\s]*:[^/@\s]*@)[^\s@#]*(?:@[^\s@#/]+/[^\s@#]*)?)@[0-9a-f]{40}(?:#[A-Za-z0-9=&_./-]{0,200})?\Z"
)


def identity(inputs: Mapping[str, object], python: str, machine: str, resolved: str) -> str:
    """Return the hash of what versions are chosen by: the same wherever they may be shared.

    :param inputs: those of a recipe.
    :param python: the version of the interpreter; a correction of it chooses no others.
    :param resolved: the word of the settings that asks for versions of today.
    """
    decisive = {name: value for name, value in inputs.items() if name != "own"}
    parts = [decisive, python.rpartition(".")[0], machine, resolved]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def chosen(output: str) -> List[str]:
    """Return the versions that uv has chosen, a line for each package; what has no version of its own is left out."""
    lines = [line.strip() for line in output.splitlines()]
    return [line for line in lines if PIN.match(line) or COMMIT.match(line)][:MOST]


def write_lines(versions: Sequence[str], texts: Sequence[str]) -> Tuple[str, str]:
    """Return the limits for uv, and what stands in the place of repositories.

    :param texts: requirements of the code: only a repository that they name is taken.
    """
    limits, commits = "", ""
    for line in versions:
        pin, commit = PIN.match(line), COMMIT.match(line)
        if pin:
            limits += "%s==%s\n" % pin.groups()
        elif commit and any(commit.group(1) in text for text in texts):
            commits += line + "\n"
    return limits, commits


def data(path: str) -> bytes:
    """Return the bytes of a file of versions; none where there is none."""
    try:
        return (read(path, LONGEST) or b"") if path else b""
    except Failure:
        return b""


def written(name: str, versions: Sequence[str]) -> bytes:
    """Return the bytes of a file of versions."""
    return (json.dumps({"identity": name, "versions": list(versions)}, indent=1) + "\n").encode()


def parse(text: bytes) -> Optional[Tuple[str, List[str]]]:
    """Return the hash and the versions in a file of them; None where it is empty or damaged."""
    known: Dict[str, object] = parsed(text, dict) or {}
    name, versions = known.get("identity"), known.get("versions")
    if not isinstance(name, str) or not isinstance(versions, list):
        return None
    return name, [line for line in versions[:MOST] if isinstance(line, str) and (PIN.match(line) or COMMIT.match(line))]


def of_other_releases(releases: str, name: str) -> Optional[List[str]]:
    """Return the versions that were chosen by the same inputs for another release, the latest ones."""
    paths = glob.glob(os.path.join(glob.escape(releases), "*", FILE))
    for path in sorted(paths, key=modified, reverse=True):
        found = parse(data(path))
        if found and found[0] == name:
            return found[1]
    return None


def modified(path: str) -> float:
    """Return when a file was written, which may be gone by now."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
