"""The Hawser that is installed here: which one it is, and the line by which another one takes its place."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from . import __version__
from .cache import forget_old, keep, kept, own_folder

PACKAGE = Path(__file__).parent
# What talks to the person alone shapes nothing on hosts; templates are part of a release by their own texts.
TALKS = ("completion", "conf_templates", "diagnosis", "new", "report", "sandbox")
# By the file beside it one knows by what a program was installed: (file, the line for a newer one, for any other).
INSTALLERS = (
    ("uv-receipt.toml", "uv tool upgrade hawser-deploy", "uv tool install '{}'"),
    ("pipx_metadata.json", "pipx upgrade hawser-deploy", "pipx install --force '{}'"),
)


@functools.cache
def this_version() -> str:
    """Return which Hawser this is: its version and a digest of its sources, as in ``0.1.0+3249e03cd521``.

    All modules count but those of `TALKS`: two with the same text here put the same on hosts.
    """
    return f"{__version__}+{digest(PACKAGE)[:12]}"


def digest(package: Path) -> str:
    """Return a digest of the sources of a package, wherever they lie.

    Reading them takes four times as long as a look at their names, sizes and times; so it is kept for the same ones.

    :returns: 64 hexadecimal digits.
    """
    found = list(modules(package))
    stats = [(name, entry.stat()) for name, entry in found]
    known = [(name, at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino) for name, at in stats]
    folder = own_folder("sources")
    place = folder / hashlib.sha256(repr(known).encode()).hexdigest() if folder else None
    if place is not None and (digested := kept_digest(place)):
        return digested
    made = hashlib.sha256()
    for name, entry in found:
        text = Path(entry.path).read_bytes()
        made.update(b"%s\0%d\0" % (name.encode(), len(text)) + text)
    if place is not None:
        # Whatever the disk lacks, this command has its digest.
        with contextlib.suppress(OSError):
            keep(place, made.hexdigest().encode())
            forget_old(place.parent, "*")
    return made.hexdigest()


def kept_digest(place: Path) -> str:
    """Return the digest that a file of the cache holds; empty where it holds none, or others could have written it."""
    found = kept(place, 100)
    return found.decode() if re.fullmatch(b"[0-9a-f]{64}", found) else ""


def modules(package: str | os.PathLike[str], within: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the modules of a package that count, each with its place in it, in the order of their names.

    In a clone, `tasks` is a link.
    """
    with os.scandir(package) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py") and not entry.name.startswith("."):
                yield within + entry.name, entry
            elif entry.name.isidentifier() and entry.name not in (*TALKS, "__pycache__") and entry.is_dir():
                yield from modules(entry.path, f"{within}{entry.name}/")


def upgrade(specifier: str, newer: bool) -> str:
    """Return the line by which a Hawser comes here that meets a specifier, by what has installed this one.

    :param newer: this one is too old; otherwise it is too new.
    """
    wanted = f"hawser-deploy{specifier}"
    if (PACKAGE.parent / ".git").exists():
        clone = shlex.quote(str(PACKAGE.parent))
        return f"git -C {clone} pull" if newer else f"a commit of such a version in {clone}"
    for receipt, for_newer, for_any in INSTALLERS:
        if (Path(sys.prefix) / receipt).exists():
            return for_newer if newer else for_any.format(wanted)
    return f"pip install -U '{wanted}'"
