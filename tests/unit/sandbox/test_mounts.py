"""Reading what is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hawser.sandbox.cgroups import hierarchies, why_not_here
from hawser.sandbox.mounts import file_system, parse

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_a_hybrid_machine_has_two_hierarchies_for_systemd() -> None:
    assert hierarchies(parse(HYBRID)) == [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]


def test_a_version_2_machine_has_one() -> None:
    assert hierarchies(parse("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n")) == [Path("/sys/fs/cgroup")]


@pytest.mark.parametrize(
    ("version", "mounts", "said"),
    [
        (252, HYBRID, False),
        (257, HYBRID, False),
        (258, HYBRID, True),
        (262, HYBRID, True),
        (262, "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", False),
        (None, HYBRID, False),
    ],
)
def test_a_systemd_that_cannot_run_on_this_machine_is_known_before_it_starts(tmp_path, version, mounts, said) -> None:
    folder = tmp_path / "usr" / "lib" / "x86_64-linux-gnu" / "systemd"
    folder.mkdir(parents=True)
    if version:
        (folder / f"libsystemd-core-{version}.so").touch()
    why = why_not_here(tmp_path, parse(mounts))
    assert bool(why) == said
    assert not said or (f"its systemd {version} needs control groups of version 2" in why and "next: " in why)


def test_the_innermost_mount_holds_a_folder() -> None:
    mounts = parse("/dev/a / ext4 rw 0 0\noverlay /var overlay rw 0 0\ntmpfs /var/lib/x tmpfs rw 0 0\n")
    assert file_system(Path("/var/lib/x/y"), mounts) == "tmpfs"
    assert file_system(Path("/var/lib/xy"), mounts) == "overlay"
    assert file_system(Path("/home"), mounts) == "ext4"


def test_a_later_mount_hides_an_earlier_one() -> None:
    mounts = parse("/dev/a /srv ext4 rw 0 0\noverlay /srv overlay rw 0 0\n")
    assert file_system(Path("/srv/x"), mounts) == "overlay"


def test_spaces_in_a_path_are_read() -> None:
    assert parse("/dev/a /srv/a\\040b ext4 rw 0 0\n")[0].target == Path("/srv/a b")
