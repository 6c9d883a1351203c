"""What a process under systemd is kept from, by its settings."""

from __future__ import annotations

from typing import Any

import pytest

from hawser.formats import systemd_paths
from hawser.host.hardening import HARDENED, hardening, outermost, writable
from hawser.host.processes import processes_of
from tasks.managers.systemd import keys

COMMAND = "gunicorn shop.wsgi --bind unix:{{ socket }}"
SHARES = {"media": {"path": "/mnt/media", "server": "data1"}, "inner": {"path": "/srv/shop/in", "server": "data1"}}
VOLUMES = {"vault": {"device": "/dev/xvdc", "mount": "/vault", "passphrase": "{{ secrets.P }}"}}


def web(host: Any, command: str = COMMAND, name: str = "web1", **more: Any) -> Any:
    settings = {key: more.pop(key) for key in ("env", "site", "shares", "volumes", "app") if key in more}
    (process,) = processes_of(host(name, processes={"web": {"command": command, **more}}, **settings))
    return process


def test_an_ordinary_process_is_kept_from_all_of_it_and_writes_to_its_own_folders(host):
    found = hardening(web(host))
    assert {key: found[key] for key in HARDENED} == HARDENED
    assert found["CapabilityBoundingSet"] == "" and found["ReadWritePaths"] == "-/home/shop -/srv/shop"
    assert found.items() <= keys(web(host)).items()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"hardened": False}, False),
        ({"command": "sudo -n /usr/bin/reload --port 1"}, False),
        ({"command": "sh -c 'exec /usr/bin/sudo -n reload'"}, False),
        ({"command": "sudoku --bind unix:{{ socket }}"}, True),
        ({"command": "sudo-less serve"}, True),
        ({"command": "sudo -n reload", "hardened": True}, True),
    ],
)
def test_who_says_so_or_asks_for_more_rights_keeps_all_that_its_user_has(host, settings, wanted):
    assert bool(hardening(web(host, **settings))) is wanted
    assert ("NoNewPrivileges" in keys(web(host, **settings))) is wanted


def test_root_keeps_its_capabilities(host):
    assert hardening(web(host, app={"name": "shop", "repo": ".", "user": "root"})) == {}


def test_further_keys_have_the_last_word_and_folders_add_up(host):
    extra = {"PrivateTmp": "false", "ReadWritePaths": "/data /more", "AmbientCapabilities": "CAP_NET_BIND_SERVICE"}
    found = keys(web(host, extra=extra))
    assert found["PrivateTmp"] == "false" and found["ProtectSystem"] == "strict"
    assert found["ReadWritePaths"] == "-/home/shop -/srv/shop /data /more"
    # What it may have at its start it must not lose before.
    assert found["AmbientCapabilities"] == found["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert keys(web(host, hardened=False, extra=extra))["ReadWritePaths"] == "/data /more"
    dropped = keys(web(host, extra={"AmbientCapabilities": "CAP_A", "CapabilityBoundingSet": "CAP_A CAP_B"}))
    assert dropped["CapabilityBoundingSet"] == "CAP_A CAP_B"


def test_shares_volumes_and_folders_of_the_settings_may_be_written(host):
    process = web(host, writable=["/data/media", "/data", "/var/log/my shop"], shares=SHARES, volumes=VOLUMES)
    assert writable(process) == [
        *("-/data", "-/home/shop", "-/mnt/media", "-/srv/shop", "-/var/log/my shop", "-/vault"),
    ]
    assert '"-/var/log/my shop"' in hardening(process)["ReadWritePaths"]


def test_a_share_that_is_missing_keeps_it_from_its_start_as_seen_from_outside(host):
    path = {"media": {"path": "/mnt/100% media", "server": "data1"}}
    said = keys(web(host, shares=path, extra={"ExecStartPre": "/bin/true"}))["ExecStartPre"].splitlines()
    assert said[0].startswith('+/usr/bin/nsenter --target 1 --mount /bin/sh -c "for path in') and said[0].endswith(
        '"/mnt/100%% media"'
    )
    assert said[1:] == ["ExecStartPre=/bin/true"]
    assert keys(web(host, extra={"ExecStartPre": "/bin/true"}))["ExecStartPre"] == "/bin/true"
    assert "ExecStartPre" not in keys(web(host, shares=path, hardened=False))


def test_the_folder_that_it_works_in_may_be_written_unless_it_is_all_of_the_system(host):
    assert "-/var/lib/x" in writable(web(host, directory="/var/lib/x"))
    assert writable(web(host, directory="/")) == ["-/home/shop", "-/srv/shop"]
    at_home = web(host, app={"name": "shop", "repo": ".", "root": "/home/shop"})
    assert writable(at_home) == ["-/home/shop"]


@pytest.mark.parametrize(
    ("settings", "shared"),
    [
        ({}, False),
        ({"command": "serve --worker-tmp-dir /dev/shm --cache ~/tmp --dir ../tmp/x /srv/tmp"}, False),
        ({"command": "serve --socket /tmp/serve.sock"}, True),
        ({"environment": {"CACHE": "file:///var/tmp/cache"}}, True),
        ({"env": {"variables": {"TMPDIR": "/tmp"}}}, True),
        ({"env": {"variables": {"TMPDIR": "/tmp-of-ours"}}}, False),
        ({"site": {"domains": ["shop.test"], "extra": "proxy_pass http://unix:/tmp/x.sock;"}}, True),
    ],
)
def test_temporary_files_are_its_own_unless_the_settings_speak_of_them(host, settings, shared):
    process = web(host, **settings)
    assert ("PrivateTmp" not in hardening(process)) is shared
    assert ({"-/tmp", "-/var/tmp"} <= set(writable(process))) is shared


def test_no_folder_lies_in_another_one() -> None:
    assert outermost(["/a/b", "/a", "/ab", "/a/", "/", "/c/d"]) == ["/a", "/ab", "/c/d"]


@pytest.mark.parametrize(
    ("paths", "written"),
    [
        (["/a", "-/b"], "/a -/b"),
        (["-/a b", '/"'], r'"-/a b" "/\""'),
        (["/100%"], '"/100%%"'),
        (["/$x"], '"/$x"'),
    ],
)
def test_paths_are_written_as_systemd_reads_them(paths, written) -> None:
    assert systemd_paths(paths) == written
