"""Files to and from hosts: whole, with their final mode, and not sent twice."""

from __future__ import annotations

import os
from pathlib import Path

from .conftest import Fleet


def test_a_file_comes_to_every_host_once_with_its_mode_and_owner(fleet: Fleet, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(3_000_001))
    words = ("-H", f"{fleet.name}/web", "put", str(source), "/srv/demo/data/", "--owner", "demo", "--mode", "0640")
    fleet.fab("-R", *words)
    assert fleet.inside("web1", "sh", "-c", "ls /srv/demo/data | grep -c big || true").strip() == "0"
    assert fleet.fab(*words).stdout.count("big.bin new") == 2
    for host in ("web1", "web2"):
        assert fleet.inside(host, "stat", "-c", "%a %U %s", "/srv/demo/data/big.bin").split() == [
            "640",
            "demo",
            "3000001",
        ]
    assert fleet.fab(*words).stdout.count("is there already") == 2
    source.write_bytes(b"short")
    assert fleet.fab(*words).stdout.count("replaced") == 2
    assert fleet.inside("web2", "cat", "/srv/demo/data/big.bin") == "short"
    assert fleet.inside("web1", "sh", "-c", "ls -A /srv/demo/data | grep -c big").strip() == "1"
    fleet.inside("web1", "rm", "/srv/demo/data/big.bin")
    fleet.inside("web2", "rm", "/srv/demo/data/big.bin")


def test_a_file_comes_from_every_host_into_a_folder_of_its_own_and_replaces_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    here = tmp_path / "got"
    fleet.fab("-H", fleet.name, "get", "/etc/hostname", str(here))
    for host in ("web1", "web2", "data1"):
        assert (here / host / "hostname").read_text() == f"{fleet.name}-{host}\n"
    assert fleet.fab("-H", fleet.name, "get", "/etc/hostname", str(here)).stdout.count("is here already") == 3
    (here / "web1" / "hostname").write_text("mine")
    said = fleet.fab("-H", fleet.name, "get", "/etc/hostname", str(here), code=1)
    assert "--force" in said.stdout + said.stderr
    assert (here / "web1" / "hostname").read_text() == "mine"
    fleet.fab("-H", fleet.name, "get", "/etc/hostname", str(here), "--force")
    assert (here / "web1" / "hostname").read_text() == f"{fleet.name}-web1\n"


def test_folders_travel_with_all_that_is_below(fleet: Fleet, tmp_path: Path) -> None:
    source = tmp_path / "folder"
    (source / "below it").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "below it" / "ü.txt").write_bytes(bytes(range(256)) * 2000)
    (source / "empty").mkdir()
    (source / "link").symlink_to("a.txt")
    put = fleet.fab("-H", f"{fleet.name}/web1", "put", str(source), "/root/travelled").stdout
    assert "/root/travelled: 2 files, 3 folders, 1 link; 6 new" in put
    again = fleet.fab("-H", f"{fleet.name}/web1", "put", f"{source}/", "/root/travelled").stdout
    assert "/root/travelled: 2 files, 3 folders, 1 link; 6 there already" in again
    assert fleet.inside("web1", "sh", "-c", "cd /root/travelled && ls -A && readlink link").split("\n")[:5] == [
        "a.txt",
        "below it",
        "empty",
        "link",
        "a.txt",
    ]
    fleet.fab("-H", f"{fleet.name}/web1", "get", "/root/travelled", str(tmp_path / "back"))
    for name in ("a.txt", "below it/ü.txt"):
        assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes()
    fleet.inside("web1", "rm", "-r", "/root/travelled")


def test_mistakes_are_said_before_anything_is_sent(fleet: Fleet, tmp_path: Path) -> None:
    for words, said in (
        (("put", str(tmp_path / "nothing"), "/root/x"), "is neither a file nor a folder"),
        (("put", __file__, "relative/path"), "is no absolute path"),
        (("put", __file__, "/root/x", "--mode", "rw"), "is no file mode"),
    ):
        result = fleet.fab("-H", f"{fleet.name}/web1", *words, code=2)
        assert said in result.stdout + result.stderr
    for words, said in (
        (("put", __file__, "/root/x", "--owner", "nobody-here"), "there is no user nobody-here"),
        (("get", "/root/not-there", str(tmp_path / "x")), "there is no /root/not-there"),
    ):
        result = fleet.fab("-H", f"{fleet.name}/web1", *words, code=1)
        assert said in result.stdout + result.stderr
    assert not (tmp_path / "x").exists()
