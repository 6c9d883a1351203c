"""E-mission: what its web server reads, where it listens, where its tokens are, and which samples it has."""

from __future__ import annotations

import json
import re
import tomllib

from tests.hosts.conftest import PROJECT
from tests.real import mongo
from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, matching, read_all

SAMPLES = r"conf/(net/api|net/ext_service|net/auth|log|storage)/[\w.]+\.sample"
WEB = "emission/net/api/cfc_webapp.py"


def used() -> list[str]:
    """Return the settings files that the shipped file makes from samples."""
    return [each["path"] for each in shipped()["settings"]]


def shipped() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads((PROJECT / "hosts" / "emission.toml").read_text())


def keys(tree: Tree, path: str) -> list[str]:
    """Return the keys of a sample, those of tables as ``table.key``, without comments."""
    names = []
    for name, value in json.loads(tree.text(f"{path}.sample")).items():
        inner = value if isinstance(value, dict) else {}
        names += [f"{name}.{key}" for key in inner] or [name]
    return sorted(name for name in names if "__comment" not in name)


def variables(tree: Tree, path: str) -> list[str]:
    """Return the variables that a module reads where its settings file is missing, each with its place there."""
    return [f"{name} {place}" for name, place in re.findall(r'"([A-Z_]+)": "([\w.]+)"', tree.text(path))]


def patched(tree: Tree) -> dict[str, int]:
    """Return how often the text that each patch of the shipped file replaces stands in its file."""
    patches = shipped()["patches"]
    return {f"{each['path']}: {each['old'].strip()}": tree.text(each["path"]).count(each["old"]) for each in patches}


def tokens_lie_in(tree: Tree) -> str:
    methods = read_all(tree, r"emission/net/auth/(auth|token_list)\.py")
    return "the database" if re.search(r"get_all_tokens|get_token_db", methods) else "a file"


def extract(tree: Tree) -> Table:
    web, study = tree.text(WEB), tree.text("emission/core/deployment_config.py")
    return {
        "tracks": {
            "programs": matching(tree, rf"{WEB}|bin/(intake_multiprocess|push/silent_ios_push|auth/insert_tokens)\.py"),
            "samples": matching(tree, SAMPLES),
            "wrapper": matching(tree, r"e-mission-py\.bash"),
            "requirements": matching(tree, r"setup/environment36\.yml"),
        },
        "samples": {path: keys(tree, path) for path in used() if not path.startswith("conf/log/")},
        "reads": {
            "without its settings": variables(tree, WEB),
            "without its database's": variables(tree, "emission/core/get_database.py"),
            "of the study": found(r"getenv\(['\"](\w+)['\"]", study),
            "a study's file ends with": found(r"['\"](\.[\w.-]+\.json)['\"]", study)[0],
        },
        "listens": {
            "address": found(r"^WEBSERVER_HOST ?= ?['\"](\S+)['\"]", web)[0],
            "as its settings say": "yes" if re.search(r"server\.host|host=config", web) else "no",
            "own TLS on port": found(r"server_port == ['\"](\d+)['\"]", web)[0],
        },
        "tokens": {
            "lie in": tokens_lie_in(tree),
            "collection": found(r"\.(Stage_Tokens)\b", tree.text("emission/core/get_database.py"))[0],
        },
        "patched": patched(tree),
        "mongodb": {"limits of the stand-in": mongo.LIMITS},
        "answers": {"pages": [page for page in ("/profile/create", "/profile/get") if page in web]},
    }


STAND_IN_DIFFERS: frozenset[str] = frozenset()
SOURCES = [
    Source(
        "e-mission-server",
        "https://github.com/e-mission/e-mission-server.git",
        "d64f2ec42eeea467ae60f09938573dd2461417cc",
        extract,
    )
]
