"""Questions to the package index, asked through pip with the host's own settings."""

from __future__ import annotations

import os
import re

from ..system import Failure
from .installers import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple

    from ..system import System

    Order = Tuple[Tuple[int, ...], str]

LISTED = re.compile(r"^Available versions: (.*)$", re.M)
# With an index that it does not reach, pip ends as with one that does not know the name.
UNREACHED = re.compile(r"after connection broken by|Could not fetch URL|problem confirming the ssl")
RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(.*)")


def resolve(system: System, python: str, package: str, version: str, target: str = "") -> str:
    """Return a version as the package index writes it; empty where this host has no pip of ours yet.

    :param python: the interpreter of an environment with pip.
    :param version: empty: none was named, which is answered with the newest.
    :param target: the version of the Python that the package is for; empty: the one that asks.
    :raises Failure: the index cannot be reached, or has no such package or version.
    """
    if not os.path.exists(python):
        return ""
    known = versions(system, python, package, target)
    if not version:
        words = (package, known[0], known[0], known[0])
        raise Failure(
            'no version of %s is named; the newest is %s\n  next: version = "%s" under [app], or --revision %s' % words
        )
    for each in known:
        if order(each) == order(version):
            return each
    raise Failure("%s has no version %s for this Python (%s)" % (package, version, nearest(version, known)))


def versions(system: System, python: str, package: str, target: str = "") -> List[str]:
    """Return the versions of a package that fit a Python, the newest first."""
    argv = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "index", "versions"]
    argv += ["--pre", *(["--python-version", target] if target else []), "--", package]
    result = system.run(argv, timeout=180, check=False, apart=True)
    found = LISTED.search(result.output)
    if result.code or not found:
        if "No matching distribution found" in result.errors and not UNREACHED.search(result.errors):
            raise Failure("the package index has no package %s that fits this Python" % package)
        unreached = "the package index cannot be reached from this host (/etc/pip.conf is heeded)"
        why = unreached if UNREACHED.search(result.errors) else explain(result.errors)
        raise Failure("%s: %s" % (package, why), result.errors)
    return [each.strip() for each in found.group(1).split(",")]


def order(version: str) -> Order:
    """Return the key by which versions are compared, so that 2025.1 is 2025.1.0 (PEP 440)."""
    found = RELEASE.fullmatch(version.lower())
    if not found:
        return (), version.lower()
    numbers = [int(number) for number in found.group(1).split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), found.group(2)


def nearest(version: str, known: Sequence[str]) -> str:
    """Name the versions just below and just above a missing one, and the newest."""
    ordered = sorted(known, key=order)
    below = [each for each in ordered if order(each) < order(version)][-1:]
    above = [each for each in ordered if order(each) > order(version)][:1]
    return "nearest: %s; newest: %s" % (" and ".join([*below, *above]), known[0])
