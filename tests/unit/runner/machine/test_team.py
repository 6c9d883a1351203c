"""The accounts of a team: real users of this machine, with names that nobody has, and the notes of two applications."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from hawser.runner.machine import accounts, sshd, team
from hawser.runner.machine.team import Team
from hawser.runner.system import Failure, System

from ..conftest import validated

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann@desk"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
root = pytest.mark.skipif(os.getuid() != 0, reason="changes the users of this machine")


class Host:
    """Users of this machine, and everything else in a folder: notes, keys, files of sshd."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.prefix = "hw" + uuid.uuid4().hex[:6]
        self.group = f"{self.prefix}-team"
        self.keys = folder / "keys"
        self.settings = folder / "etc/sshd_config.d/00-hawser.conf"
        self.settings.parent.mkdir(parents=True)
        self.main = folder / "etc/sshd_config"
        self.main.write_text(f"Include {self.settings.parent}/*.conf\n")
        self.refuses, self.elsewhere, self.reloads = "", "", 0
        monkeypatch.setattr(accounts, "GROUP", self.group)
        monkeypatch.setattr(team, "FOLDER", str(self.keys))
        monkeypatch.setattr(team, "SETTINGS", str(self.settings))
        monkeypatch.setattr(team, "LOCK", str(folder / "lock"))
        monkeypatch.setattr(team, "MAIN", str(self.main))
        monkeypatch.setattr(sshd, "PROGRAM", "/bin/true")
        monkeypatch.setattr(team, "judge", self.judge)
        monkeypatch.setattr(team, "reload", self.reload)
        monkeypatch.setattr(team, "effective", self.effective)

    def judge(self, _system):
        if self.refuses:
            raise Failure(self.refuses)

    def reload(self, _system):
        self.reloads += 1

    def effective(self, _system, _user=""):
        return {"authorizedkeysfile": self.elsewhere or f"{self.keys}/%u", "allowgroups": "ops"}

    def name(self, short):
        return f"{self.prefix}{short}"

    def kind(self, members, application="shop"):
        state = self.folder / "states" / application
        state.mkdir(parents=True, exist_ok=True)
        rows = [(self.name(short), role, list(keys)) for short, (role, *keys) in members.items()]
        spec = {"application": application, "members": rows, "group": f"{self.prefix}{application}"}
        return Team(spec, System(str(state)))

    def put(self, members, application="shop"):
        """Bring a team to the host as the engine does, and see that it then holds."""
        kind = self.kind(members, application)
        change = kind.check()
        assert change is not None
        kind.apply(change)
        assert self.kind(members, application).check() is None
        return change.note.replace(self.prefix, "")

    def groups(self, short):
        return {each.gr_name.replace(self.prefix, "") for each in grp.getgrall() if self.name(short) in each.gr_mem}

    def shadow(self, short):
        return accounts.shadow()[self.name(short)]

    def read(self, short):
        path = self.keys / self.name(short)
        return path.read_text().splitlines() if path.exists() else None

    def wait_for_programs(self, short, count):
        """Return when a user has so many programs."""
        deadline, uid = time.monotonic() + 20, pwd.getpwnam(self.name(short)).pw_uid
        while len(found := accounts.programs(uid)) != count:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def tidy(self):
        for user in pwd.getpwall():
            if user.pw_name.startswith(self.prefix):
                subprocess.run(["userdel", "--remove", user.pw_name], capture_output=True, check=False)
        for group in grp.getgrall():
            if group.gr_name.startswith(self.prefix):
                subprocess.run(["groupdel", group.gr_name], capture_output=True, check=False)


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch)
    yield host
    host.tidy()


def test_without_a_team_nothing_is_looked_at_and_nothing_done(host):
    host.main.unlink()
    assert host.kind({}).check() is None


def test_sshd_that_would_not_read_the_keys_is_left_alone_with_what_to_do(host):
    host.main.write_text("UsePAM yes\n")
    with pytest.raises(Failure, match=r"does not include .* next: write `Include"):
        host.kind({"a": ("admin", KEY)}).check()


