"""Mounts: any that shall be there, our own, and the exports of a server."""

from __future__ import annotations

import os
import time

from ..files.disk import read, remove
from ..files.files import WholeFile
from ..processes.managers import journal
from ..system import Change, Failure, Kind, group_id, user_id
from .probes import is_mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..specs.system import ExportsSpec, MountedSpec, MountSpec, OnlyMountsSpec
    from ..system import System

UNITS = "/etc/systemd/system"
# Seconds for a look into a mounted folder: for one whose server is gone, a program would wait without an end.
PATIENCE = 10


class Mounted(Kind):
    """See `hawser.resources.Mounted`."""

    spec: MountedSpec

    def check(self) -> Optional[Change]:
        path = self.spec["path"]
        if not is_mount(path):
            raise Failure("%s is not mounted; %s" % (path, self.spec["hint"]))
        argv = ["timeout", "-s", "KILL", str(PATIENCE), "stat", "-f", "--", path]
        if self.system.run(argv, check=False).code:
            raise Failure("%s is mounted, but did not answer within %d s; is its server up?" % (path, PATIENCE))
        return None


class Mount(Kind):
    """See `hawser.resources.Mount`."""

    spec: MountSpec

    def check(self) -> Optional[Change]:
        unit = self.spec["unit"]
        if self.due:
            return Change("mounts it")
        argv = ["systemctl", "show", "-p", "ActiveState,UnitFileState", "--", unit]
        rows = dict(line.partition("=")[::2] for line in self.system.run(argv).output.splitlines())
        wants = []
        if rows.get("ActiveState") != "active":
            wants.append("mounts it")
        if rows.get("UnitFileState") != "enabled":
            wants.append("at boot too")
        return Change(", ".join(wants)) if wants else None

    def apply(self, change: Change) -> None:
        unit = self.spec["unit"]
        self.system.run(["systemctl", "daemon-reload"])
        self.system.run(["systemctl", "--quiet", "enable", "--", unit])
        began = time.time()
        result = self.system.run(["systemctl", "restart" if self.due else "start", "--", unit], check=False)
        if result.code:
            raise Failure("%s cannot be mounted" % self.spec["path"], journal(self.system, [unit], began, 10))


class OnlyMounts(Kind):
    """See `hawser.resources.OnlyMounts`."""

    spec: OnlyMountsSpec

    def check(self) -> Optional[Change]:
        found = self.extra()
        return Change("unmounts and removes " + ", ".join(found)) if found else None

    def apply(self, change: Change) -> None:
        for name in self.extra():
            result = self.system.run(["systemctl", "--quiet", "disable", "--now", "--", name], check=False)
            if result.code:
                raise Failure("%s cannot be unmounted; is it in use?" % name, result.output)
            remove(os.path.join(UNITS, name))
            # Or it stays in the list of what has failed, without a file.
            self.system.run(["systemctl", "reset-failed", "--", name], check=False)
        self.system.run(["systemctl", "daemon-reload"])

    def extra(self) -> List[str]:
        """Return the names of the application's mount units that are not to stay."""
        head = ("# hawser: application=%s share=" % self.spec["application"]).encode()
        names = sorted(name for name in os.listdir(UNITS) if name.endswith(".mount"))
        ours = [name for name in names if (read(os.path.join(UNITS, name)) or b"").startswith(head)]
        return [name for name in ours if name not in self.spec["keep"]]


class Exports(WholeFile):
    """See `hawser.resources.Exports`."""

    spec: ExportsSpec

    def __init__(self, spec: ExportsSpec, system: System) -> None:
        super().__init__(spec, system)
        self.validator = spec["validate"]

    def wanted(self) -> bytes:
        spec = self.spec
        # The application's user has another number on every host; all that clients do is done by the one of the server.
        who = "all_squash,anonuid=%d,anongid=%d" % (user_id(spec["user"]), group_id(spec["user_group"]))
        lines = ["# hawser: application=%s\n" % spec["application"]]
        for folder, clients in spec["shares"]:
            lines.append(
                "%s %s\n" % (folder, " ".join("%s(rw,sync,no_subtree_check,%s)" % (each, who) for each in clients))
            )
        return "".join(lines).encode()
