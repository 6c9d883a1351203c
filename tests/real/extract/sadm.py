"""SADM: the three programs of a contest, what they read, where they listen, and what they need from elsewhere."""

from __future__ import annotations

import re
import tomllib

from tests.hosts.conftest import PROJECT
from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, matching, read_all

PROGRAMS = ("concours", "masternode", "workernode")
NEEDED = r"prologin/(concours|masternode|workernode|rpc|utils)/.*\.py|prologin/(config|djangoconf|log|timeauth|web)\.py"


def patched(tree: Tree) -> dict[str, int]:
    """Return how often the text that each patch of the shipped file replaces stands in its file."""
    patches = tomllib.loads((PROJECT / "hosts" / "sadm.toml").read_text())["patches"]
    return {f"{each['path']}: {each['old'].strip()}": tree.text(each["path"]).count(each["old"]) for each in patches}


def places(text: str) -> list[str]:
    """Return the keys of a sample, with those above them."""
    names: list[tuple[int, str]] = []
    said = []
    for indent, name, value in re.findall(r"^( *)(\w+):(?: +([^#\s].*?))?\s*(?:#.*)?$", text, re.M):
        names = [each for each in names if each[0] < len(indent)] + [(len(indent), name)]
        if value:
            said.append(".".join(each[1] for each in names))
    return said


def extract(tree: Tree) -> Table:
    samples = matching(tree, rf"debugconfig/({'|'.join(PROGRAMS)}|timeauth)\.yml")
    pins = tree.text("requirements.txt")
    return {
        "tracks": {"samples": samples, "programs": matching(tree, r"prologin/(masternode|workernode)/__main__\.py")},
        "samples": {path: places(tree.text(path)) for path in samples},
        "placeholders": {path: found(r"(CHANGEME|%%SECRET:\w+%%)", tree.text(path)) for path in samples},
        "needs": {
            "pins": found(r"^([A-Za-z][\w.-]*==\S+)", pins),
            "from git": found(r"(github\.com/\S+?)(?:\.git)?#", pins),
            "isolate": "a program" if "isolate.Isolator" in tree.text("prologin/workernode/operations.py") else "",
        },
        "reads": {
            "folder of settings": found(r"environ\.get\(['\"](\w+)['\"]", tree.text("prologin/config.py"))[0],
            "folder without it": found(r"DEFAULT_CFG_DIR = ['\"](\S+)['\"]", tree.text("prologin/config.py"))[0],
        },
        "ports": {
            "masternode": int(found(r"port: (\d+)", tree.text("debugconfig/masternode.yml"))[-1]),
            "workernode": int(found(r"port: (\d+)", tree.text("debugconfig/workernode.yml"))[-1]),
            "masternode tells Prometheus": int(
                found(r"start_http_server\((\d+)\)", tree.text("prologin/masternode/monitoring.py"))[0]
            ),
            "workernode tells Prometheus": int(
                found(r"start_http_server\((\d+)\)", tree.text("prologin/workernode/monitoring.py"))[0]
            ),
        },
        "writes": {"log": found(r"SysLogHandler\(['\"](\S+)['\"]", tree.text("prologin/log.py"))[0]},
        "patched": patched(tree),
        "answers": {"pages": [page for page in ("login/", "status/") if f"'{page}'" in read_all(tree, NEEDED)]},
    }


# There is no stand-in: that of Stechec2 has the same shape.
STAND_IN_DIFFERS: frozenset[str] = frozenset()
SOURCES = [
    Source(
        "sadm",
        "https://github.com/prologin/sadm.git",
        "8d8346b06b631534c79f672bb3f9a41944c507cd",
        extract,
    )
]
