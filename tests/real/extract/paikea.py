"""Paikea: what its code reads, writes, logs in with and answers, and what its document wants of a server."""

from __future__ import annotations

import re
import tomllib

from tests.hosts.conftest import PROJECT
from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, matching, read_all

CODE = r"(autoapp|celery_worker|celeryconfig|paikea/\w+)\.py"


def patched(tree: Tree) -> dict[str, int]:
    """Return how often the text that each patch of the shipped file replaces stands in its file."""
    settings = tomllib.loads((PROJECT / "hosts" / "paikea.toml").read_text())
    return {
        f"{each['path']}: {each['old']}": tree.text(each["path"]).count(each["old"]) for each in settings["patches"]
    }


def pages(tree: Tree) -> list[str]:
    """Return the pages that are asked for from outside, by our tests and health checks."""
    asked = r"/v1/buoys|/v1/buoy/register|/v1/app|/rockblock/incoming|/v1/<device_type>/<device_id>/upgrade"
    return [
        page for page in found(r"route\(['\"](\S+?)['\"]", tree.text("paikea/views.py")) if re.fullmatch(asked, page)
    ]


def logs_in_with(env: str) -> str:
    """Say which address of the database Alembic's env.py takes, which SQLAlchemy may have hidden the password of."""
    if re.search(r"str\([^()]*engine\.url\)", env):
        return "the engine's as text: the password is hidden"
    return "another"


def extract(tree: Tree) -> Table:
    code = read_all(tree, CODE)
    return {
        "tracks": {
            "programs": matching(tree, r"(autoapp|celery_worker|celeryconfig)\.py"),
            "migrations": matching(tree, r"migrations/.*"),
            "ignores": sorted(line for line in tree.text(".gitignore").splitlines() if line.strip()),
        },
        "needs": {"packages": sorted(tree.text("requirements.txt").split())},
        "reads": {
            "variables": found(r"environ(?:\.get\(|\[)['\"](\w+)['\"]", code),
            "broker": re.findall(r"^broker_url = ['\"](\S+)['\"]", tree.text("celeryconfig.py"), re.M)[0],
            "firmware with the key": found(r"ssh -i (/[\w/.-]+)", code)[0],
            "firmware beside the code": found(r"send_from_directory\(\s*['\"](\.\./\w+)['\"]", code)[0],
        },
        "writes": {"log": found(r"LOG_FILE = ['\"](\S+)['\"]", code)[0]},
        "migrations": {"env.py logs in with": logs_in_with(tree.text("migrations/env.py"))},
        "patched": patched(tree),
        "answers": {"pages": pages(tree)},
        "starts": {"worker of celery_worker": found(r"^(\w+) = make_celery", tree.text("celery_worker.py"))[0]},
    }


def document(tree: Tree) -> Table:
    text = tree.text("README.md")
    return {
        "document": {
            "variables of .env": found(r"^\| (FLASK_APP|PAIKEA_(?!DOTENV)\w+) \|", text),
            "path of .env": found(r"^\| (PAIKEA_DOTENV) \|", text)[0],
            "accounts": found(r"^\| (ROCK\w+) +\|", text),
            "keys of the unit": found(r"^(After|Type|User|WorkingDirectory|Restart)=", text),
            "keys of the program": found(r"^(numprocs|startsecs|stopwaitsecs|stopasgroup|priority) ?=", text),
            "port": int(found(r"flask run -h 127\.0\.0\.1 -p (\d+)", text)[0]),
            "pages of nginx": found(r"location (\S+) \{", text),
        }
    }


REPOSITORY = ("paikea-server-backend", "https://github.com/marcidy/paikea-server-backend.git")
COMMIT = "d09f016dcdb7ba1c0e4314fe6736e73b429c8fbe"
# The stand-in needs what is there today.
STAND_IN_DIFFERS = frozenset({"needs"})
SOURCES = [Source(*REPOSITORY, COMMIT, extract), Source(*REPOSITORY, COMMIT, document)]
