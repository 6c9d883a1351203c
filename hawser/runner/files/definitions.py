"""Definitions of processes as texts: whose one is, and whether another one was accepted that differs in names alone."""

from __future__ import annotations

import os
import re

from .disk import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional

HEADER = re.compile(r"^[#;] hawser: application=(\S+) process=(\S+) release=(\S*)$", re.M)
# What it reads, of definitions of today.
INPUTS = re.compile(r"^[#;] hawser: inputs=([0-9a-f]+)$", re.M)
COLOUR = re.compile(r"-(?:blue|green)\b")
RELEASE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+]*-[0-9a-f]{8}", re.ASCII)


def accepted_before(text: str, path: str) -> bool:
    """Tell whether a definition differs from one that is in use in its release and its colour alone.

    Those are words in which no program that reads it sees anything but a part of a name.

    :param path: where it is to lie, among those that are in use.
    """
    header, own = HEADER.search(text), plain(text)
    return header is not None and own is not None and own in map(plain, others(header.group(1), path))


def others(application: str, path: str) -> Iterator[str]:
    """Yield the definitions of an application that are in use, of the same manager."""
    folder, suffix = os.path.dirname(path), os.path.splitext(path)[1]
    for name in sorted(os.listdir(folder)):
        if name.startswith(application + "-") and name.endswith(suffix):
            found = read(os.path.join(folder, name))
            if found is not None:
                yield found.decode("utf-8", "replace")


def plain(text: str) -> Optional[str]:
    """Return a definition without the names of its release and its colour; None for what is no definition of ours."""
    header, inputs = HEADER.search(text), INPUTS.search(text)
    if header is None or inputs is None or not RELEASE.fullmatch(header.group(3)):
        return None
    return COLOUR.sub("", text.replace(header.group(3), "").replace(inputs.group(0), ""))
