"""Volumes encrypted with LUKS: made once, opened with a passphrase that goes over standard input, mounted."""

from __future__ import annotations

import os
import re
import stat
import time

from ..files.disk import note_folder, parent_of, read, remove, write_atomically
from ..kernel.mountinfo import mounts
from ..processes.managers import journal
from ..system import Change, Failure, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from ..specs.messages import Details
    from ..specs.system import LuksVolumeSpec, OnlyVolumesSpec
    from ..system import Finished, Spec, System

MAPPER = "/dev/mapper"
# Deriving the key takes seconds by intention, making a filesystem on a slow disk minutes.
PATIENCE = 1800
UNITS = "/etc/systemd/system"
MKFS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}


class LuksVolume(Kind):
    """See `hawser.resources.LuksVolume`."""

    spec: LuksVolumeSpec

    def check(self) -> Optional[Change]:
        spec = self.spec
        source = self.mounted()
        if source is not None:
            if os.path.realpath(source) != os.path.realpath(self.mapper()):
                raise Failure("%s is mounted at %s, where this volume belongs" % (source, spec["mount"]))
            return None
        if os.path.exists(self.mapper()):
            return Change("mounts it")
        self.see_device()
        if not self.is_luks():
            if not spec["formats"]:
                raise Failure("%s holds no LUKS volume; next: %s" % (spec["device"], spec["hint"]))
            if self.stage() != "luks":
                self.refuse_content()
            return Change("encrypts %s, and makes a filesystem on it" % spec["device"])
        if self.stage() == "luks":
            if not spec["formats"]:
                raise Failure("encrypting %s was not finished; next: %s" % (spec["device"], spec["hint"]))
            return Change("encrypts %s anew, for an interrupted run has not finished" % spec["device"])
        self.try_passphrase()
        return Change("opens and mounts it")

    def apply(self, change: Change) -> None:
        spec = self.spec
        if not os.path.exists(self.mapper()):
            if spec["formats"] and (self.stage() == "luks" or not self.is_luks()):
                self.set_stage("luks")
                self.encrypt()
                self.set_stage("")
            self.open()
        if not self.has_filesystem():
            if not spec["formats"]:
                raise Failure("there is no filesystem on %s yet; next: %s" % (spec["device"], spec["hint"]))
            self.set_stage("filesystem")
            self.system.run([*MKFS[spec["filesystem"]], self.mapper()], timeout=PATIENCE)
            self.set_stage("")
        if not os.path.isdir(spec["mount"]):
            # Nobody but root may write there while the volume is closed: it would lie on the disk in plain text.
            with parent_of(spec["mount"], make=True) as (folder, name):
                note_folder(spec["mount"])
                os.mkdir(name, 0o700, dir_fd=folder)
        began = time.time()
        result = self.system.run(["systemctl", "start", "--", spec["unit"]], check=False)
        if result.code:
            raise Failure("%s cannot be mounted" % spec["mount"], journal(self.system, [spec["unit"]], began, 10))

    def mapper(self) -> str:
        return os.path.join(MAPPER, self.spec["name"])

    def mounted(self) -> Optional[str]:
        """Return the source that is mounted in the volume's place, the last of several; None when there is none."""
        found = None
        for place, source in mounts():
            if place == self.spec["mount"]:
                found = source
        return found

    def see_device(self) -> None:
        """Make sure that the device is there, and no folder or the like."""
        try:
            mode = os.stat(self.spec["device"]).st_mode
        except OSError as error:
            raise Failure("%s: %s" % (self.spec["device"], error.strerror)) from None
        if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
            raise Failure("%s is no device that could hold a volume" % self.spec["device"])

    def is_luks(self) -> bool:
        return self.system.run(["cryptsetup", "isLuks", "--", self.spec["device"]], check=False).code == 0

    def probe(self, device: str) -> str:
        """Return the type of contents that blkid(8) sees on a device: a filesystem, a partition table; empty: none.

        :raises Failure: it cannot say.
        """
        result = self.system.run(["blkid", "-p", "-o", "export", "--", device], check=False)
        if result.code == 2:
            return ""
        rows = dict(line.partition("=")[::2] for line in result.output.splitlines())
        found = rows.get("TYPE") or rows.get("PTTYPE")
        if result.code or not found:
            raise Failure("blkid cannot tell what is on %s" % device, result.output)
        return found

    def refuse_content(self) -> None:
        """Make sure that nothing that is known lies on the device."""
        device = self.spec["device"]
        found = self.probe(device)
        if found:
            next_move = "next, if nothing of it is needed: wipefs --all %s on the host" % device
            raise Failure("%s is not empty (%s); %s" % (device, found, next_move))

    def try_passphrase(self) -> None:
        argv = ["open", "--test-passphrase", "--key-file", "-", "--", self.spec["device"]]
        result = self.run(*argv)
        if result.code:
            raise Failure("the passphrase does not open %s" % self.spec["device"], result.output)

    def open(self) -> None:
        result = self.run("open", "--type", "luks", "--key-file", "-", "--", self.spec["device"], self.spec["name"])
        if result.code:
            why = ""
            if "device-mapper" in result.output:
                why = ": this host's kernel has no device-mapper (dm_mod, dm_crypt)"
            raise Failure("%s cannot be opened%s" % (self.spec["device"], why), result.output)

    def has_filesystem(self) -> bool:
        return self.stage() != "filesystem" and bool(self.probe(self.mapper()))

    def run(self, *arguments: str) -> Finished:
        """Run cryptsetup with the passphrase on its standard input."""
        return self.system.run(["cryptsetup", *arguments], stdin=self.spec["passphrase"], timeout=PATIENCE, check=False)

    def encrypt(self) -> None:
        options = ["--batch-mode", "--type", "luks2", "--key-file", "-"]
        result = self.run("luksFormat", *options, "--", self.spec["device"])
        if result.code:
            raise Failure("%s cannot be encrypted" % self.spec["device"], result.output)

    # What is being made, kept on disk: a run that dies in between must not leave something that looks complete.

    def note(self) -> str:
        return os.path.join(self.system.state, "making-%s" % self.spec["name"])

    def stage(self) -> str:
        return (read(self.note()) or b"").decode()

    def set_stage(self, stage: str) -> None:
        if stage:
            write_atomically(self.note(), stage.encode(), 0o600)
        else:
            remove(self.note())


