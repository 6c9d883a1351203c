"""Who is at work on a host, and that no change takes their way in: before anything is touched, and after it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import paramiko
import pytest

from hawser.errors import HawserError, Unreachable
from hawser.fleet import access
from hawser.fleet.access import AtWork
from hawser.inventory.tables.team import Member

ANN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
ADMIN = Member(keys=(f"{ANN} ann@desk",), role="admin")


def rights(application="shop", name="ann", role="admin", key=ANN):
    return {"application": application, "name": name, "role": role, "keys": [key]}


def fleet_of(*given, accounts=("ann",), application="shop"):
    """Return hosts of which one says who may log in."""
    state = {"accounts": [{"name": name, "locked": False} for name in accounts], "rights": given, "elsewhere": ""}
    environment = SimpleNamespace(app=SimpleNamespace(name=application))
    return SimpleNamespace(environment=environment, ask_all=lambda _function, _arguments: {"web1": state})


def locks_out(fleet, members, user="ann", key=ANN):
    try:
        access.refuse_lockout(fleet, {"web1": AtWork(user, key, "")}, members)
    except HawserError as error:
        assert "nothing was touched" in str(error) and error.next
        return str(error)
    return ""


def test_a_member_who_stays_an_admin_with_the_key_at_work_goes_on():
    assert locks_out(fleet_of(rights()), {"ann": ADMIN}) == ""


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"ann": Member(keys=(ANN,), role="deploy")},
        {"ann": Member(keys=(BOB,), role="admin")},
        {"bob": Member(keys=(BOB,), role="admin")},
    ],
    ids=["nobody is left", "no admin any more", "with another key", "somebody else"],
)
def test_a_member_whose_key_could_become_root_no_more_is_refused(members):
    said = locks_out(fleet_of(rights()), members)
    assert "web1: this run is logged in as ann, whose key could become root there no more" in said


def test_a_key_that_goes_to_another_admin_still_gets_in():
    assert locks_out(fleet_of(rights()), {"anna": ADMIN}) == ""


def test_an_admin_of_another_application_may_leave_this_one():
    assert locks_out(fleet_of(rights(), rights("shop-api")), {}) == ""
    assert locks_out(fleet_of(rights(), rights("shop-api", role="deploy")), {}) != ""


def test_a_member_who_could_not_become_root_before_loses_nothing():
    assert locks_out(fleet_of(rights(role="deploy")), {}) == ""


def test_whoever_is_no_member_has_a_way_in_that_no_team_takes():
    assert locks_out(fleet_of(rights()), {}, user="root", key=BOB) == ""


def test_a_login_by_a_password_alone_is_refused_with_what_helps():
    access.refuse_passwords({"web1": AtWork("ann", ANN, "")})
    with pytest.raises(HawserError, match=r"web2: this login comes by a password, .* nothing was touched") as caught:
        access.refuse_passwords({"web1": AtWork("ann", ANN, ""), "web2": AtWork("ann", "", "")})
    assert caught.value.next.startswith("ssh-copy-id ann@HOST")


def test_nobody_is_asked_where_the_settings_say_nothing_of_logins():
    assert access.require_way_back(SimpleNamespace(environment=SimpleNamespace(team={}, sshd=None))) == {}


class Said:
    """A connection whose host says from where it comes."""

    user = "ann"

    def __init__(self, said, key=None):
        self.connect_kwargs = {"auth_strategy": SimpleNamespace(taken=key)}
        self.client, self.said = self, said

    def exec_command(self, command, timeout):
        assert command == "printenv SSH_CONNECTION" and timeout
        if isinstance(self.said, Exception):
            raise self.said
        return None, io.BytesIO(self.said), None


def test_a_login_is_told_with_its_key_and_from_where_it_comes():
    key = SimpleNamespace(get_name=lambda: ANN.split()[0], get_base64=lambda: ANN.split()[1])
    said = access.described(Said(b"203.0.113.7 50022 10.0.0.11 22\n", key))
    assert said == AtWork("ann", ANN, "203.0.113.7")
    assert access.described(Said(b"2001:db8::7 50022 2001:db8::1 22\n")) == AtWork("ann", "", "2001:db8::7")


@pytest.mark.parametrize("said", [b"", b"\x1b[2J 1", b"0.0.0.0/0", paramiko.SSHException("no")])
def test_a_place_that_is_no_address_is_none(said):
    assert access.described(Said(said)).address == ""


def line_of(*results):
    """Return a run whose next lines open, or do not."""
    left, opened = list(results), []

    class Line:
        def open(self, install_python):
            assert not install_python()
            opened.append(self)
            result = left.pop(0)
            if result is not None:
                raise result

        def close(self):
            opened.append("closed")

    session = SimpleNamespace(
        engine=SimpleNamespace(line=lambda _address, _greeting: Line()), address=str, greeting={"application": "shop"}
    )

    def parallel(names, work):
        found = {}
        for name in names:
            try:
                found[name] = work(name)
            except HawserError as error:
                found[name] = error
        return found

    connections = SimpleNamespace(parallel=parallel, forget_losses=lambda _names: None)
    return SimpleNamespace(session=session, connections=connections, names=("web1",)), opened


def test_a_new_login_is_tried_again_while_sshd_begins_anew(monkeypatch):
    monkeypatch.setattr(access, "PAUSE", 0)
    fleet, opened = line_of(Unreachable("Connection refused"), None)
    assert access.log_in_again(fleet) == {} and opened[-1] == "closed" and len(opened) == 3


def test_a_new_login_that_does_not_work_is_told(monkeypatch):
    monkeypatch.setattr(access, "PATIENCE", 0)
    fleet, _opened = line_of(Unreachable("the login was refused"), Unreachable("the login was refused"))
    assert str(access.log_in_again(fleet)["web1"]) == "the login was refused"
