"""Encrypted volumes: made once and only where nothing is, opened, mounted, and finished after a crash.

A table plays the device here; what cryptsetup really does with these arguments is shown on hosts.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hawser.runner.kernel import mountinfo
from hawser.runner.machine import volumes
from hawser.runner.machine.volumes import LuksVolume, OnlyVolumes
from hawser.runner.system import Failure, Finished

SECRET = "correct horse battery staple"


class Killed(Exception):
    """The run ends here."""


class Disk:
    """A device as cryptsetup, blkid, mkfs and systemd see it.

    :ivar content: what blkid sees on the device, and
    :ivar filesystem: what it sees in the opened volume.
    """

    def __init__(self, folder: Path) -> None:
        self.device = folder / "xvdc"
        self.device.write_bytes(b"\0" * 512)
        self.mapper, self.mounts, self.place = folder / "mapper", folder / "mountinfo", folder / "mnt" / "my logs"
        self.mapper.mkdir()
        self.mounts.write_text("")
        self.content = self.filesystem = self.key = ""
        self.said: list[list[str]] = []
        self.formatted = 0
        self.dies_at = -1
        self.kernel = True
        self.busy = False

    @property
    def open(self) -> Path:
        return self.mapper / "shop-logs"

    def row(self, source):
        """Return the line of the kernel's table of mounts for something in the volume's place."""
        place = str(self.place).replace(" ", "\\040")
        return f"36 35 98:0 / {place} rw - {source} rw\n"

    def run(self, argv, stdin="", check=True, **_more):
        assert SECRET not in " ".join(argv)
        if len(self.said) == self.dies_at:
            raise Killed
        self.said.append(list(argv))
        code = self.answer(list(argv), stdin)
        if check and code:
            raise Failure(f"{argv[0]} exited with {code}")
        said = "" if self.kernel else "Cannot initialize device-mapper. Is dm_mod kernel module loaded?"
        if argv[0] == "blkid" and code == 0:
            said = "TYPE=%s\n" % (self.filesystem if argv[-1] == str(self.open) else self.content)
        return Finished(code, said)

    def answer(self, argv, stdin):
        if argv[:2] == ["cryptsetup", "isLuks"]:
            return 0 if self.key else 1
        if argv[:2] == ["cryptsetup", "luksFormat"]:
            self.key, self.content, self.filesystem = stdin, "crypto_LUKS", ""
            self.formatted += 1
        elif "--test-passphrase" in argv:
            return 0 if stdin == self.key else 2
        elif argv[:2] == ["cryptsetup", "open"]:
            if not self.kernel or stdin != self.key:
                return 1
            self.open.write_text("")
        elif argv[0] == "blkid":
            return 0 if (self.filesystem if argv[-1] == str(self.open) else self.content) else 2
        elif argv[0].startswith("mkfs"):
            self.filesystem = argv[0].partition(".")[2]
        elif argv[:2] == ["systemctl", "start"]:
            self.mounts.write_text(self.row(f"ext4 {self.open}"))
        elif argv[:2] == ["systemctl", "stop"]:
            if self.busy:
                return 1
            self.mounts.write_text("")
        elif argv[:2] == ["cryptsetup", "close"]:
            if self.mounts.read_text():
                return 5
            self.open.unlink()
        return 0


@pytest.fixture
def disk(tmp_path, monkeypatch):
    found = Disk(tmp_path)
    monkeypatch.setattr(volumes, "MAPPER", str(found.mapper))
    monkeypatch.setattr(volumes, "mounts", lambda: mountinfo.mounts(str(found.mounts)))
    return found


@pytest.fixture
def volume(disk, system, monkeypatch):
    monkeypatch.setattr(system, "run", disk.run)

    def make(formats=False):
        spec = {
            "name": "shop-logs",
            "device": str(disk.device),
            "mount": str(disk.place),
            "unit": "mnt-my\\x20logs.mount",
            "passphrase": SECRET,
            "filesystem": "ext4",
            "hint": "fab -H web1 volumes.format --volume logs",
            "formats": formats,
        }
        return LuksVolume(spec, system)

    return make


def put(resource):
    change = resource.check()
    if change is None:
        return None
    resource.apply(change)
    return change.note


def close(disk):
    """What a reboot does."""
    disk.open.unlink()
    disk.mounts.write_text("")


def test_an_empty_device_is_made_only_when_that_is_asked_for(disk, volume):
    with pytest.raises(Failure, match=r"holds no LUKS volume; next: fab -H web1 volumes\.format --volume logs"):
        put(volume())
    assert disk.formatted == 0
    assert "encrypts" in put(volume(formats=True))
    assert (disk.formatted, disk.filesystem) == (1, "ext4")
    assert put(volume()) is None and put(volume(formats=True)) is None


def test_a_device_with_anything_on_it_is_never_formatted(disk, volume):
    disk.content = "ext4"
    with pytest.raises(Failure, match=r"is not empty \(ext4\); next, if nothing of it is needed: wipefs --all"):
        put(volume(formats=True))
    assert disk.formatted == 0


def test_a_volume_is_opened_and_mounted_after_a_reboot_and_never_formatted_again(disk, volume):
    put(volume(formats=True))
    for formats in (False, True):
        close(disk)
        assert put(volume(formats)) == "opens and mounts it"
        assert put(volume()) is None
    assert disk.formatted == 1


def test_another_passphrase_is_told_at_once_and_changes_nothing(disk, volume):
    disk.key, disk.content = "another one", "crypto_LUKS"
    for formats in (False, True):
        with pytest.raises(Failure, match="the passphrase does not open"):
            put(volume(formats))
    assert disk.key == "another one"


def test_a_kernel_that_cannot_open_it_is_named_and_the_device_is_encrypted_once(disk, volume):
    disk.kernel = False
    for _again in range(2):
        with pytest.raises(Failure, match=r"cannot be opened: this host's kernel has no device-mapper"):
            put(volume(formats=True))
    assert disk.formatted == 1


def test_something_else_in_the_place_of_a_volume_is_named(disk, volume):
    disk.mounts.write_text(disk.row("tmpfs tmpfs"))
    with pytest.raises(Failure, match=f"tmpfs is mounted at {disk.place}, where this volume belongs"):
        put(volume())


def test_a_device_that_is_not_there_is_named(disk, volume):
    disk.device.unlink()
    with pytest.raises(Failure, match="xvdc: No such file or directory"):
        put(volume())


def test_wherever_a_run_is_killed_the_same_command_again_gets_there(disk, volume):
    for killed_at in itertools.count():
        disk.key = disk.content = disk.filesystem = ""
        disk.said, disk.dies_at = [], killed_at
        try:
            put(volume(formats=True))
            break
        except Killed:
            pass
        disk.dies_at = -1
        if disk.key:
            # Whatever was half done is not taken for a volume without being asked again.
            finished = disk.filesystem or disk.open.exists()
            if not finished:
                with pytest.raises(Failure, match=r"volumes\.format"):
                    put(volume())
        put(volume(formats=True))
        assert (disk.key, disk.filesystem) == (SECRET, "ext4")
        assert put(volume()) is None
        close(disk)
    assert killed_at > 5


def test_a_filesystem_that_was_not_finished_is_made_anew(disk, volume, system):
    put(volume(formats=True))
    close(disk)
    Path(volume().note()).write_text("filesystem")
    with pytest.raises(Failure, match=r"there is no filesystem on .* yet; next: fab -H web1 volumes\.format"):
        put(volume())
    put(volume(formats=True))
    assert disk.said.count(["mkfs.ext4", "-q", "-F", str(disk.open)]) == 2
    assert disk.formatted == 1


@pytest.fixture
def kept(disk, system, monkeypatch, tmp_path):
    """Have exactly these mount units of volumes; returns what was done and what the event says besides."""
    monkeypatch.setattr(volumes, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(system, "run", disk.run)
    (tmp_path / "units").mkdir()
    for unit, application in {UNIT: "shop", "mnt-other.mount": "shop-two"}.items():
        text = f"# hawser: application={application} volume=logs\n[Mount]\nWhat=/dev/mapper/{application}-logs\n"
        (tmp_path / "units" / unit).write_text(text)

    def kept(*keep, patient=True):
        kind = OnlyVolumes({"application": "shop", "keep": list(keep), "patient": patient}, system)
        done = put(kind)
        return done, kind.facts()

    kept.units = tmp_path / "units"
    return kept


UNIT = "mnt-my\\x20logs.mount"


def test_a_volume_that_is_wanted_stays(kept, volume, disk):
    put(volume(formats=True))
    assert kept(UNIT) == (None, {})
    assert disk.open.exists()


def test_a_volume_that_is_wanted_no_more_is_unmounted_and_closed_and_its_unit_goes(kept, volume, disk):
    put(volume(formats=True))
    assert kept() == (f"unmounts, closes and removes {UNIT}", {})
    assert not disk.open.exists() and disk.mounts.read_text() == ""
    assert [each.name for each in kept.units.iterdir()] == ["mnt-other.mount"]
    assert (disk.key, disk.filesystem) == (SECRET, "ext4")  # what lies in it stays
    assert kept() == (None, {})


def test_a_volume_that_was_not_open_only_loses_its_unit(kept, disk):
    disk.mounts.write_text(disk.row("tmpfs tmpfs"))
    kept()
    assert disk.said == [["systemctl", "reset-failed", "--", UNIT]] and disk.mounts.read_text()
    assert not (kept.units / UNIT).exists()


def test_a_volume_in_use_stays_with_a_warning_until_it_is_not(kept, volume, disk):
    put(volume(formats=True))
    disk.busy = True
    assert "is in use and stays open" in kept()[1]["warning"]
    with pytest.raises(Failure, match="is it in use"):
        kept(patient=False)
    assert disk.open.exists() and (kept.units / UNIT).exists()
    disk.busy = False
    assert kept()[1] == {}
    assert not disk.open.exists()


def test_a_run_that_dies_while_it_closes_a_volume_is_finished_by_the_next(kept, volume, disk):
    for killed_at in range(2):
        put(volume(formats=True))
        (kept.units / UNIT).write_text("# hawser: application=shop volume=logs\n[Mount]\nWhat=/dev/mapper/shop-logs\n")
        disk.said, disk.dies_at = [], killed_at
        with pytest.raises(Killed):
            kept()
        disk.dies_at = -1
        kept()
        assert not disk.open.exists() and not (kept.units / UNIT).exists()
