"""Mounts that are there and that are not, units that are to go, exports with the server's own numbers."""

from __future__ import annotations

import os

import pytest

from hawser.runner.machine import mounts
from hawser.runner.machine.mounts import Exports, Mounted, OnlyMounts
from hawser.runner.machine.probes import is_mount, unmounted
from hawser.runner.system import Failure, Finished

from ..conftest import ME, MY_GROUP, names, whole

TABLE = """\
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 22 0:44 / /srv/media rw,relatime shared:45 - nfs4 10.0.0.1:/srv/shares/media rw,vers=4.2
91 22 0:45 / /mnt/with\\040blank rw - tmpfs tmpfs rw
"""


def test_the_kernels_table_says_what_is_mounted(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    there = [path for path in ("/srv/media", "/srv/media/", "/mnt/with blank", "/") if is_mount(path, str(table))]
    assert there == ["/srv/media", "/srv/media/", "/mnt/with blank", "/"]
    assert not is_mount("/srv", str(table)) and not is_mount("/srv/med", str(table))


def test_a_share_that_is_needed_and_not_mounted_is_told(system, tmp_path):
    assert unmounted(system, "/dev/null", ["/proc", str(tmp_path)]) == [str(tmp_path)]


def test_a_mount_that_answers_is_all_right(system):
    assert Mounted({"path": "/proc", "hint": "next: mount it"}, system).check() is None


def test_a_folder_that_is_no_mount_is_refused_with_the_next_move(system, tmp_path):
    with pytest.raises(Failure) as failure:
        Mounted({"path": str(tmp_path), "hint": "next: mount it"}, system).check()
    assert failure.value.message == f"{tmp_path} is not mounted; next: mount it"


def test_a_mount_whose_server_is_gone_is_not_waited_for(system, monkeypatch):
    monkeypatch.setattr(system, "run", lambda argv, **more: Finished(137, ""))
    with pytest.raises(Failure, match="/proc is mounted, but did not answer within 10 s; is its server up"):
        Mounted({"path": "/proc", "hint": ""}, system).check()


def test_mount_units_of_this_application_go_and_those_of_others_stay(system, tmp_path, monkeypatch):
    asked = []
    (tmp_path / "units").mkdir()
    monkeypatch.setattr(mounts, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(system, "run", lambda argv, **more: asked.append(argv) or Finished(0, ""))
    for name, head in {
        "srv-a.mount": "# hawser: application=shop share=a\n",
        "srv-b.mount": "# hawser: application=shop share=b\n",
        "srv-c.mount": "# hawser: application=shop-two share=c\n",
        "srv-d.mount": "[Unit]\n",
    }.items():
        (tmp_path / "units" / name).write_text(head)
    resource = OnlyMounts({"application": "shop", "keep": ["srv-a.mount"]}, system)
    change = resource.check()
    assert change is not None and change.note == "unmounts and removes srv-b.mount"
    resource.apply(change)
    assert names(tmp_path / "units") == ["srv-a.mount", "srv-c.mount", "srv-d.mount"]
    assert ["systemctl", "--quiet", "disable", "--now", "--", "srv-b.mount"] in asked
    assert resource.check() is None


def test_a_mount_that_is_in_use_stays_and_is_told(system, tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "UNITS", str(tmp_path))
    monkeypatch.setattr(system, "run", lambda argv, **more: Finished(1, "target is busy"))
    (tmp_path / "srv-b.mount").write_text("# hawser: application=shop share=b\n")
    resource = OnlyMounts({"application": "shop", "keep": []}, system)
    with pytest.raises(Failure, match=r"srv-b\.mount cannot be unmounted; is it in use\?"):
        resource.apply(resource.check())
    assert (tmp_path / "srv-b.mount").exists()


def test_clients_of_a_share_act_as_the_servers_own_user(system):
    spec = {"application": "shop", "shares": [["/srv/shares/media", ["10.0.0.11", "2001:db8::12"]]]}
    exports = Exports(whole("exports", {"path": "/x", "user": ME, "user_group": MY_GROUP, **spec}), system)
    who = f"(rw,sync,no_subtree_check,all_squash,anonuid={os.getuid()},anongid={os.getgid()})"
    assert exports.wanted().decode() == (
        f"# hawser: application=shop\n/srv/shares/media 10.0.0.11{who} 2001:db8::12{who}\n"
    )
