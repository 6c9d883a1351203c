"""System users: made, brought in line, and never the superuser."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import uuid

import pytest

from hawser.runner.machine.users import User
from hawser.runner.system import Failure, System

root = pytest.mark.skipif(os.getuid() != 0, reason="changes the users of this machine")


@pytest.fixture
def kind(tmp_path):
    def make(name, **changes):
        spec = {"name": name, "home": "/nonexistent", "group": "", "shell": "/bin/sh", "groups": []}
        return User({**spec, **changes}, System(str(tmp_path)))

    return make


@pytest.fixture
def name():
    """A name that no user has; its user and groups are gone afterwards."""
    name = "hw" + uuid.uuid4().hex[:8]
    yield name
    subprocess.run(["userdel", name], capture_output=True, check=False)
    for group in grp.getgrall():
        if group.gr_name.startswith(name):
            subprocess.run(["groupdel", group.gr_name], capture_output=True, check=False)


def put(kind):
    """Bring a resource to its state as the engine does, and see that it then holds."""
    change = kind.check()
    assert change is not None
    kind.apply(change)
    assert kind.check() is None
    return change.note


def test_the_superuser_is_never_touched(kind):
    with pytest.raises(Failure, match="root is the superuser"):
        kind("root").check()
    with pytest.raises(Failure, match="root is the superuser"):
        kind("root").apply(None)


@root
def test_a_user_is_made_with_a_group_of_its_own(kind, name, tmp_path):
    assert put(kind(name, home=str(tmp_path / "home"))) == "new"
    account = pwd.getpwnam(name)
    assert account.pw_uid < 1000
    assert grp.getgrgid(account.pw_gid).gr_name == name
    assert not (tmp_path / "home").exists()


@root
def test_a_user_joins_groups_and_stays_in_others(kind, name):
    put(kind(name, groups=["adm"]))
    assert put(kind(name, groups=["games"])) == "joins games"
    assert name in grp.getgrnam("adm").gr_mem


@root
def test_an_existing_user_keeps_its_home_and_shell_and_joins_the_group(kind, name):
    put(kind(name))
    before = pwd.getpwnam(name)
    other = {"home": "/srv/x", "shell": "/bin/bash"}
    assert kind(name, **other).check() is None
    assert put(kind(name, home="/srv/x", group="games")) == "joins games"
    assert pwd.getpwnam(name) == before


@root
def test_a_group_that_does_not_exist_is_named(kind, name):
    with pytest.raises(Failure, match=f"{name} cannot join nogroupofthis: there is no such group"):
        kind(name, groups=["nogroupofthis"]).apply(None)


@root
def test_a_half_made_user_is_finished(kind, name):
    subprocess.run(["groupadd", "--system", name], check=True)
    put(kind(name))
