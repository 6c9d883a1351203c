"""The origins of requirements: a package index or a repository elsewhere, or the checkout itself.

A line that is not understood counts as one from the checkout: an environment that is built too often does no harm, one
that is shared with another release's code does.
"""

from __future__ import annotations

import codecs
import glob
import json
import os
import re

from ..files.disk import read_beneath
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List

# As pip reads requirements: a byte order mark first, such as those of PowerShell.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ARCHIVE = re.compile(r"\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma|zst))$", re.I)
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
EXTRAS = r"\s{0,9}(?:\[[^\]]*\])?\s{0,9}"
VERSIONED = re.compile(r"^(%s)%s(?:\(?\s*(?:[<>=!~]=?=?)[^@/\\]*)?$" % (NAME, EXTRAS))
ELSEWHERE = re.compile(r"^(?:%s%s@\s*)?(?:(?:git|hg|svn|bzr)\+)?(?:https?|ssh|git|svn)://" % (NAME, EXTRAS), re.I)
OPTION = re.compile(r"^(-[a-zA-Z]|--[a-z-]+)(?:\s*=\s*|\s+|(?<=^-[a-zA-Z]))?(.*)$")
PLACES = ("-f", "--find-links", "-i", "--index-url", "--pypi-url", "--extra-index-url", "--index", "--default-index")
EDITABLE = ("-e", "--editable")
# Sources of uv.lock that are the same for all checkouts; a virtual one is not installed itself.
LOCKED = re.compile(r"source = \{ (\w+) = \"([^\"\n]*)")
# Keys and values of TOML that name a place: sources of uv and Poetry, folders of wheels, and what a builder works out.
NAMED_IN_TOML = re.compile(
    r"""(?:^|[{,\s.])["']?(?:path|directory|workspace|editable|find-links|dynamic)["']?\s*[=\]]"""
    r"""|^[ \t]*["']?(?:default-)?(?:extra-)?(?:index-)?url["']?\s*=\s*["'](?!https?:)"""
    r"""|["']file:|@\s*(?:file:|\.|\$|\{|git\+file:)""",
    re.M,
)
# Characters of a line that is looked at; pip has no limit, and no requirement comes near.
LONGEST_LINE = 1 << 13
# Servers of repositories, as requirements, pyproject.toml and uv.lock name them.
SERVER = re.compile(
    r"\b(?:git|url)(?:\+|[\"']?\s{0,9}=\s{0,9}[\"'](?:git\+)?)(?:ssh|https?)://(?:[^/@\s\"']{1,200}@)?([\w.-]{1,253})"
)
# Bytes of what an environment says about the origin of one package.
LONGEST = 1 << 16


def decode(data: bytes) -> str:
    """Return the text of a file of requirements or settings."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def is_local(line: str, root: str) -> bool:
    """Tell whether a line of requirements names, or may name, files that belong to one release.

    :param root: the application's folder; links into it lead to one release today and to another tomorrow.
    """
    if len(line) > LONGEST_LINE:
        return True
    line = line.split(" #", 1)[0].strip()
    option = OPTION.match(line)
    if option:
        name, value = option.groups()
        if name in EDITABLE:
            return not ELSEWHERE.match(value)
        return name in PLACES and is_local_place(value.strip("\"' "), root)
    requirement = re.split(r"\s--[a-z]|;", line, maxsplit=1)[0].strip()
    if not requirement or ELSEWHERE.match(requirement):
        return False
    named = VERSIONED.match(requirement)
    return named is None or bool(ARCHIVE.search(requirement))


def servers(text: str) -> List[str]:
    """Return the servers of the repositories that a file names."""
    return SERVER.findall(text)


def is_local_place(place: str, root: str) -> bool:
    """Tell whether a folder or an index lies, or may lie, in the checkout."""
    path = re.sub(r"^file:/*(?=/)", "", place)
    if not path.startswith("/"):
        return not re.match(r"^https?://", place, re.I)
    return "$" in path or (os.path.normpath(path) + "/").startswith(root.rstrip("/") + "/")


def is_local_lock(text: str) -> bool:
    """Tell whether uv.lock names something of the checkout that is installed."""
    for kind, value in LOCKED.findall(text):
        elsewhere = re.match(r"^(?:https?|ssh|git)://", value)
        if kind != "virtual" and not (elsewhere and kind in ("registry", "url", "git")):
            return True
    return False


def is_local_toml(text: str) -> bool:
    """Tell whether pylock.toml, pyproject.toml or uv.toml names, or may name, something of the checkout."""
    return bool(NAMED_IN_TOML.search(text))


def folders_of_settings(source: str, project: str) -> Iterator[str]:
    """Yield the folders of a checkout where uv looks for settings: the project's and those above it."""
    folder = project
    while (folder + "/").startswith(source.rstrip("/") + "/"):
        yield folder
        folder = os.path.dirname(folder)


def uv_tables(text: str) -> str:
    """Return the tables of a pyproject.toml that hold settings for uv; sources count where the project is installed."""
    tables = re.split(r"^(?=[ \t]*\[)", text, flags=re.M)
    return "".join(each for each in tables if re.match(r"\s*\[\[?\s*tool\s*\.\s*uv\b(?!\s*\.\s*sources)", each))


def came_from(environment: str, source: str) -> bool:
    """Tell whether anything in an environment says that it was installed out of a checkout (PEP 610)."""
    beneath = "file://" + source.rstrip("/")
    for path in glob.glob(
        os.path.join(glob.escape(environment), "lib/python*/site-packages/*.dist-info/direct_url.json")
    ):
        try:
            url = json.loads((read_beneath(environment, path, LONGEST) or b"{}").decode("utf-8", "replace"))["url"]
        except (Failure, OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(url, str) and (url + "/").startswith(beneath + "/"):
            return True
    return False
