"""Names of an application that somebody else has on this host: another application, a package, or a person."""

from __future__ import annotations

import os
import re

from ..files.definitions import HEADER
from ..files.disk import beginning
from ..rows import MOST_ROWS
from ..webservers import TRAITS
from .traits import MANAGERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List

    from ..specs.answers import TakenName
    from .traits import ManagerTraits

# Bytes at the top of a file in which its owner is looked for.
TOP = 4096
LONGEST_CRONTAB = 1 << 18
CRON = "/etc/cron.d"
TAG = re.compile(r"systemd-cat -t ([a-z0-9_-]+) ")
# The first line of a file that is called like its application.
ENTITLED = re.compile(r"\A# The (?:crontab entries|logs|site) of ([a-z0-9-]+)[;.]")


def taken(application: str) -> List[TakenName]:
    """List the files that stand where an application would write its own, and are not its own.

    :returns: dicts with the path that it would write; with the path of the file, which differs where a name counts
        wherever it is defined; and with the application that owns it, empty where that is none of ours.
    """
    found = [row for traits in MANAGERS.values() for row in of_manager(traits, application)]
    own = ["%s/%s" % (folder, application) for folder in (CRON, "/etc/logrotate.d")]
    for path in own + [traits.page(application) for traits in TRAITS.values()]:
        if os.path.lexists(path):
            entitled = ENTITLED.match(beginning(path, TOP))
            owner = entitled.group(1) if entitled else ""
            if owner != application:
                found.append({"wanted": path, "path": path, "application": owner})
    found += of_cron(application)
    return found[:MOST_ROWS]


def of_cron(application: str) -> Iterator[TakenName]:
    """Yield the names in the journal that crontab entries of other applications have: no paths."""
    for file in files(CRON, ""):
        path = os.path.join(CRON, file)
        if file == application:
            continue
        text = beginning(path, LONGEST_CRONTAB)
        entitled = ENTITLED.match(text)
        for name in dict.fromkeys(TAG.findall(text)) if entitled else ():
            if name.startswith(application + "-"):
                yield {"wanted": name, "path": path, "application": entitled.group(1) if entitled else ""}


def of_manager(traits: ManagerTraits, application: str) -> Iterator[TakenName]:
    """Yield the names of processes under one manager that are taken."""
    mine = set()
    prefix = application + "-"
    for file in files(traits.folder, traits.suffix):
        path = os.path.join(traits.folder, file)
        if not file.startswith(prefix) and not traits.names:
            continue
        text = beginning(path, TOP)
        header = HEADER.search(text)
        owner = header.group(1) if header else ""
        if owner == application:
            mine.add(file)
            continue
        named = re.findall(traits.names, text, re.M) if traits.names else []
        for name in dict.fromkeys([file[: -len(traits.suffix)], *named]):
            if name.startswith(prefix):
                wanted = os.path.join(traits.folder, name + traits.suffix)
                yield {"wanted": wanted, "path": path, "application": owner}
    for folder in traits.others:
        for file in files(folder, traits.suffix):
            if file.startswith(prefix) and file not in mine:
                wanted = os.path.join(traits.folder, file)
                yield {"wanted": wanted, "path": os.path.join(folder, file), "application": ""}


def files(folder: str, suffix: str) -> List[str]:
    """Return the names in a folder that end so; none where there is no such folder."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(suffix))
    except OSError:
        return []
