"""CTS: what its settings read, where they put things, what its programs do, and what its deployment adds."""

from __future__ import annotations

import re

from tests.real.tables import Source, Table
from tests.real.trees import Tree, found, matching, read_all

VARIABLE = r"environ(?:\.get\(|\.setdefault\(|\[)\s*['\"](\w+)(?:%s)?['\"]"
OF_AN_INSTANCE = r"environ\.get\(\s*['\"](\w+)%s['\"]"
PAGES = r"(?:url|path)\(r?['\"]\^?((?:health|instances|login|admin)/)\$?['\"]"
DEPLOYED = r"cts/settings/(base|staging|turkey|iraq|jordan)\.py"


def variables(tree: Tree) -> list[str]:
    """Return the variables that the settings read; those of one instance end in ``_{code}``."""
    text = read_all(tree, DEPLOYED)
    of_one = set(found(OF_AN_INSTANCE, text))
    named = set(found(r"%\((\w+)\)s", text)) - {"asctime", "name", "levelname", "message"}
    return sorted({f"{name}_{{code}}" if name in of_one else name for name in {*found(VARIABLE, text), *named}})


def pins(tree: Tree) -> list[str]:
    text = read_all(tree, r"requirements/(base|production)\.txt")
    return found(r"^\s*([A-Za-z][\w.-]*(?:==|>=|<).*?)\s*$", text)


def one(pattern: str, text: str) -> str:
    """Return what the group of a pattern catches; nothing where it does not fit."""
    match = re.search(pattern, text, re.S)
    return match[1] if match else ""


def code(tree: Tree) -> Table:
    settings = read_all(tree, DEPLOYED)
    return {
        "tracks": {
            "settings": matching(tree, DEPLOYED),
            "requirements": matching(tree, r"requirements/(base|production)\.txt"),
            "commands": matching(tree, r"manage\.py|accounts/management/commands/\w+\.py"),
            "static": matching(tree, r"cts/static/(502\.html|robots\.txt)"),
        },
        "needs": {"pins": pins(tree)},
        "reads": {
            "variables": variables(tree),
            "without a default": found(r"environ\['(\w+)'\](?! =)", settings.replace('"', "'")),
            "file": one(r"(/srv/pillar/project\.sls)", settings),
            "of each instance": found(r"\[INSTANCE\]\[['\"](\w+)['\"]\]", settings),
        },
        "writes": {
            "public": one(r"(/var/www/cts/public)", settings),
            "log": one(r"(/dev/log)", settings),
            "time zone": one(r"TIME_ZONE = ['\"]([\w/]+)", settings),
        },
        "uses": {
            "database": one(r"['\"](cts_%s)['\"] ?% ?INSTANCE", settings),
            "queue": one(r"['\"](queue_%s)['\"] ?% ?INSTANCE", settings),
            "internal": one(r"SENDFILE_URL = ['\"]([\w/]+)", settings),
            "tasks": found(r"['\"](ona\.tasks\.\w+)['\"]", settings),
        },
        "answers": {"pages": found(PAGES, tree.text("cts/urls.py"))},
    }


def deployment(tree: Tree) -> Table:
    project = tree.text("conf/pillar/project.sls")
    site = tree.text("conf/salt/project/web/site.conf")
    worker, beat = (tree.text(f"conf/salt/project/worker/{name}.sls") for name in ("default", "beat"))
    of_one = r"(?m)^  (\w+):\n    name: (\w+)\n    prefix: (\S+)\n    currency: (\w+)\n    port: (\d+)"
    listed = re.findall(of_one, project)
    hour, minute = one(r"hour: (\d+)", worker), one(r"minute: (\d+)", worker)
    return {
        "deployment": {
            "python": one(r"python_version: ([\d.]+)", project),
            "instances": [" ".join(each) for each in sorted(listed)],
            "form variables": found(r"(ONA_\w+)_(?:IQ|JO|TR):", tree.text("conf/pillar/secrets.ex")),
            "listens": found(r"listen (\d+)", site),
            "internal": found(r"location (\S+) \{\s*internal;", site),
            "pages of errors": found(r"error_page [\d ]+ (\S+);", site),
            "refuses other hosts": found(r"return (444);", site),
            "workers": one(r"--concurrency=(\d+)", worker),
            "restarts workers": f"{minute} {hour} * * *",
            "programs": sorted(
                {
                    f"celery-{{instance}} {one(r'command: .(worker)', worker)}",
                    f"celery-beat-{{instance}} {one(r'command: .(beat)', beat)}",
                }
            ),
            "commands": found(r"manage\.sh'\) \}\} (\w+)", tree.text("conf/salt/project/web/app.sls")),
        }
    }


def document(tree: Tree) -> Table:
    text = tree.text("docs/server-setup.rst")
    layout = one(r"server layout[^:]*::\n(.*?)\n``", text)
    return {
        "document": {
            "root": one(r"(/\S+)/\n", layout),
            "folders": found(r"^ {8,}(\w+)/", layout),
            "configuration": found(r"^    (/etc/\w+)", text),
            "site": one(r"``(/etc/nginx/\S+)``", text),
        }
    }


DEPLOYMENT = "https://github.com/theirc/CTS-ircdeploy.git"
# The stand-in runs on the host's own Python, with versions of today.
STAND_IN_DIFFERS = frozenset({"needs"})
SOURCES = [
    Source("CTS", "https://github.com/theirc/CTS.git", "43eb3e3b78c19f9e1dc02158ca12fc0c5d6bb270", code),
    # The document, and the state whose Salt files go with the code.
    Source("CTS-ircdeploy", DEPLOYMENT, "b300bdb8b163e0475f47ee33204fc6f46ff35951", document),
    Source("CTS-ircdeploy", DEPLOYMENT, "245aee6fd8fb13ee1869c7f4376b1d45b1555994", deployment),
]
