"""Debian packages."""

from __future__ import annotations

import glob
import os
import re
import time

from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Set

    from ..specs.system import PackagesSpec
    from ..system import Finished

DPKG_UPDATES = "/var/lib/dpkg/updates"
LISTS = "/var/lib/apt/lists"
LISTS_AGE = 24 * 3600
STAMP = "/var/lib/apt/periodic/update-success-stamp"
SOURCES = "/etc/apt/sources.list*"
LOCK_PATIENCE = 120
# Policy manual 5.6.1. A trailing minus would ask apt to remove the package, so it is no name here.
NAME = re.compile(r"^[a-z0-9][a-z0-9+.-]*[a-z0-9+](:[a-z0-9-]+)?$")
LOCKED = re.compile(r"Could not get lock|is locked by another process|frontend lock was locked", re.I)
STALE_LISTS = re.compile(r"Unable to locate package|has no installation candidate|404 +Not Found|Hash Sum mismatch")
UNKNOWN = re.compile(r"Unable to locate package (\S+)|Package '(\S+)' has no installation candidate")
UNREAD = re.compile(r"^(?:E: (?!Some index files)|W: (?=Failed to fetch))(.*)", re.MULTILINE)
# A server that was reached, and gives something else.
ANSWER = re.compile(
    r"Failed to fetch (\S{1,300}) +(\d{3} +[A-Z][^\[\n]{0,100}|Hash Sum mismatch|File has unexpected size)"
)
VIRTUAL = re.compile(r"Package (\S+) is a virtual package provided by")
INSTALL = (
    "apt-get", "-y", "-q", "--no-install-recommends",
    "-o", "Dpkg::Options::=--force-confold",
    "-o", "DPkg::Lock::Timeout=%d" % LOCK_PATIENCE,
    "install", "--",
)  # fmt: skip
# What needs a restart after an installation is the rollout's business, not needrestart's.
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "l"}


def parse_installed(text: str) -> Set[str]:
    """Return the names that are installed, each plain and as ``name:arch``, from dpkg-query's rows.

    :param text: rows of package, architecture, status and what it provides, parted by ``|``.
    """
    names: Set[str] = set()
    for row in text.splitlines():
        package, architecture, status, provides = row.split("|", 3)
        if status != "installed":
            continue
        virtual = [each.split("(")[0].strip() for each in provides.split(",") if each.strip()]
        for name in [package, *virtual]:
            plain = name.split(":")[0]
            names.update((plain, "%s:%s" % (plain, architecture), plain + ":any"))
    return names


class Packages(Kind):
    """See `hawser.resources.Packages`."""

    spec: PackagesSpec
    # What apt says of sources that it cannot read; empty where it reads all of them.
    unread = ""

    def missing(self) -> List[str]:
        """Return the names that are neither installed nor provided by something installed."""
        names = self.spec["names"]
        for name in names:
            if not NAME.match(name):
                raise Failure("%r is no name of a Debian package" % name)
        if not names:
            return []
        installed = self.query(names)
        missing = [name for name in names if name not in installed]
        if missing:
            # A virtual name is only known by those that provide it: ask for everything, once.
            installed = self.query([])
            missing = [name for name in missing if name not in installed]
        return missing

    def query(self, names: Sequence[str]) -> Set[str]:
        argv = ["dpkg-query", "-W", "-f", "${Package}|${Architecture}|${db:Status-Status}|${Provides}\n", *names]
        return parse_installed(self.system.run(argv, check=False, apart=True, whole=True).output)

    def check(self) -> Optional[Change]:
        missing = self.missing()
        return Change("installs " + ", ".join(missing)) if missing else None

    def apply(self, change: Change) -> None:
        self.repair()
        updated = lists_are_old()
        if updated:
            self.update()
        names = self.missing()
        if not names:
            return
        result = self.install(names)
        if result.code and STALE_LISTS.search(result.output) and not updated:
            self.update()
            result = self.install(names)
        if result.code:
            reason = "; and apt cannot read all of its sources: " + self.unread if self.unread else ""
            raise Failure(explain(result.output, names) + reason, result.output)
        self.output = result.output
        left = self.missing()
        if left:
            raise Failure("apt-get succeeded, yet not installed: %s" % ", ".join(left), result.output)
        if self.unread:
            self.system.warnings.append("apt cannot read all of this host's sources: " + self.unread)

    def repair(self) -> None:
        """Finish the half-done work of an interrupted dpkg; apt refuses to work before."""
        pending = os.path.isdir(DPKG_UPDATES) and os.listdir(DPKG_UPDATES)
        if pending or self.system.run(["dpkg", "--audit"], check=False).output.strip():
            result = self.patiently(["dpkg", "--force-confold", "--configure", "-a"])
            if result.code:
                raise Failure("an earlier installation was interrupted and cannot be finished", result.output)

    def update(self) -> None:
        """Fetch the lists; a source that is dead matters only to what is wanted of it."""
        result = self.patiently(["apt-get", "-q", "update"])
        self.unread = unread(result.output)
        if result.code and not self.unread:
            raise Failure("the package lists cannot be updated", result.output)

    def install(self, names: Sequence[str]) -> Finished:
        return self.patiently([*INSTALL, *names])

    def patiently(self, argv: Sequence[str]) -> Finished:
        """Run apt or dpkg, again while another one holds a lock that it does not itself wait for."""
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            result = self.system.run(argv, env=ENVIRONMENT, timeout=1800, check=False)
            if not result.code or not LOCKED.search(result.output):
                return result
            if time.monotonic() > deadline:
                raise Failure("another program has kept apt locked for %d s" % LOCK_PATIENCE, result.output)
            time.sleep(2)


def lists_date() -> float:
    """Return when apt's lists were fetched, in seconds since the epoch; 0 where there are none."""
    if not glob.glob(LISTS + "/*_Packages*") and not glob.glob(LISTS + "/*_InRelease"):
        return 0.0
    return max(os.stat(path).st_mtime for path in (LISTS, LISTS + "/partial", STAMP) if os.path.exists(path))


def lists_are_old(age: float = LISTS_AGE) -> bool:
    """Tell whether apt's lists are missing, older than some seconds, or older than its sources."""
    updated = lists_date()
    sources = [*glob.glob(SOURCES), *glob.glob(SOURCES + "/*")]
    changed = max((os.stat(path).st_mtime for path in sources if os.path.exists(path)), default=0)
    return updated < max(time.time() - age, changed)


def unread(output: str) -> str:
    """Return what `apt-get update` says of the first source that it could not read; empty where it read all."""
    found = UNREAD.search(output)
    return found.group(1) if found else ""


def explain(output: str, names: Sequence[str]) -> str:
    """Say in one line why apt could not install."""
    virtual = VIRTUAL.search(output)
    if virtual:
        return "%s stands for several packages; name the one to install" % virtual.group(1)
    unknown = sorted({one or other for one, other in UNKNOWN.findall(output)})
    if unknown:
        return "no package named %s in this host's apt sources" % ", ".join(unknown)
    if "No space left on device" in output or "You don't have enough free space" in output:
        return "the disk is full"
    answer = ANSWER.search(output)
    if answer:
        return "a package server answers for %s: %s" % (answer.group(1), " ".join(answer.group(2).split()))
    if re.search(r"Temporary failure resolving|Could not (connect|resolve)|Failed to fetch", output):
        return "the package server cannot be reached"
    return "apt-get could not install %s" % ", ".join(names)
