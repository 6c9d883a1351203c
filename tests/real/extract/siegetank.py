"""Siegetank: what its command center and its work server read, open, start, write and answer."""

from __future__ import annotations

import ast
import re

from tests.real import mongo
from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, imported, matching, read_all

PROGRAMS = ("cc", "ws")
OWN = frozenset({"server", "siegetank"})


def settings(tree: Tree, program: str) -> list[str]:
    """Return the names of a program's settings file with their types; those of tables as ``table.name``."""
    names = []
    for node in ast.parse(tree.text(f"{program}.conf")).body:
        assert isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        name, value = node.targets[0].id, ast.literal_eval(node.value)
        names.append(f"{name}: {type(value).__name__}")
        if isinstance(value, dict) and name != "command_centers":
            names += [f"{name}.{key}: {type(each).__name__}" for key, each in value.items()]
    return sorted(names)


def number(tree: Tree, program: str, name: str) -> int:
    return int(re.findall(rf"\b{name}'?\s*[=:]\s*(\d+)", tree.text(f"{program}.conf"))[0])


def options(tree: Tree, program: str) -> list[str]:
    """Return the names that a program's settings file may have."""
    own = tree.text(f"server/{program}.py")
    extra = re.search(r"\bextra(?:_options)? = \{(.*?)\}", own, re.S)
    assert extra
    shared = tree.text("server/common.py")
    defined = found(r"define\(['\"](\w+)['\"]", shared + own)
    # The stand-in defines them in a loop.
    listed = found(r"['\"](\w+)['\"]: (?:int|str|dict|set)\b", extra[1] + shared)
    return sorted({*defined, *listed})


def routes(tree: Tree, program: str) -> list[str]:
    return found(r"\(r?['\"](/[^'\"]*)['\"], \w+Handler\)", tree.text(f"server/{program}.py"))


def leftover_ports(tree: Tree) -> list[str]:
    """Return the ports of stores that a test starts and does not end, as ``FILE PORT``."""
    left = []
    for path in matching(tree, r"tests/test_\w+\.py"):
        text = tree.text(path)
        if "init_redis" in text and "shutdown" not in text:
            left += [f"{path} {port}" for port in found(r"'port': (\d+)", text)]
    return left


def extract(tree: Tree) -> Table:
    common, servers = tree.text("server/common.py"), read_all(tree, r"server/\w+\.py")
    tls = re.search(r"if is_domain\(host\):.*?ssl_", common, re.S)
    return {
        "tracks": {
            "programs": matching(tree, "|".join(PROGRAMS)),
            "settings": matching(tree, r"\w+\.conf"),
            "requirements": matching(tree, r".*requirements.*\.txt"),
            "certificates": matching(tree, r"certs/.*"),
            "makefiles": matching(tree, r"redis/(src/)?Makefile"),
            "tests": matching(tree, r"tests/test_\w+\.py"),
        },
        "needs": {"packages": imported(tree, r"server/\w+\.py", OWN)},
        "settings": {program: settings(tree, program) for program in PROGRAMS},
        "options": {program: options(tree, program) for program in PROGRAMS},
        "ports": {
            f"{program}-{kind}": number(tree, program, name)
            for program in PROGRAMS
            for kind, name in (("http", "internal_http_port"), ("redis", "port"))
        },
        "starts": {
            "redis": "/".join(re.findall(r"'(redis)',\s*'(src)',\s*'(redis-server)'", common.replace('"', "'"))[0]),
            "a process for each CPU": found(r"server\.(start\(0\))", servers),
            "signals": found(r"signal\.signal\(signal\.(SIG\w+)", common),
            "says goodbye to": found(r"['\"](/ws/disconnect)['\"]", tree.text("server/ws.py")),
            "says goodbye from": found(r"task_id\(\) == (\d+)", servers.partition("def notify_cc_shutdown")[2][:200]),
        },
        "writes": {
            "folders": found(r"\w+_folder=['\"](\w+)['\"]", servers),
            "files": found(r"['\"](aof_|db_log_)['\"]", read_all(tree, r"\w+\.conf")),
        },
        "tests": {"leave redis on": leftover_ports(tree)},
        "answers": {program: routes(tree, program) for program in PROGRAMS},
        "mongodb": {
            "reads": found(r"mongo_options\[['\"](\w+)['\"]\]", common),
            "tls": "for a name, not for an address" if tls else "always",
            "tls reads": found(r"= options\.(ssl_\w+)", common),
            "calls": found(r"\b(?:managers|donors|self\.mdb\.\w+\.\w+|mdb\.managers)\.(\w+)\(", servers),
            "commands of the stand-in": sorted(mongo.COMMANDS),
            "limits of the stand-in": mongo.LIMITS,
        },
    }


STAND_IN_DIFFERS: frozenset[str] = frozenset()
SOURCES = [
    Source(
        "siegetank-backend",
        "https://github.com/FoldingAtHome/siegetank-backend.git",
        "94e48f8a68ae39d812213ab530b996c15fb8ab63",
        extract,
    )
]
