"""What the http block of nginx lacks for sites, and what its own files say already."""

from __future__ import annotations

import fnmatch
import glob
import os
import re

from .disk import beginning
from .files import WholeFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

    from ..specs.files import HttpBlockSpec
    from ..system import System

MAIN = "/etc/nginx/nginx.conf"
# Files that are looked into, and bytes of each.
MOST_FILES = 500
LONGEST = 1 << 20
COMMENT = re.compile(r"(?m)(?:^|\s)#.*$")
INCLUDE = re.compile(r"(?:^|[\s;{}])include\s+([^\s;]+)\s*;")


class Included:
    """The files that nginx reads, from its first one on.

    :param main: that one.
    :param without: a file that is not looked into.
    :ivar texts: them by their path, without comments.
    :ivar patterns: what is included.
    """

    def __init__(self, main: str, without: str) -> None:
        self.texts: Dict[str, str] = {}
        self.patterns: List[str] = []
        folder, waiting = os.path.dirname(main), [main]
        while waiting and len(self.texts) < MOST_FILES:
            path = waiting.pop()
            if path in self.texts or path == without:
                continue
            self.texts[path] = COMMENT.sub("", beginning(path, LONGEST))
            for word in INCLUDE.findall(self.texts[path]):
                pattern = os.path.join(folder, word.strip("\"'"))
                self.patterns.append(pattern)
                waiting += sorted(glob.glob(pattern))

    def reads(self, path: str) -> bool:
        """Tell whether a file of this path is read."""
        return any(fnmatch.fnmatchcase(path, each) for each in self.patterns)

    def sets(self, directive: str) -> bool:
        """Tell whether one of the files has a directive."""
        pattern = re.compile(r"(?:^|[\s;{}])%s\s" % re.escape(directive))
        return any(pattern.search(text) for text in self.texts.values())


class HttpBlock(WholeFile):
    """See `hawser.resources.HttpBlock`."""

    spec: HttpBlockSpec
    validator = "nginx"

    def __init__(self, spec: HttpBlockSpec, system: System) -> None:
        super().__init__(spec, system)
        self.text = self.lines()

    def lines(self) -> str:
        """Return the directives that nobody else has set."""
        spec, found = self.spec, Included(MAIN, self.spec["path"])
        missing = bool(found.texts) and not found.reads(os.path.join(spec["sites"], "site.conf"))
        rows = ["%s %s;" % (name, value) for name, value in spec["settings"].items() if not found.sets(name)]
        rows += ["include %s/*.conf;" % spec["sites"]] if missing else []
        return "\n".join(["# What the sites of all applications need; replaced by a deploy.", *rows, ""])

    def wanted(self) -> bytes:
        return self.text.encode()
