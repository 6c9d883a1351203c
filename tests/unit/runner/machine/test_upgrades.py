"""Newer versions of packages: what apt says of them, and what runs code that was replaced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hawser.answers.kinds import adapter
from hawser.answers.rows import Upgrades
from hawser.runner.machine import upgrades
from hawser.runner.machine.upgrades import CODE, Rebooted, Upgraded, boot, ordered, outdated, parse, pending
from hawser.runner.system import Failure, Finished

SAID = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages have been kept back:
  linux-image-amd64
Inst libc6 [2.36-9+deb12u10] (2.36-9+deb12u13 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []
Inst openssl [3.0.16-1~deb12u1] (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
Inst base-files [12.4+deb12u11] (12.4+deb12u12 Debian:12.12/stable [amd64])
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/stable-security [amd64])
Inst libssl3t64:i386 [3.0.13-0] (3.0.13-6 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [i386])
Inst tzdata [2024a] (2025b Ubuntu:24.04/noble-updates [all])
Inst own-tool [1.0] (1.1 not-security:1/stable [all])
Conf openssl (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
"""


def test_what_comes_from_an_archive_of_security_updates_is_told_from_the_rest() -> None:
    rows = {row["name"]: row for row in parse(SAID)}
    # What is not installed yet comes along with what needs it.
    assert [name for name, row in rows.items() if row["security"]] == ["libc6", "openssl", "libssl3t64:i386"]
    assert [name for name, row in rows.items() if not row["security"]] == ["base-files", "tzdata", "own-tool"]
    assert rows["openssl"] == {
        "name": "openssl",
        "old": "3.0.16-1~deb12u1",
        "new": "3.0.17-1~deb12u3",
        "security": True,
    }


@pytest.fixture
def apt(system, monkeypatch, tmp_path):
    """Have apt say something, and count how often it is asked."""
    status, sources = tmp_path / "status", tmp_path / "sources"
    status.write_text("")
    sources.mkdir()
    monkeypatch.setattr(upgrades, "DPKG_STATUS", str(status))
    monkeypatch.setattr(upgrades, "SOURCES_FOLDER", str(sources))
    monkeypatch.setattr(upgrades, "lists_date", lambda: 1000.0)
    Path(system.state).mkdir(parents=True, exist_ok=True)

    class Apt:
        asked = 0
        answer = Finished(0, SAID)

    def run(argv, **_more):
        Apt.asked += 1
        return Apt.answer

    monkeypatch.setattr(system, "run", run)
    Apt.status = status
    return Apt


def test_apt_is_asked_again_when_something_was_installed(system, apt) -> None:
    first = pending(system)
    assert first == pending(system) and apt.asked == 1
    assert adapter(Upgrades).validate_python(first)["packages"][1]["name"] == "openssl"
    apt.answer = Finished(0, "")
    later = time.time() + 10
    os.utime(apt.status, (later, later))
    assert pending(system)["packages"] == [] and apt.asked == 2


@pytest.mark.parametrize("kept", ["{", "[]", '{"key": 1}', '{"key": null, "rows": 7}', "\x00"])
def test_what_was_kept_and_cannot_be_read_is_asked_anew(system, apt, kept: str) -> None:
    (Path(system.state) / "upgrades.json").write_text(kept)
    assert len(pending(system)["packages"]) == 6
    assert json.loads((Path(system.state) / "upgrades.json").read_text())["key"]


def test_a_host_that_was_never_set_up_gets_no_folder_for_it(system, apt) -> None:
    shutil.rmtree(system.state)
    assert len(pending(system)["packages"]) == 6 and not Path(system.state).exists()


def test_an_apt_that_cannot_tell_is_told_and_an_upgrade_fails(system, apt) -> None:
    apt.answer = Finished(100, "", "E: dpkg was interrupted")
    assert pending(system)["trouble"] == "apt-get cannot tell what there is to upgrade"
    with pytest.raises(Failure, match="cannot tell") as told:
        Upgraded({"everything": False}, system).check()
    assert "dpkg was interrupted" in told.value.output