class OnlyVolumes(Kind):
    """See `hawser.resources.OnlyVolumes`."""

    spec: OnlyVolumesSpec

    def __init__(self, spec: Spec, system: System) -> None:
        super().__init__(spec, system)
        self.in_use: List[str] = []

    def check(self) -> Optional[Change]:
        found = sorted(self.extra())
        return Change("unmounts, closes and removes " + ", ".join(found)) if found else None

    def apply(self, change: Change) -> None:
        for unit, mapper in sorted(self.extra().items()):
            where = [place for place, source in mounts() if os.path.realpath(source) == os.path.realpath(mapper)]
            steps = [["systemctl", "stop", "--", unit]] if where else []
            steps += [["cryptsetup", "close", "--", os.path.basename(mapper)]] if os.path.exists(mapper) else []
            if all(self.went_well(argv, unit) for argv in steps):
                # Last, for it tells what is still to be closed.
                remove(os.path.join(UNITS, unit))
                self.system.run(["systemctl", "reset-failed", "--", unit], check=False)

    def went_well(self, argv: List[str], unit: str) -> bool:
        """Run a command; tell whether it succeeded, where a failure may wait."""
        result = self.system.run(argv, check=False)
        if result.code == 0:
            return True
        if not self.spec["patient"]:
            raise Failure("%s cannot be closed; is it in use?" % unit, result.output)
        self.in_use.append(unit)
        return False

    def facts(self) -> Details:
        if not self.in_use:
            return {}
        return {"warning": "%s is in use and stays open; bootstrap and deploy try again" % ", ".join(self.in_use)}

    def extra(self) -> Dict[str, str]:
        """Return the application's volumes that are not to stay, by their mount units: the devices."""
        head, found = "# hawser: application=%s volume=" % self.spec["application"], {}
        for name in os.listdir(UNITS):
            if not name.endswith(".mount") or name in self.spec["keep"]:
                continue
            text = (read(os.path.join(UNITS, name)) or b"").decode("utf-8", "surrogateescape")
            what = re.search(r"^What=/dev/mapper/(\S+)$", text, re.M)
            if text.startswith(head) and what:
                found[name] = os.path.join(MAPPER, what.group(1))
        return found
