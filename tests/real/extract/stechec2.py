"""Stechec2 of 2012: what its build wants, what its programs read and where, and what its samples leave out."""

from __future__ import annotations

import re

from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, matching, read_all

PROGRAMS = ("master-node", "worker-node")


def keys(text: str, table: str) -> list[str]:
    """Return the keys of a table of a sample."""
    part = re.search(rf"^{table}:\n((?:[ #].*\n|\n)*)", text, re.M)
    return found(r"^ +(\w+):", part[1]) if part else []


def port(text: str, table: str) -> int:
    found = re.search(rf"^{table}:\n(?:[ #].*\n|\n)*? +port: (\d+)", text, re.M)
    assert found
    return int(found[1])


def reads_of_master(tree: Tree) -> list[str]:
    return found(r"config\[['\"]master['\"]\]\[['\"](\w+)['\"]\]", read_all(tree, r"tools/master-node/\w+\.py"))


def worker_reads(paths: str) -> str:
    """Say where a worker looks for its settings without an option."""
    return "/etc/stechec" if "/etc/stechec/worker-node.yml" in paths else "below the prefix"


def extract(tree: Tree) -> Table:
    master, worker = (tree.text(f"tools/{name}/{name}.yml.in") for name in PROGRAMS)
    return {
        "tracks": {
            "samples": matching(tree, r"tools/(www/website|master-node/master-node|worker-node/worker-node)\.yml\.in"),
            "games": sorted({path.split("/")[1] for path in matching(tree, r"games/tictactoe/.*")}),
        },
        "samples": {
            "master-node master": keys(master, "master"),
            "worker-node worker": keys(worker, "worker"),
            "worker-node contest": keys(worker, "contest"),
        },
        "reads": {
            "master.* of the master's settings": reads_of_master(tree),
            "a worker's settings without -c": worker_reads(tree.text("tools/worker-node/paths.py.in")),
            "the website's settings": found(r"(/etc/stechec/\w+\.yml)", tree.text("tools/www/settings.py.in"))[0],
        },
        "options": {"worker": found(r"['\"](--config)['\"]", tree.text("tools/worker-node/__main__.py"))},
        "ports": {"master": port(master, "master"), "worker": port(worker, "worker")},
        "build": {"options": found(r"['\"](--with-games)['\"]", read_all(tree, r"(.*/)?wscript|waf\.py"))},
    }


STAND_IN_DIFFERS: frozenset[str] = frozenset()
SOURCES = [
    Source(
        "stechec2",
        "https://github.com/prologin/stechec2.git",
        "8c8130ab795d6ded41e0dd5e119a71a415492f15",
        extract,
    )
]
