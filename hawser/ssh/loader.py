"""How the runner starts on a host: a host that has not got it yet asks for it, and keeps it until it boots again."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import threading
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

# In memory, and root's alone. The name of each folder in it is the digest of the runner that it holds.
KEPT = "/run/hawser-runner"
# Seconds after which a runner goes that nobody has used, when another one comes.
UNUSED = 86_400
NO_PYTHON = "hawser: no python3 here"
WANTED = "hawser: the runner is wanted"
# Runs the runner of a digest from the folder in which a host keeps them, or fetches it and keeps it; where that cannot
# be, it stays in this process. Only what nobody but root can have written is run. Python 3.8 syntax.
LOADER = """
import os, stat, sys
kept, digest, unused = %(kept)r, %(digest)r, %(unused)r
here = os.path.join(kept, digest)
%(begin)s
os.umask(0o077)

def private(path):
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077

def keep(sources):
    import compileall, shutil, tempfile, time
    os.makedirs(kept, 0o700, exist_ok=True)
    if not private(kept):
        raise OSError
    for name in os.listdir(kept):
        other = os.path.join(kept, name)
        if os.lstat(other).st_mtime < time.time() - unused:
            shutil.rmtree(other, ignore_errors=True)
    new = tempfile.mkdtemp(dir=kept)
    try:
        for name, (path, text) in sources.items():
            path = os.path.join(new, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        compileall.compile_dir(new, ddir=here, quiet=2)
        os.rename(new, here)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        # Somebody else may have brought it meanwhile.
        if not private(here):
            raise

if private(kept) and private(here):
    os.utime(here)
    sys.path.insert(0, here)
else:
    import hashlib, importlib.machinery, json, zlib

    data = zlib.decompress(fetched())
    if hashlib.sha256(data).hexdigest()[:32] != digest:
        sys.exit("the runner came damaged")
    sources = json.loads(data.decode())
    try:
        keep(sources)
        sys.path.insert(0, here)
    except OSError:
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name in sources:
                    package = sources[name][0].endswith("/__init__.py")
                    return importlib.machinery.ModuleSpec(name, self, is_package=package)
            def create_module(self, spec):
                return None
            def exec_module(self, module):
                path, text = sources[module.__name__]
                exec(compile(text, path, "exec"), module.__dict__)
        sys.meta_path.insert(0, Finder())
%(end)s
"""
# Of a runner that the controlling machine sends where it is asked for it.
SENT = {
    "begin": f"""
stream = sys.stdin.buffer
hello = stream.readline()

def fetched():
    print({WANTED!r}, flush=True)
    return stream.read(int(stream.readline()))
""",
    "end": "from hawser_runner.main import main\nmain(hello)",
}
# Of the helper, whose runner lies on the host. Whoever starts it has said nothing that counts: no variable, no folder.
HELPER = """#!/usr/bin/python3 -IB
# hawser: application=%(application)s: what its deploy users may have done as root, by sudo; `bootstrap` puts it here.
"""
PLACED = {
    "begin": """
os.chdir("/")
os.environ.clear()
os.environ.update(
    PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", USER="root", LOGNAME="root",
    SHELL="/bin/sh", LANG="C.UTF-8",
)

def fetched():
    with open(%(packed)r, "rb") as file:
        return file.read()
""",
    "end": "from hawser_runner.helper.entry import main\nmain(%(rules)r, digest)",
}
# What it takes then: the only script that needs no python3.
INSTALL_PYTHON = (
    "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && "
    "apt-get install -y -qq --no-install-recommends python3 python3-venv"
)


class Source:
    """The runner as it is sent to a host that has not got it.

    :param modules: path and text of each module, by its name.
    :param kept: the folder in which a host keeps it.
    """

    def __init__(self, modules: dict[str, tuple[str, str]], kept: str = KEPT) -> None:
        self.kept = kept
        self._data = json.dumps(modules).encode()
        self.digest = hashlib.sha256(self._data).hexdigest()[:32]
        self._making = threading.Lock()

    @functools.cached_property
    def _compressed(self) -> bytes:
        return zlib.compress(self._data)

    @property
    def compressed(self) -> bytes:
        """Itself, compressed; made once for all hosts."""
        with self._making:
            return self._compressed

    @property
    def packed(self) -> bytes:
        """Its length on a line, and itself, compressed."""
        return b"%d\n" % len(self.compressed) + self.compressed

    def _program(self, parts: Mapping[str, str]) -> str:
        return LOADER % {"kept": self.kept, "digest": self.digest, "unused": UNUSED, **parts}

    @property
    def loader(self) -> str:
        """The Python program that runs it."""
        return self._program(SENT)

    def helper(self, application: str, packed: str, rules: str) -> str:
        """Return the program that deploy users start as root.

        :param packed: the file on the host that holds what `compressed` is.
        :param rules: the file with what they may have done.
        """
        parts = {name: text % {"packed": packed, "rules": rules} for name, text in PLACED.items()}
        return HELPER % {"application": application} + self._program(parts)

    @functools.cached_property
    def script(self) -> str:
        """A script of sh that starts the loader, or says that there is nothing to start it with.

        It begins with an empty line: what a login has said before may have no end. A line without backslashes and
        exclamation marks is the same for every login shell: csh knows no quoted newline, and fish its own escapes.
        """
        program = base64.b64encode(self.loader.encode()).decode()
        return (
            f"echo; command -v python3 >/dev/null || {{ echo '{NO_PYTHON}'; exit 0; }}; exec python3 -IBc "
            f"\"import base64; exec(base64.b64decode('{program}'))\""
        )


def modules() -> dict[str, tuple[str, str]]:
    """Return path and text of each of the runner's modules, by its name."""
    folder = Path(__file__).parents[1] / "runner"
    found = {}
    for path in sorted(folder.rglob("*.py")):
        # Types, which are for mypy alone.
        if path.parent.name != "specs":
            within = Path("hawser_runner") / path.relative_to(folder)
            name = ".".join(within.with_suffix("").parts).removesuffix(".__init__")
            found[name] = (str(within), path.read_text(encoding="utf-8"))
    return found


@functools.cache
def _source() -> Source:
    return Source(modules())


_reading = threading.Lock()


def source() -> Source:
    """Return the runner of this version, read once for all hosts."""
    with _reading:
        return _source()


# Called with the name of a module of the runner, and what its `main` takes.
MAIN = "import importlib, sys\nimportlib.import_module('hawser_runner.' + sys.argv[1]).main(*sys.argv[2:])\n"


@functools.cache
def archive() -> bytes:
    """Return the runner as a zip file that Python runs on a host without us; the same for the same sources."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for path, text in [("__main__.py", MAIN), *modules().values()]:
            target.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()
