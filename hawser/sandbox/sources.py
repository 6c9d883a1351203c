"""The machine's apt sources, reduced to those of its own distribution. Source: sources.list(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/etc/apt")
POCKETS = "updates|security|backports|backports-sloppy|proposed|proposed-updates"
COMPONENTS = {"main", "contrib", "non-free", "non-free-firmware", "restricted", "universe", "multiverse"}
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")
MIRROR_LIST = re.compile(r"mirror\+file:(?://)?(?P<path>/.*)")


@dataclass(frozen=True)
class Source:
    """A file of apt sources: ``NAME.list`` (one line each) or ``NAME.sources`` (paragraphs)."""

    name: str
    text: str


def machine_sources(codename: str) -> list[Source]:
    """Read this machine's apt sources and keep those of its distribution.

    :returns: an empty list when none is left; a default archive serves then.
    """
    found = []
    for path in [FOLDER / "sources.list", *sorted((FOLDER / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            keep = one_line_sources if path.suffix == ".list" else paragraphs
            if text := keep(path.read_text(errors="replace"), codename):
                found.append(Source(path.name, text))
    return found


def of_release(source: Source, own: str, wanted: str) -> Source:
    """Return a file of sources for another release of the same distribution."""
    suites = rf"(?<![\w./-]){re.escape(own)}(?=(-({POCKETS}))?(/updates)?(\s|$))"
    return Source(source.name, re.sub(suites, wanted, source.text))


def one_line_sources(text: str, codename: str) -> str:
    """Keep the binary packages of the distribution from a file with one source a line."""
    kept = []
    for line in text.splitlines():
        match = ONE_LINE.match(line.strip())
        if (
            match
            and _ours([match["suite"]], match["components"].split(), codename)
            and (uri := reachable(match["uri"]))
        ):
            options = f"[{match['options'].strip()}] " if match["options"] else ""
            kept.append(f"deb {options}{uri} {match['suite']} {' '.join(match['components'].split())}\n")
    return "".join(kept)


def paragraphs(text: str, codename: str) -> str:
    """Keep the binary packages of the distribution from a file of deb822 paragraphs."""
    kept = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        fields = fields_of(paragraph)
        suites, types = fields.get("suites", "").split(), fields.get("types", "").split()
        uris = [uri for word in fields.get("uris", "").split() if (uri := reachable(word))]
        if "deb" not in types or not uris or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if suites and _ours(suites, fields.get("components", "").split(), codename):
            changed = {**fields, "types": "deb", "uris": " ".join(uris)}
            kept.append("".join(f"{key.title()}: {value}\n" for key, value in changed.items()))
    return "\n".join(kept)


def fields_of(paragraph: str) -> dict[str, str]:
    """Read a deb822 paragraph; continuation lines keep their line breaks, keys become lower case."""
    fields: dict[str, str] = {}
    key = ""
    for line in paragraph.splitlines():
        if line[:1] in (" ", "\t") and key:
            fields[key] += f"\n {line.strip()}"
        elif ":" in line:
            name, value = line.split(":", 1)
            key = name.strip().lower()
            fields[key] = value.strip()
    return fields


def reachable(uri: str) -> str:
    """Return an archive's address as a host can use it; empty for an archive in this machine's files.

    A list of mirrors in a file stands for its first address.
    """
    if listed := MIRROR_LIST.fullmatch(uri):
        try:
            lines = Path(listed["path"]).read_text().splitlines()
        except OSError:
            return ""
        return next((line.split()[0] for line in lines if line.strip().startswith(("http://", "https://"))), "")
    return uri if uri.startswith(("http://", "https://")) else ""


def keyrings(sources: Iterable[Source]) -> list[str]:
    """Return the files with keys that the sources name."""
    found = []
    for source in sources:
        for match in re.finditer(r"signed-by\s*[:=]\s*([^\]\n]+)", source.text, re.IGNORECASE):
            found += [word for word in re.split(r"[\s,]+", match[1]) if word.startswith("/")]
    return sorted(set(found))


def _ours(suites: Iterable[str], components: Iterable[str], codename: str) -> bool:
    own = re.compile(rf"{re.escape(codename)}(-({POCKETS}))?(/updates)?")
    return all(own.fullmatch(suite) for suite in suites) and set(components) <= COMPONENTS
