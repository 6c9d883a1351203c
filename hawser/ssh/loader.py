"""How the runner starts on a host: its source comes over standard input, and nothing is installed there."""

from __future__ import annotations

import base64
import functools
import json
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path

# Reads our modules from standard input and runs them without touching the disk. Python 3.8 syntax.
LOADER = (
    "import sys,zlib,json,importlib.machinery as m\n"
    "i=sys.stdin.buffer\n"
    "s=json.loads(zlib.decompress(i.read(int(i.readline()))).decode())\n"
    "k={n.rpartition('.')[0] for n in s}\n"
    "class L:\n"
    " def create_module(self,o):\n"
    "  return None\n"
    " def find_spec(self,n,p=None,t=None):\n"
    "  return m.ModuleSpec(n,self,is_package=n in k) if n in s else None\n"
    " def exec_module(self,o):\n"
    "  exec(compile(s[o.__name__],o.__name__.replace('.','/')+'.py','exec'),o.__dict__)\n"
    "sys.meta_path.insert(0,L())\n"
    "from hawser_runner.main import main\n"
    "main()\n"
)
NO_PYTHON = "hawser: no python3 here"
# A script of sh that starts the loader, or says that there is nothing to start it with. It begins with an empty line:
# what a login has said before may have no end. A line without backslashes and exclamation marks is the same for every
# login shell: csh knows no quoted newline, and fish its own escapes.
SCRIPT = (
    f"echo; command -v python3 >/dev/null || {{ echo '{NO_PYTHON}'; exit 0; }}; exec python3 -IBc "
    f"\"import base64; exec(base64.b64decode('{base64.b64encode(LOADER.encode()).decode()}'))\""
)
# What it takes then: the only script that needs no python3.
INSTALL_PYTHON = (
    "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
    "apt-get install -y -qq --no-install-recommends python3 python3-venv"
)


_making = threading.Lock()


def runner_source() -> bytes:
    """Return the runner's modules as one compressed JSON object {module name: source}, made for the first host."""
    with _making:
        return _runner_source()


@functools.cache
def _runner_source() -> bytes:
    folder = Path(__file__).parents[1] / "runner"
    modules = {
        ".".join(["hawser_runner", *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__"): (
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.py"))
        # Types, which are for mypy alone.
        if path.parent.name != "specs"
    }
    return zlib.compress(json.dumps(modules).encode())


def first_input(hello: Mapping[str, str]) -> bytes:
    """Return the first bytes of standard input: the length of the source and the source, and a line of greeting.

    :param hello: what the runner must know from the start.
    """
    source = runner_source()
    return b"%d\n" % len(source) + source + json.dumps(hello).encode() + b"\n"
