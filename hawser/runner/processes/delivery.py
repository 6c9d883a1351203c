"""What visitors of a site get, measured: the protocol, and headers of a text, of a hashed file and of the server."""

from __future__ import annotations

import os
from urllib.parse import quote

from ..hashed import is_hashed
from .sites import PATH
from .visit import PATIENCE, unjudging, visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Sequence, Tuple

    from ..specs.answers import Delivery
    from ..system import System

# Kinds of files that every web server takes for texts, and bytes from which on a text is worth compressing.
TEXTS = (".css", ".js", ".json", ".svg", ".txt")
LEAST = 1500
# Files that are looked at, and those of a kind that are asked for: some may be for nobody.
MOST_FILES, MOST_ASKED = 5000, 5


def protocol(port: int, name: str) -> str:
    """Return the protocol that is agreed upon with a visitor who speaks HTTP/2 (ALPN, RFC 7301); empty: none."""
    import socket

    context = unjudging()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        with plain, context.wrap_socket(plain, server_hostname=name) as line:
            return line.selected_alpn_protocol() or ""
    except (OSError, ValueError):
        return ""


def files_below(folder: str) -> Iterator[Tuple[str, int]]:
    """Yield regular files below a folder by their path in it, with their size; links are not followed."""
    waiting, left = [""], MOST_FILES
    while waiting:
        below = waiting.pop(0)
        try:
            with os.scandir(os.path.join(folder, below)) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            left -= 1
            if left < 0:
                return
            path = os.path.join(below, entry.name)
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue


def candidates(folders: Sequence[Tuple[str, str]]) -> Tuple[List[str], List[str]]:
    """Return the URL paths of texts that are long enough, and of files that have a hash in their name.

    :param folders: URL paths, and the folders that are served there.
    """
    texts: List[str] = []
    hashed: List[str] = []
    for prefix, folder in folders:
        for path, size in files_below(folder):
            # Wherever one looks, at the file or at the address, it is one.
            if is_hashed(prefix + path) and is_hashed("%s/%s" % (folder, path)):
                hashed.append(prefix + path)
            if size >= LEAST and path.endswith(TEXTS):
                texts.append(prefix + path)
            if len(texts) >= MOST_ASKED and len(hashed) >= MOST_ASKED:
                return texts, hashed
    return texts, hashed


def measured(system: System, name: str, port: int, tls: bool, folders: Sequence[Tuple[str, str]]) -> Delivery:
    """Return what visitors of a site get.

    :param name: the one that they ask for.
    :param folders: those with the files of a release, see `candidates`.
    """

    def headers(path: str) -> Dict[str, List[str]]:
        """Return the headers with which a file is sent, by their names in small letters; none: it is not sent."""
        answer = visit(port, tls, name, quote(path, errors="surrogateescape"), encoding="gzip")
        return answer.headers if answer.status == 200 else {}

    def first(paths: Sequence[str]) -> Tuple[str, Dict[str, List[str]]]:
        """Return the first of some files that is sent, with its headers; an empty path: none is."""
        for path in paths[:MOST_ASKED]:
            found = headers(path)
            if found:
                return path, found
        return "", {}

    itself = visit(port, tls, name, PATH)
    if itself.status is None:
        return {"why": itself.why, "protocol": "", "text": "", "encoding": "", "hashed": "", "cache": [], "hsts": []}
    texts, hashed = candidates(folders)
    text, sent = first(texts)
    kept, told = first(hashed)
    return {
        "why": "",
        "protocol": protocol(port, name) if tls else "",
        "text": text,
        "encoding": ", ".join(sent.get("content-encoding", [])),
        "hashed": kept,
        "cache": told.get("cache-control", []),
        "hsts": [each.headers.get("strict-transport-security", []) for each in (itself, visit(port, tls, name, "/"))],
    }