@root
def test_members_have_users_without_a_password_their_keys_and_the_group_of_their_role(host):
    assert host.put({"a": ("admin", KEY), "b": ("deploy", OTHER)}) == "a: new, admin; b: new, deploy"
    assert host.groups("a") == {"-team"} and host.groups("b") == {"-team", "shop"}
    assert host.shadow("a") == ("*", "") and host.read("a") == [KEY] and host.read("b") == [OTHER]
    path = host.keys / host.name("a")
    assert path.stat().st_uid == 0 and path.stat().st_mode & 0o777 == 0o644
    assert Path(pwd.getpwnam(host.name("a")).pw_dir).is_dir()
    assert f"Match Group {host.group}\n    AuthorizedKeysFile {host.keys}/%u\n" in host.settings.read_text()
    assert host.reloads == 1


@root
def test_a_role_and_a_key_change_without_a_new_user(host):
    host.put({"a": ("admin", KEY)})
    uid = pwd.getpwnam(host.name("a")).pw_uid
    assert host.put({"a": ("deploy", KEY, OTHER)}) == "a: admin -> deploy, joins shop"
    assert host.read("a") == [KEY, OTHER] and host.groups("a") == {"-team", "shop"}
    assert host.put({"a": ("admin", OTHER)}) == "a: deploy -> admin, leaves shop"
    assert host.read("a") == [OTHER] and pwd.getpwnam(host.name("a")).pw_uid == uid and host.reloads == 1


@root
def test_a_password_that_somebody_has_set_goes(host):
    host.put({"a": ("admin", KEY)})
    subprocess.run(["usermod", "--password", "$y$j9T$x", host.name("a")], check=True)
    assert host.put({"a": ("admin", KEY)}) == "a: has a password, which goes"
    assert host.shadow("a")[0] == "*"


@root
def test_whoever_leaves_is_locked_without_keys_and_programs_and_may_come_back(host):
    host.put({"a": ("admin", KEY), "b": ("deploy", OTHER)})
    argv = [
        "setpriv",
        f"--reuid={host.name('b')}",
        "--clear-groups",
        "/bin/sh",
        "-c",
        "trap '' TERM; while :; do sleep 600; done",
    ]
    with subprocess.Popen(argv, start_new_session=True) as program:
        host.wait_for_programs("b", 2)
        assert host.put({"a": ("admin", KEY)}) == "b leaves: the account is locked, 2 programs are ended"
        assert program.wait(10) < 0
    assert host.shadow("b") == ("!*", "1") and host.read("b") is None and host.groups("b") == {"-team"}
    assert Path(pwd.getpwnam(host.name("b")).pw_dir).is_dir()
    assert host.put({"a": ("admin", KEY), "b": ("admin", OTHER)}) == "b: is back"
    assert host.shadow("b") == ("*", "") and host.read("b") == [OTHER]


@root
def test_nobody_who_is_at_work_leaves(host, monkeypatch):
    host.put({"a": ("admin", KEY)})
    argv = ["setpriv", f"--reuid={host.name('a')}", "--clear-groups", "sleep", "600"]
    with subprocess.Popen(argv) as program:
        monkeypatch.setattr(team, "ancestors", lambda: {program.pid})
        host.wait_for_programs("a", 1)
        with pytest.raises(Failure, match=r"this run is logged in as .*, who would be locked out; nothing was touched"):
            host.kind({}).check()
        program.kill()
    assert host.shadow("a") == ("*", "")


@root
def test_a_user_that_was_not_made_for_a_team_is_never_touched(host):
    subprocess.run(["useradd", "--no-create-home", host.name("a")], check=True)
    before = host.shadow("a")
    with pytest.raises(Failure, match=r"there are users that were not made for a team: .*; nothing was touched"):
        host.kind({"a": ("admin", KEY), "b": ("admin", OTHER)}).check()
    # Nor where a note says that it was.
    note = host.folder / "states/shop/team.json"
    note.write_text(json.dumps({host.name("a"): {"role": "admin", "keys": [KEY]}}))
    host.put({})
    assert host.shadow("a") == before and not note.exists()


