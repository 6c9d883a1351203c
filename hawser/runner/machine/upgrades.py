"""Newer versions of what is installed: which there are, their installation, and what it leaves to be started anew."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import time

from ..files.disk import write_atomically
from ..kernel.ports import unit_of
from ..kernel.scopes import processes
from ..rows import MOST_ROWS, some
from ..system import Change, Failure, Kind
from .packages import INSTALL, Packages, lists_are_old, lists_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence, Set

    from ..specs.answers import NewerVersion, Upgrades
    from ..specs.system import PackageListsSpec, RebootedSpec, UpgradedSpec
    from ..system import Finished, System

SIMULATE = ("apt-get", "-s", "-q", "-o", "Debug::NoLocking=1", "--with-new-pkgs", "upgrade")
# One row of what apt would install: the name, the version that is there, the new one, and where that comes from.
ROW = re.compile(r"^Inst (\S+)(?: \[(\S+)\])? \((\S+) (.*?)(?: \[\S+\])?\)", re.MULTILINE)
# An archive of security updates, as Debian and Ubuntu call theirs: `Debian-Security:12/stable-security`.
SECURITY = re.compile(r"(?:^|, )(?:Debian-Security:|[^,]*-security(?:,|$))")
BOOT_ID = "/proc/sys/kernel/random/boot_id"
DPKG_STATUS = "/var/lib/dpkg/status"
SOURCES_FOLDER = "/etc/apt/sources.list.d"
KERNELS = "/boot/vmlinuz-"
WANTS_REBOOT = "/run/reboot-required"
# What holds code: a file of data that was replaced harms nobody.
CODE = re.compile(r" r-xp .* (/(?:usr/)?(?:lib|bin|sbin|libexec)[^ ]*) \(deleted\)$", re.MULTILINE)
# Seconds until a reboot begins, in which the host can answer still.
NOTICE = 1


def pending(system: System) -> Upgrades:
    """Tell which newer versions apt's lists have, and whether the host should be booted again.

    :returns: packages (name, old, new, security), lists (when they were fetched, 0: never), reboot (why the host wants
        one, empty: it wants none), and trouble (why apt cannot tell).
    """
    found: List[NewerVersion] = []
    trouble = ""
    try:
        found = remembered(system)
    except Failure as failure:
        trouble = str(failure)
    return {
        "packages": found[:MOST_ROWS],
        "lists": int(lists_date()),
        "reboot": wants_reboot(),
        "trouble": trouble,
    }


def remembered(system: System) -> List[NewerVersion]:
    """Return what `simulated` does, as it was when the lists and what is installed last changed.

    Some hosts take seconds for it, and `status` is asked often.
    """
    path = os.path.join(system.state, "upgrades.json")
    key = [lists_date(), *(os.stat(each).st_mtime_ns for each in (DPKG_STATUS, SOURCES_FOLDER))]
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        with open(path, "rb") as stream:
            kept = json.loads(stream.read())
        if kept["key"] == key:
            return parse(kept["rows"])
    rows = simulated(system)
    if os.path.isdir(system.state):
        write_atomically(path, json.dumps({"key": key, "rows": rows}).encode(), 0o600)
    return parse(rows)


def simulated(system: System) -> str:
    """Return the rows of what apt would upgrade now.

    :raises Failure: it cannot tell.
    """
    result = system.run(SIMULATE, check=False, apart=True, whole=True)
    if result.code:
        raise Failure("apt-get cannot tell what there is to upgrade", result.errors or result.output)
    return "\n".join(row for row in result.output.splitlines() if row.startswith("Inst "))


def parse(text: str) -> List[NewerVersion]:
    """Read the rows of a simulated upgrade."""
    return [
        {"name": name, "old": old, "new": new, "security": bool(SECURITY.search(origins))}
        for name, old, new, origins in ROW.findall(text)
        if old
    ]


def boot(system: System) -> str:
    """Return what tells this boot from every other one."""
    with open(BOOT_ID, encoding="ascii") as stream:
        return stream.read().strip()


def wants_reboot() -> str:
    """Say why the host should be booted again; empty where nothing says so."""
    if os.path.exists(WANTS_REBOOT):
        return "a package asks for it"
    running = os.uname().release
    found = {path[len(KERNELS) :]: path for path in glob.glob(KERNELS + "*")}
    there = {name: path for name, path in found.items() if flavour(name) == flavour(running)}
    # In a container, the kernel is none of the host's.
    if running not in there:
        return ""
    newest = max(there, key=ordered)
    if ordered(running) < ordered(newest):
        return "the kernel %s waits, %s runs" % (newest, running)
    # Dpkg keeps the date of a file, but not that of its inode.
    replaced = os.stat(there[running]).st_ctime > time.time() - time.monotonic()
    return "the kernel %s was replaced" % running if replaced else ""


def flavour(version: str) -> str:
    """Return what tells kernels for one purpose from others: ``cloud-amd64`` of ``6.1.0-40-cloud-amd64``."""
    return re.split("-(?=[a-z])", version, maxsplit=1)[-1]


def ordered(version: str) -> List[int]:
    """Return what orders the versions of one kernel's packages."""
    return [int(part) for part in re.findall(r"\d+", version)]


def outdated(system: System) -> List[str]:
    """Return the units that run code of files that have been replaced."""
    found: Set[str] = set()
    for pid in processes():
        try:
            with open("/proc/%d/maps" % pid, encoding="utf-8", errors="replace") as stream:
                old = CODE.search(stream.read())
        except OSError:
            continue
        if old:
            found.add(unit_of(pid))
    return sorted(found - {""})[:MOST_ROWS]


class PackageLists(Kind):
    """See `hawser.resources.PackageLists`."""

    spec: PackageListsSpec

    def check(self) -> Optional[Change]:
        old = lists_are_old(self.spec["seconds"])
        return Change("fetches what there is") if old else None

    def apply(self, change: Change) -> None:
        packages = Packages({"names": []}, self.system)
        packages.repair()
        packages.update()
        if packages.unread:
            self.system.warnings.append("apt cannot read all of this host's sources: " + packages.unread)


class Upgraded(Packages):
    """See `hawser.resources.Upgraded`."""

    spec: UpgradedSpec  # type: ignore[assignment]

    def newer(self) -> List[NewerVersion]:
        return [each for each in parse(simulated(self.system)) if each["security"] or self.spec["everything"]]

    def missing(self) -> List[str]:
        return [each["name"] for each in self.newer()]

    def check(self) -> Optional[Change]:
        told = ["%(name)s %(old)s -> %(new)s" % each for each in self.newer()]
        return Change("upgrades " + some(told, 20)) if told else None

    def install(self, names: Sequence[str]) -> Finished:
        return self.patiently([*INSTALL[:-2], "--only-upgrade", *INSTALL[-2:], *names])


class Rebooted(Kind):
    """See `hawser.resources.Rebooted`."""

    spec: RebootedSpec

    def check(self) -> Optional[Change]:
        return Change("reboots") if boot(self.system) == self.spec["boot"] else None

    def apply(self, change: Change) -> None:
        # Not at once: whoever asked for it shall hear that it was taken.
        at = ["--on-active=%d" % NOTICE, "--timer-property=AccuracySec=100ms"]
        self.system.run(["systemd-run", "--quiet", *at, "systemctl", "reboot"])
