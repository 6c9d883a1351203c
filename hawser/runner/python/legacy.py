"""Environments that pip fills: for interpreters that uv does not know, and for pins that its resolver refuses."""

from __future__ import annotations

import glob
import os
import re

from ..system import Failure
from .installers import pip_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Sequence, Tuple

    from .requirements import Recipe

# The last one that makes environments for Python 2.7 and 3.5; it brings pip 20.3.4 and the setuptools of their time.
VIRTUALENV = "virtualenv==20.21.1"
VIRTUALENV_KNOWS = ((2, 7), (3, 5))
UV_KNOWS = (3, 6)
# What uv has to fetch begins here.
UV_FETCHES = (3, 8)
PIP_LEGACY = "pip-legacy"
# The last pip whose resolver of before 2020 is known to work; an older interpreter gets an older pip.
PIP = "pip<25.1"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def numbers(version: str) -> Tuple[int, int]:
    """Return the first two numbers of a version such as ``CPython 2.7.18`` or ``3.12``."""
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def needs_virtualenv(version: str) -> bool:
    """Tell whether virtualenv makes the environment of an interpreter, as uv cannot.

    :raises Failure: neither of the two can.
    """
    if numbers(version) >= UV_KNOWS:
        return False
    if numbers(version) in VIRTUALENV_KNOWS:
        return True
    known = " and ".join("%d.%d" % each for each in VIRTUALENV_KNOWS)
    raise Failure(
        "no environment can be made for %s: uv knows Python %d.%d and later, %s knows %s; next: give "
        "python.interpreter one of these" % (version, *UV_KNOWS, VIRTUALENV.replace("==", " "), known)
    )


def libraries(interpreter: str) -> List[str]:
    """Return the shared libraries of an interpreter: virtualenv copies the program, which may look beside itself."""
    return glob.glob(os.path.join(os.path.dirname(os.path.dirname(interpreter)), "lib", "libpython*.so*"))


def cannot_fetch(version: str) -> str:
    """Return why uv cannot fetch a Python of a version that the host lacks; empty when it can try."""
    if numbers(version) >= UV_FETCHES:
        return ""
    return (
        "this host has no Python %s, and uv fetches none before %d.%d; python.upload brings one from the operator's "
        "machine" % (version, *UV_FETCHES)
    )


def creation(interpreter: str, environment: str) -> List[str]:
    """Return uv's arguments that have virtualenv make an environment."""
    tool = ["tool", "run", "--python", "/usr/bin/python3", "--from", VIRTUALENV, "virtualenv"]
    return [*tool, "--quiet", "--no-periodic-update", "--python", interpreter, environment]


def seeds(environment: str, constraints: str) -> List[str]:
    """Return uv's arguments that put pip and the builders of packages into an environment that uv has made."""
    limits = ["--constraints", constraints] if constraints else []
    return ["pip", "install", "--python", environment + "/bin/python", *limits, "--", PIP, "setuptools", "wheel"]


def commands(
    recipe: Recipe, environment: str, version: str, constraints: str, limits: Sequence[str] = ()
) -> List[List[str]]:
    """Return the command lines of pip that fill an environment.

    :param version: of its interpreter.
    :param constraints: a file of limits for what builds packages; empty for none.
    :param limits: the files of those for the packages themselves.
    :raises Failure: the recipe is a lock file, which only uv reads.
    """
    if recipe.lock:
        raise Failure(
            "%s is for uv, and %s is filled by pip; next: name requirements files under [python] requirements"
            % (recipe.lock, version)
        )
    # Not `python -m pip`: that would take modules of the code, where it runs, for its own.
    pip = [environment + "/bin/python", environment + "/bin/pip", "install"]
    found = []
    if constraints and numbers(version) < UV_KNOWS:
        # A package of that time is built with what its environment has, and in no isolation.
        found.append([*pip, "setuptools", "wheel"])
    resolver = ["--use-deprecated=legacy-resolver"] if recipe.spec["resolver"] == PIP_LEGACY else []
    files, words = recipe.asked()
    if files or words:
        named = [word for option, paths in (("-c", limits), ("-r", files)) for path in paths for word in (option, path)]
        found.append([*pip, *resolver, *named, "--", *words])
    return found


def variables(cache: str, constraints: str) -> Dict[str, str]:
    """Return the variables for pip and virtualenv; the host's own files of settings count as well.

    :param cache: a folder that the user may write to.
    """
    settings = pip_settings()
    found = {
        "PIP_CACHE_DIR": os.path.join(cache, "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_NO_PYTHON_VERSION_WARNING": "1",
        "VIRTUALENV_OVERRIDE_APP_DATA": os.path.join(cache, "virtualenv"),
    }
    if "SSL_CERT_FILE" not in settings and os.path.exists(AUTHORITIES):
        # An old pip brings the authorities of its time.
        found["PIP_CERT"] = AUTHORITIES
    if constraints:
        # Also what an isolated build installs: pip passes its environment on.
        found["PIP_CONSTRAINT"] = " ".join([constraints, *settings.get("UV_CONSTRAINT", "").split()])
    return found
