"""The jail of fail2ban: what all applications of a host want together, and nothing when none of them does."""

from __future__ import annotations

import os

import pytest

from hawser.runner.machine import bans
from hawser.runner.machine.bans import Bans
from hawser.runner.system import Finished, System

from ..conftest import validated, whole


class Host:
    """A folder for the states of applications and for the jail, and programs that only note what they were told."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.told, self.enabled, self.said = folder, [], False, {}
        self.client = folder / "fail2ban-client"
        self.jail = folder / "jail.d/hawser.local"
        monkeypatch.setattr(bans, "CLIENT", str(self.client))
        monkeypatch.setattr(System, "run", self.start)

    def start(self, argv, *_rest, **_more):
        words = " ".join([os.path.basename(argv[0]), *argv[1:]])  # noqa: PTH119
        self.told.append(words)
        if words.startswith("systemctl is-enabled"):
            return Finished(0 if self.enabled else 1, "")
        return Finished(*self.said.get(words, (0, "")))

    def kind(self, application="shop", wanted=True, **more):
        state = self.folder / "states" / application
        state.mkdir(parents=True, exist_ok=True)
        fields = {"application": application, "path": str(self.jail), "wanted": wanted, **more}
        return Bans(whole("bans", fields), System(str(state)))

    def put(self, *names, **more):
        kind = self.kind(*names, **more)
        change = kind.check()
        assert change is not None
        kind.apply(change)
        assert self.kind(*names, **more).check() is None
        return change

    @property
    def line(self):
        lines = self.jail.read_text().splitlines() if self.jail.exists() else []
        return dict(line.split(" = ", 1) for line in lines if " = " in line)


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_the_jail_reads_the_journal_and_bans_nobody_who_is_named(host):
    change = host.put(ports=[22], never=["10.0.0.11", "203.0.113.0/24"])
    assert "+backend = systemd" in change.diff
    assert host.line["backend"] == "systemd" and "_COMM=sshd-session" in host.line["journalmatch"]
    assert host.line["ignoreip"] == "127.0.0.0/8 ::1 10.0.0.11 203.0.113.0/24" and host.line["port"] == "22"


def test_from_where_hawser_works_is_noted_and_stays_when_somebody_works_from_elsewhere(host):
    host.put(here="198.51.100.1")
    host.put(here="198.51.100.2")
    assert host.line["ignoreip"].split()[-2:] == ["198.51.100.1", "198.51.100.2"]
    # Whoever looks without a place of their own finds nothing to change.
    assert host.kind().check() is None and host.kind(here="198.51.100.1").check() is None


def test_only_the_latest_places_are_noted(host):
    for number in range(bans.MOST_PLACES + 5):
        host.put(here=f"198.51.100.{number}")
    places = host.line["ignoreip"].split()[2:]
    assert len(places) == bans.MOST_PLACES and places[-1] == f"198.51.100.{bans.MOST_PLACES + 4}"


def test_two_applications_have_one_jail_and_the_last_one_takes_it_away(host):
    host.put("shop", ports=[22], never=["10.0.0.11"])
    host.put("shop-api", ports=[22, 2222], never=["10.0.0.12"])
    assert host.line["ignoreip"].endswith("10.0.0.11 10.0.0.12") and host.line["port"] == "22,2222"
    assert host.kind("shop", ports=[22], never=["10.0.0.11"]).check() is None
    host.put("shop", wanted=False)
    assert host.line["ignoreip"].endswith("::1 10.0.0.12") and "systemctl reload fail2ban.service" in host.told
    host.put("shop-api", wanted=False)
    assert not host.jail.exists()


def test_an_application_that_wants_no_jail_leaves_that_of_others_alone(host):
    assert host.kind(wanted=False).check() is None
    host.put("shop")
    assert host.kind("shop-api", wanted=False).check() is None


@pytest.mark.parametrize(("before", "told"), [(True, "reload-or-restart"), (False, "disable --now")])
def test_fail2ban_goes_on_for_whoever_had_it_before_and_else_bans_nobody_any_more(host, before, told):
    if before:
        host.client.touch()
        host.enabled = True
    host.put()
    host.client.touch()
    host.put(wanted=False)
    assert host.told[-1] == f"systemctl {told} fail2ban.service"


def test_a_host_tells_whom_it_bans(host):
    system = host.kind().system
    none = {"there": False, "jail": False, "banned": [], "never": []}
    assert validated(bans.state(system), "bans.state") == none
    host.client.touch()
    host.said["fail2ban-client get sshd banip"] = (255, "")
    assert bans.state(system) == {**none, "there": True}
    host.said["fail2ban-client get sshd banip"] = (0, "198.51.100.7 198.51.100.8\n")
    listed = "These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n`- ::1\n"
    host.said["fail2ban-client get sshd ignoreip"] = (0, listed)
    said = validated(bans.state(system), "bans.state")
    assert said == {
        "there": True,
        "jail": True,
        "banned": ["198.51.100.7", "198.51.100.8"],
        "never": ["127.0.0.0/8", "::1"],
    }
