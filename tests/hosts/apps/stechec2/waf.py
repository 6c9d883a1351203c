#!/usr/bin/env python3
"""Stands for waf: ./waf.py configure --prefix=PREFIX --with-games=GAME, build, install."""

import argparse
import json
import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"
GAMES = sorted(path.name for path in (HERE / "games").iterdir())
WWW = "share/stechec2/www/concours"
# What is made of *.in, by the folder of tools that it lies in, and where it goes below the prefix.
MADE = {
    "www/settings.py": WWW,
    "www/website.yml": WWW,
    "master-node/master-node": "bin",
    "master-node/master-node.yml": "share/stechec2/master-node",
    "master-node/paths.py": "lib/stechec2/master-node",
    "worker-node/worker-node": "bin",
    "worker-node/worker-node.yml": "share/worker-node",
    "worker-node/paths.py": "lib/worker-node",
}
COPIED = {"www": WWW, "master-node": "lib/stechec2/master-node", "worker-node": "lib/worker-node"}


def configure(prefix, games):
    BUILD.mkdir(exist_ok=True)
    found = {"PYTHON": shutil.which("python3"), "prefix": prefix, "available_games": ",".join(GAMES), "games": games}
    found["config_sample"] = f"{prefix}/{WWW}/website.yml"
    (BUILD / "configured.json").write_text(json.dumps(found))


def build():
    found = json.loads((BUILD / "configured.json").read_text())
    for path in MADE:
        text = (HERE / "tools" / f"{path}.in").read_text()
        (BUILD / path).parent.mkdir(exist_ok=True)
        (BUILD / path).write_text(re.sub("@([A-Za-z_]+)@", lambda name: found[name[1]], text))


def install():
    found = json.loads((BUILD / "configured.json").read_text())
    prefix = Path(found["prefix"])
    ours = shutil.ignore_patterns("*.in", "__pycache__")
    for folder, place in COPIED.items():
        shutil.copytree(HERE / "tools" / folder, prefix / place, ignore=ours, dirs_exist_ok=True)
    for path, place in MADE.items():
        (prefix / place).mkdir(parents=True, exist_ok=True)
        target = prefix / place / Path(path).name
        shutil.copyfile(BUILD / path, target)
        target.chmod(0o755 if place == "bin" else 0o644)
    for game in filter(None, found["games"].split(",")):
        shutil.copytree(HERE / "games" / game, prefix / "share/stechec2" / game, dirs_exist_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("commands", nargs="+", choices=["configure", "build", "install"])
    parser.add_argument("--prefix", default="/usr/local")
    parser.add_argument("--with-games", default="")
    parser.add_argument("--boost-libs")
    arguments = parser.parse_args()
    for command in arguments.commands:
        if command == "configure":
            configure(arguments.prefix, arguments.with_games)
        else:
            build() if command == "build" else install()


main()
