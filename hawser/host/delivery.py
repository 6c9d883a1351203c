"""How a site reaches its visitors: HTTP/2, compression, how long files are kept; and what `site.extra` says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from posixpath import normpath
from typing import TypedDict

from ..inventory.tables.files import Site
from ..runner.hashed import ORDER
from ..runner.webservers import NGINX_TOKEN
from .host import Host
from .places import COLLECTED, served_path

# Kinds of texts; nginx compresses text/html anyway, and takes it for a mistake here. What is streamed is none of them.
TEXTS = (
    "text/css",
    "text/javascript",
    "text/plain",
    "text/xml",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/xml",
    "application/atom+xml",
    "application/rss+xml",
    "application/wasm",
    "image/svg+xml",
)
# Bytes below which compressing makes an answer hardly smaller.
SHORTEST = 1000
KEPT = "public, max-age=31536000, immutable"
# Where lines of the site may ask visitors who they are: what is public, whoever stands in between may hand to others.
ASKS_WHO = re.compile(r"(?i)auth|^\s*(?:require|satisfy)\b", re.MULTILINE)
# The first nginx in which HTTP/2 is switched on by a line of its own; its word in `listen` is a warning from then on.
OWN_LINE = (1, 25, 1)
# The first systems whose package is that new, for hosts that do not have it yet.
SYSTEMS = {"debian": (13,), "ubuntu": (24, 10)}


class Delivery(TypedDict):
    """How a site reaches its visitors, as templates of web servers need it.

    :param compression: ``all``, ``static``, ``none``, or empty where the lines of ``extra`` decide.
    :param texts: the kinds of texts that are compressed, beside text/html.
    :param shortest: bytes.
    :param kept: what is said of files that are kept for long; empty where nothing is.
    :param hashed: patterns of their paths, the first match of which decides, and whether it is one of them.
    :param hsts: the header; empty: none.
    :param own_headers: lines of ``extra`` may set headers for all of the server, which with nginx replace those that
        stand farther out.
    """

    compression: str
    texts: Sequence[str]
    shortest: int
    kept: str
    hashed: Sequence[tuple[str, bool]]
    hsts: str
    own_headers: bool


class StaticFolder(TypedDict):
    """Files that the web server sends itself.

    :param previous: the same folder of the release before; empty where it is not one of a release.
    :param links: links in it may lead to files of another owner.
    :param released: nobody but a release puts files there.
    :param fresh: whatever lies there was made for this release: what is compressed beforehand fits its file.
    """

    prefix: str
    pattern: str
    folder: str
    previous: str
    links: bool
    released: bool
    fresh: bool


def delivery(site: Site, extra: str) -> Delivery:
    """Return how a site reaches its visitors.

    :param extra: the lines of ``site.extra``, rendered.
    """
    said = list(nginx_lines(extra)) if site.server == "nginx" else []
    includes = any(line[0] == "include" for line in said)
    headers = [line for line in said if line[0] == "add_header"]
    compressed = includes or any(line[0].startswith(("gzip", "brotli")) for line in said)
    kept = includes or any(line[0] == "expires" for line in said)
    kept = kept or any(line[1].lower() == "cache-control" for line in headers if len(line) > 1)
    if site.server != "nginx":
        # Theirs count where both say something; twice would only be more to read.
        compressed = bool(re.search(r"(?im)^\s*encode\b|deflate|brotli|no-gzip", extra))
        kept = bool(re.search(r"(?i)cache-control|^\s*Expires", extra, re.MULTILINE))
    said_of_kept = KEPT.partition(", ")[2] if ASKS_WHO.search(extra) else KEPT
    return {
        "compression": site.compression or ("" if compressed else "all"),
        "texts": TEXTS,
        "shortest": SHORTEST,
        "kept": said_of_kept if site.immutable or (site.immutable is None and not kept) else "",
        "hashed": ORDER,
        "hsts": site.hsts.header if site.hsts and site.tls != "none" else "",
        "own_headers": includes or bool(headers),
    }


def nginx_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each simple directive that stands in a text for nginx, and in no block of it."""
    words: list[str] = []
    depth = 0
    for token in NGINX_TOKEN.findall(text):
        if token == ";" and depth == 0 and words:
            yield words
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token in "{};":
            words = []
        elif not token.startswith("#"):
            words.append(token.strip("\"'"))


def http2_form(host: Host, extra: str) -> str:
    """Return where nginx wants HTTP/2 to be switched on: in ``listen``, in a line of its own (``on``), or nowhere.

    :param extra: the lines of ``site.extra``, which may have that line.
    """
    site, facts = host.environment.site, host.facts
    if site is None or not site.http2 or site.tls == "none":
        return ""
    if facts.nginx:
        new = numbers(facts.nginx) >= OWN_LINE
    else:
        first, version = SYSTEMS.get(facts.os.get("id", "")), facts.os.get("version", "")
        new = first is not None and numbers(version) >= first
    if not new:
        return "listen"
    return "" if any(line[0] == "http2" for line in nginx_lines(extra)) else "on"


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))


def static_folders(host: Host) -> list[StaticFolder]:
    """Return the folders of the site that the web server sends itself, in the order of the file."""
    site = host.environment.site
    assert site is not None
    statics: list[StaticFolder] = []
    linked = host.environment.persistent.linked
    for prefix, folder in site.static.items():
        prefix = prefix.rstrip("/") + "/"
        served = served_path(host, host.text(folder, f"site.static.{prefix}"))
        current = f"{host.root}/current/"
        previous = served.replace(current, f"{host.root}/previous/") if served.startswith(current) else ""
        # A link of ours, to a persistent folder, has another owner than what it leads to.
        ours = any(f"{host.serving_code}/{each}/".startswith(f"{served}/") for each in linked)
        released = bool(previous) and not any(is_below(f"{host.serving_code}/{each}", served) for each in linked)
        statics.append(
            {
                "prefix": prefix,
                "pattern": re.escape(prefix),
                "folder": served,
                "previous": previous,
                "links": ours,
                "released": released,
                "fresh": released and not served.startswith(f"{current}{COLLECTED}/"),
            }
        )
    return statics


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path leads to a folder, or below it, however both are written."""
    return f"{normpath(path)}/".startswith(f"{normpath(folder)}/")
