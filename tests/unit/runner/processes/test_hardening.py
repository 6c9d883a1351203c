"""Folders of a user that its processes cannot write to, and what systemd makes of units."""

from __future__ import annotations

import os
import pwd

import pytest

from hawser.runner.processes import hardening
from hawser.runner.processes.hardening import elsewhere, exposures
from hawser.runner.system import Finished

NOBODY = pwd.getpwuid(65534).pw_name

SAID = """\
✗ UMask=   Files created by service are world-readable by default   0.1

→ Overall exposure level for shop-web-blue.service: 1.8 OK :-)
→ Overall exposure level for shop-worker.service: 9.2 UNSAFE :-(
→ Overall exposure level for other.service: 9.6 UNSAFE :-(
"""


@pytest.fixture
def top(tmp_path, monkeypatch):
    """Have all folders of the system lie below one of the tests', on a host that mounts what a server has."""
    scan = os.scandir
    monkeypatch.setattr(hardening, "mounts", lambda: [(str(tmp_path / "far"), "nas:/x"), (str(tmp_path), "/dev/vda")])

    def below(folder):
        return scan(tmp_path if folder == "/" else folder)

    monkeypatch.setattr(hardening.os, "scandir", below)
    return tmp_path


def made(*folders, uid=65534):
    for folder in folders:
        folder.mkdir(parents=True)
        os.chown(folder, uid, -1)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another user")
def test_folders_of_a_user_are_found_where_its_processes_cannot_write(system, top):
    made(top / "data" / "media" / "inner", top / "var" / "log" / "shop", top / "far" / "x", uid=0)
    made(top / "data" / "own", top / "srv" / "shop" / "home", top / "a" / "b" / "c" / "d" / "e", top / "o")
    os.chown(top / "var" / "log" / "shop", 65534, -1)
    os.chown(top / "far" / "x", 65534, -1)
    (top / "link").symlink_to(top / "data" / "own")
    found = elsewhere(system, NOBODY, [str(top / "srv" / "shop")])
    assert found == sorted(str(top / each) for each in ("data/own", "var/log/shop", "o"))
    assert elsewhere(system, NOBODY, [str(top / each) for each in ("srv", "data", "var", "o")]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to another user")
def test_no_more_are_named_than_anybody_reads_and_a_slow_disk_is_not_looked_through(system, top, own_time):
    made(*(top / f"f{number:03}" for number in range(40)))
    assert len(elsewhere(system, NOBODY, [])) == hardening.MOST
    moments = iter(range(0, 100, 2))
    own_time(hardening, monotonic=lambda: next(moments))
    assert len(elsewhere(system, NOBODY, [])) == 1


def test_a_user_who_is_not_there_has_none(system):
    assert elsewhere(system, "no-such-user", []) == []


def test_the_level_of_each_unit_is_read_and_of_no_other(system, monkeypatch):
    asked = []

    def run(argv, **_options):
        asked.append(argv)
        return Finished(0, SAID)

    monkeypatch.setattr(system, "run", run)
    assert exposures(system, ["shop-web-blue", "shop-worker", "gone"]) == {"shop-web-blue": 1.8, "shop-worker": 9.2}
    assert asked[0][:3] == ["systemd-analyze", "security", "--no-pager"] and "gone.service" in asked[0]
    assert exposures(system, []) == {} and len(asked) == 1
