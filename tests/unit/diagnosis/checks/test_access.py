"""Findings about who gets into a host: the team, passwords, and addresses that are banned."""

from __future__ import annotations

from typing import Any

import pytest

from hawser.diagnosis.checks import access

from .conftest import Runner, told

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
TEAM = {"team": {"ann": {"keys": [KEY], "role": "admin"}}}
CLOSED = {"sshd": {"passwords": False}}
BANS = {"sshd": {"fail2ban": True}}
HOLDS = {
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "prohibit-password",
}


def team_state(*names: str, locked: tuple[str, ...] = (), rights: tuple[str, ...] = ("ann",)) -> dict[str, Any]:
    given = [{"application": "shop", "name": name, "role": "admin", "keys": [KEY]} for name in rights]
    accounts = [{"name": name, "locked": name in locked} for name in names]
    return {"accounts": accounts, "rights": given, "elsewhere": "", "alone": ""}


def line(value: str, keyword: str = "passwordauthentication", match: str = "") -> dict[str, Any]:
    return {
        "path": "/etc/ssh/sshd_config.d/50.conf",
        "number": 3,
        "keyword": keyword,
        "value": value,
        "match": match,
    }


def sshd_state(*lines: dict[str, Any], trial: bool = False, trouble: str = "", **holds: str) -> dict[str, Any]:
    return {"trial": trial, "holds": {**HOLDS, **holds}, "lines": list(lines), "trouble": trouble}


def test_a_team_that_is_on_the_host_as_it_shall_be_is_no_finding(host):
    assert told(access.team(host(**TEAM), Runner(team__state=team_state("ann", "bob", locked=("bob",))))) == []


@pytest.mark.parametrize("state", [team_state(), team_state("ann", locked=("ann",))])
def test_whoever_cannot_log_in_is_told(host, state):
    assert told(access.team(host(**TEAM), Runner(team__state=state))) == ["ann of [team] cannot log in"]


def test_whoever_may_log_in_still_is_told(host):
    gone = team_state("ann", "bob", rights=("ann", "bob"))
    assert told(access.team(host(**TEAM), Runner(team__state=gone))) == ["bob left [team], and may still log in"]
    astray = team_state("ann", "cara")
    said = told(access.team(host(**TEAM), Runner(team__state=astray)))
    assert said == ["cara may log in, and no application of this host has them in its team"]


def test_keys_that_sshd_reads_elsewhere_are_told(host):
    state = {**team_state("ann"), "elsewhere": ".ssh/authorized_keys"}
    said = told(access.team(host(**TEAM), Runner(team__state=state)))
    assert said == ["sshd reads the keys of the team in .ssh/authorized_keys: another Match comes first"]


def test_a_list_of_those_whom_sshd_lets_in_alone_is_a_warning(host):
    state = {**team_state("ann"), "alone": "AllowGroups ops"}
    said = told(access.team(host(**TEAM), Runner(team__state=state)))
    assert said == ["warning: sshd lets in nobody but AllowGroups ops …: the team has to be among them"]


def test_a_host_without_the_tables_or_not_set_up_yet_is_not_asked(host):
    for function in (access.team, access.sshd, access.fail2ban):
        assert told(function(host(), Runner())) == []
        assert told(function(host(facts={"bootstrapped": False}, **TEAM, sshd={"passwords": False}), Runner())) == []


def test_passwords_that_are_taken_away_are_no_finding(host):
    assert told(access.sshd(host(**CLOSED), Runner(sshd__state=sshd_state(line("no"))))) == []


def test_another_file_that_allows_passwords_is_named(host):
    state = sshd_state(line("yes"), line("no"), passwordauthentication="yes")
    assert told(access.sshd(host(**CLOSED), Runner(sshd__state=state))) == [
        "PasswordAuthentication is yes, and [sshd] passwords = false: /etc/ssh/sshd_config.d/50.conf, line 3, says so"
    ]
    state = sshd_state(passwordauthentication="yes", permitrootlogin="yes")
    assert told(access.sshd(host(**CLOSED), Runner(sshd__state=state))) == [
        "PasswordAuthentication is yes, and [sshd] passwords = false",
        "PermitRootLogin is yes, and [sshd] passwords = false",
    ]


def test_passwords_that_count_for_somebody_are_a_warning(host):
    state = sshd_state(line("yes", match="User guest"), line("no", match="User ann"))
    assert told(access.sshd(host(**CLOSED), Runner(sshd__state=state))) == [
        "warning: /etc/ssh/sshd_config.d/50.conf, line 3: PasswordAuthentication is yes for User guest"
    ]


def test_a_change_that_nobody_has_confirmed_is_a_warning(host):
    said = told(access.sshd(host(**CLOSED), Runner(sshd__state=sshd_state(trial=True))))
    assert said == ["warning: what sshd was told is not confirmed, and will be taken back"]


def test_sshd_that_does_not_tell_its_settings_is_told(host):
    state = sshd_state(trouble="sshd does not tell its settings: line 3: Bad configuration option")
    assert told(access.sshd(host(**CLOSED), Runner(sshd__state=state))) == [state["trouble"]]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"there": True, "jail": True, "banned": ["198.51.100.7"], "never": []}, []),
        ({"there": True, "jail": True, "banned": ["10.0.0.21", "198.51.100.7"], "never": []}, ["it bans 10.0.0.21"]),
        ({"there": True, "jail": False, "banned": [], "never": []}, ["its jail for sshd does not run"]),
        ({"there": False, "jail": False, "banned": [], "never": []}, ["it is not installed"]),
    ],
)
def test_bans_are_as_they_shall_be_and_none_is_of_ours(host, state, said):
    assert told(access.fail2ban(host(**BANS), Runner(bans__state=state))) == said
