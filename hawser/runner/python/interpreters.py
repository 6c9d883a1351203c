"""The Pythons of a host: those that are there, and those that uv can fetch."""

from __future__ import annotations

import glob
import os
import re
import shutil
import socket

from ..facts import MARKER, marker
from ..system import BASE_ENVIRONMENT, Failure
from . import legacy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Sequence
    from urllib.parse import SplitResult

    from ..system import System

VERSION = re.compile(r"^\d+\.\d+(\.\d+)?$")
SAID = re.compile(r"[A-Za-z]{1,40} \d[\w.+]{0,40}\Z")
ASK_VERSION = "import platform as p; print(p.python_implementation() + ' ' + p.python_version())"
# Where uv finds the Pythons that it fetches, and the seconds that a connection may take.
DOWNLOADS = "https://github.com/astral-sh/python-build-standalone/releases/download"
PATIENCE = 8


class Interpreter:
    """A Python on the host, with the version it says it is.

    :param path: as it was asked for or found.
    :param known: descriptions from markers; a file that is still the same is not started again.
    """

    def __init__(self, system: System, path: str, user: str, known: Sequence[Mapping[str, object]] = ()) -> None:
        self.path = path
        self.real = os.path.realpath(path)
        try:
            status = os.stat(self.real)
        except OSError as error:
            raise Failure("the interpreter %s: %s" % (path, error.strerror)) from None
        self.stamp = [status.st_size, status.st_mtime_ns, user]
        for entry in (*known, *system.interpreters):
            if entry.get("real") == self.real and entry.get("stamp") == self.stamp:
                self.version = str(entry["version"])
                return
        # Python 2 has no -I; what is left of it are the folder, which is /, and the user's own variables and packages.
        argv = [self.real, "-E", "-s", "-c", ASK_VERSION]
        result = system.run(argv, user=user, check=False, timeout=60, scoped=True)
        if result.code:
            raise Failure(self.why_not(system, user, result.output), result.output)
        self.version = result.output.strip()
        if not SAID.match(self.version):
            raise Failure("the interpreter %s does not say which version it is" % path, result.output)
        system.interpreters.append(self.describe())

    def why_not(self, system: System, user: str, said: str) -> str:
        """Say why it does not tell its version: the user may not run it, or it fails itself."""
        parts = self.real.split("/")
        for length in range(2, len(parts)):
            folder = "/".join(parts[:length])
            if system.run(["test", "-x", folder], user=user, check=False).code:
                reason = "the folder %s is closed to it" % folder
                return "the user %s cannot run the interpreter %s: %s" % (user, self.path, reason)
        if system.run(["test", "-x", self.real], user=user, check=False).code:
            return "the user %s cannot run the interpreter %s: it may not execute it" % (user, self.path)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return "the interpreter %s does not run: %s" % (self.path, lines[-1] if lines else "it says nothing")

    def describe(self) -> Dict[str, object]:
        return {"path": self.path, "real": self.real, "stamp": self.stamp, "version": self.version}


def managed(folder: str) -> str:
    """Return the folder of the Pythons that uv has fetched.

    :param folder: that of the environments.
    """
    return os.path.join(folder, ".python")


def path_of(system: System, wanted: str, folder: str, user: str) -> Optional[str]:
    """Return the path of the interpreter that is asked for; None for a version that is not there.

    :param wanted: a version, a name or a path; empty for the system's own.
    :param folder: that of the environments.
    :raises Failure: there is no such name.
    """
    if wanted.startswith("/"):
        return wanted
    if not wanted:
        return "/usr/bin/python3"
    if not VERSION.match(wanted):
        found = shutil.which(wanted, path=BASE_ENVIRONMENT["PATH"])
        if not found:
            raise Failure("this host has no interpreter %r (a version, a name or a path)" % wanted)
        return found
    name = "python" + ".".join(wanted.split(".")[:2])
    found = shutil.which(name, path=BASE_ENVIRONMENT["PATH"])
    if found and has_version(system, found, wanted, folder, user):
        return found
    places = managed(folder)
    pattern = "%s/cpython-%s[.-]*/bin/%s" % (glob.escape(places), wanted, name)
    # Several patch releases: the newest.
    numbers = lambda path: [int(number) for number in re.findall(r"\d+", path[len(places) :])]  # noqa: E731
    real = {os.path.realpath(path) for path in glob.glob(pattern) if os.access(path, os.X_OK)}
    return max(real, key=numbers, default=None)


def has_version(system: System, path: str, wanted: str, folder: str, user: str) -> bool:
    if wanted.count(".") == 1:
        return True
    return Interpreter(system, path, user, known_interpreters(folder)).version.split()[-1] == wanted


def missing(system: System, interpreter: str, folder: str, mirror: str) -> str:
    """Say why no environment can be made with an interpreter here; empty when one can, as far as is known.

    :param folder: that of the environments.
    :param mirror: where uv fetches Pythons; empty: from its own place.
    """
    try:
        path = path_of(system, interpreter, folder, "")
    except Failure as error:
        return error.message
    if path is not None:
        return "" if os.path.exists(path) else "there is no interpreter %s on this host" % path
    why = legacy.cannot_fetch(interpreter)
    if why:
        return why
    why = unreachable(mirror or DOWNLOADS)
    return "this host has no Python %s, and uv cannot fetch one: %s" % (interpreter, why) if why else ""


def unreachable(address: str) -> str:
    """Say why nothing can be fetched from an address; empty when its server, or the proxy before it, answers."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    place = urlsplit(address)
    if place.scheme == "file":
        return "" if os.path.isdir(place.path) else "there is no folder %s here" % place.path
    proxy = "" if proxy_bypass(place.hostname or "") else getproxies().get(place.scheme, "")
    asked = urlsplit(proxy if "//" in proxy or not proxy else "http://" + proxy) if proxy else place
    why = refusal(asked)
    return "%s: %s" % (asked.hostname, why) if why else ""


def refusal(place: SplitResult) -> str:
    """Return why a server takes no connection; empty when it does."""
    try:
        port = place.port or {"http": 80}.get(place.scheme, 443)
        socket.create_connection((place.hostname or "", port), timeout=PATIENCE).close()
    except socket.timeout:
        return "no answer"
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def known_interpreters(folder: str) -> List[Dict[str, object]]:
    """Return the interpreters in the markers under a folder; the user may have written anything there."""
    paths = glob.glob(os.path.join(folder, "*", MARKER))
    entries = [marker(os.path.dirname(path)).get("interpreter") for path in paths]
    return [each for each in entries if isinstance(each, dict) and SAID.match(str(each.get("version")))]