@root
def test_an_application_takes_away_only_what_it_has_given_itself(host):
    host.put({"a": ("admin", KEY), "b": ("deploy", KEY)}, "shop")
    host.put({"b": ("deploy", OTHER)}, "shop-api")
    assert host.read("b") == [OTHER, KEY] and host.groups("b") == {"-team", "shop", "shop-api"}
    assert host.kind({"a": ("admin", KEY), "b": ("deploy", KEY)}, "shop").check() is not None
    assert host.put({}, "shop") == (
        "a leaves: the account is locked; b leaves this team, and stays in that of shop-api"
    )
    assert host.shadow("a")[1] == "1" and host.shadow("b") == ("*", "")
    assert host.read("b") == [OTHER] and host.groups("b") == {"-team", "shop-api"} and host.settings.exists()
    host.put({}, "shop-api")
    assert host.shadow("b")[1] == "1" and not host.settings.exists() and not host.keys.exists()
    assert not [each for each in grp.getgrall() if each.gr_name in (f"{host.prefix}shop", f"{host.prefix}shop-api")]


@root
def test_a_run_that_dies_has_noted_who_comes_and_who_leaves(host, monkeypatch):
    host.put({"a": ("admin", KEY)})
    monkeypatch.setattr(Team, "tell_sshd", lambda _self: (_ for _ in ()).throw(Failure("killed")))
    kind = host.kind({"b": ("admin", OTHER)})
    with pytest.raises(Failure, match="killed"):
        kind.apply(kind.check())
    noted = json.loads((host.folder / "states/shop/team.json").read_text())
    assert set(noted) == {host.name("a"), host.name("b")} and host.shadow("a")[1] == "1"
    monkeypatch.undo()


@root
def test_sshd_that_refuses_its_file_has_the_one_of_before(host):
    host.refuses = "Bad configuration option"
    with pytest.raises(Failure, match="Bad configuration option"):
        host.put({"a": ("admin", KEY)})
    assert not host.settings.exists() and host.reloads == 0
    assert host.name("a") not in {each.pw_name for each in pwd.getpwall()}


@root
def test_keys_that_sshd_would_read_elsewhere_are_told(host):
    host.elsewhere = ".ssh/authorized_keys"
    with pytest.raises(Failure, match=r"sshd reads the keys of .* in \.ssh/authorized_keys: another `Match` comes"):
        host.put({"a": ("admin", KEY)})


def test_a_damaged_note_of_anybody_stops_before_anybody_is_locked_out(host):
    (host.folder / "states/shop-api").mkdir(parents=True)
    (host.folder / "states/shop-api/team.json").write_text("{")
    with pytest.raises(Failure, match=r"shop-api/team\.json is damaged, so that nobody knows who may log in"):
        host.kind({"a": ("admin", KEY)}).check()
    (host.folder / "states/shop/team.json").write_text("[]")
    with pytest.raises(Failure, match=r"shop/team\.json is damaged, so that nobody knows who was in the team"):
        host.kind({}).check()


@root
def test_a_host_tells_who_may_log_in_and_who_gives_that(host):
    host.put({"a": ("admin", KEY), "b": ("deploy", OTHER)})
    host.put({"b": ("deploy", OTHER)})
    said = validated(team.state(host.kind({}).system), "team.state")
    assert said == {
        "accounts": [{"name": host.name("a"), "locked": True}, {"name": host.name("b"), "locked": False}],
        "rights": [{"application": "shop", "name": host.name("b"), "role": "deploy", "keys": [OTHER]}],
        "elsewhere": "",
        "alone": "AllowGroups ops",
    }