def test_only_security_updates_are_installed_unless_all_are_wanted(system, apt) -> None:
    assert Upgraded({"everything": False}, system).missing() == ["libc6", "openssl", "libssl3t64:i386"]
    assert "tzdata 2024a -> 2025b" in Upgraded({"everything": True}, system).check().note
    apt.answer = Finished(0, "Inst tzdata [2024a] (2025b Debian:12/stable [all])")
    assert Upgraded({"everything": False}, system).check() is None


def test_this_machines_own_apt_is_understood(system) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("needs a Debian system")
    said = upgrades.simulated(system)
    assert len(parse(said)) == sum(" [" in row.split("(")[0] for row in said.splitlines())


def test_a_program_that_runs_code_that_was_replaced_is_found(system, tmp_path: Path, monkeypatch) -> None:
    library = tmp_path / "usr" / "lib" / "libold.so.1"
    library.parent.mkdir(parents=True)
    shutil.copy(next(Path("/usr/lib").rglob("libz.so.1")).resolve(), library)
    program = f"import ctypes, sys; ctypes.CDLL({str(library)!r}); print(flush=True); sys.stdin.read()"
    monkeypatch.setattr(upgrades, "unit_of", lambda pid: f"unit-of-{pid}")
    # The place of a library of the system, which a test does not replace.
    monkeypatch.setattr(
        upgrades, "CODE", __import__("re").compile(CODE.pattern.replace("(/", f"({tmp_path}/"), CODE.flags)
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert f"unit-of-{child.pid}" not in outdated(system)
        library.unlink()
        assert f"unit-of-{child.pid}" in outdated(system)
        child.kill()


def test_data_that_was_replaced_and_files_of_others_are_no_old_code() -> None:
    row = "7f00-7f01 r-xp 00000000 08:01 12  {} (deleted)"
    assert CODE.search(row.format("/usr/lib/x86_64-linux-gnu/libssl.so.3"))
    assert CODE.search(row.format("/usr/sbin/nginx"))
    assert not CODE.search(row.format("/usr/lib/locale/x").replace("r-xp", "r--p"))
    assert not CODE.search(row.format("/memfd:doublemapper"))
    assert not CODE.search(row.format("/srv/shop/releases/1/lib/x.so"))
    assert not CODE.search("7f00-7f01 r-xp 00000000 08:01 12  /usr/lib/libssl.so.3")


def test_a_newer_kernel_wants_a_boot(monkeypatch, tmp_path: Path, own_time) -> None:
    class Machine:
        release = "6.1.0-40-amd64"

    monkeypatch.setattr(upgrades.os, "uname", Machine)
    monkeypatch.setattr(upgrades, "KERNELS", f"{tmp_path}/vmlinuz-")
    monkeypatch.setattr(upgrades, "WANTS_REBOOT", str(tmp_path / "reboot-required"))
    # As in a container, whose kernel is that of its machine.
    assert upgrades.wants_reboot() == ""
    (tmp_path / "vmlinuz-6.1.0-40-amd64").touch()
    assert upgrades.wants_reboot() == "the kernel 6.1.0-40-amd64 was replaced"
    own_time(upgrades, time=lambda: time.time() + 1_000_000)
    assert upgrades.wants_reboot() == ""
    (tmp_path / "vmlinuz-6.1.0-9-amd64").touch()
    (tmp_path / "vmlinuz-6.5.0-1-cloud-amd64").touch()
    (tmp_path / "vmlinuz-6.5.0-1-amd64.dpkg-bak").touch()
    assert upgrades.wants_reboot() == ""
    (tmp_path / "vmlinuz-6.1.0-41-amd64").touch()
    assert upgrades.wants_reboot() == "the kernel 6.1.0-41-amd64 waits, 6.1.0-40-amd64 runs"
    (tmp_path / "reboot-required").touch()
    assert upgrades.wants_reboot() == "a package asks for it"


def test_kernels_are_ordered_by_their_numbers() -> None:
    names = ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.12.1-1-amd64"]
    assert sorted(sorted(names), key=ordered) == names


def test_a_host_that_has_been_booted_since_is_not_booted_again(system) -> None:
    assert Rebooted({"boot": boot(system)}, system).check().note == "reboots"
    assert Rebooted({"boot": "another one"}, system).check() is None
