"""Passwords that are taken away: for good on hosts on which a new login works, and on no others."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hawser.errors import HawserError, StepFailed
from hawser.tasks import sshd


class Fleet:
    """Hosts on which steps only note that they ran."""

    def __init__(self, *names, dry=False, closed=True, done=None):
        self.names, self.dry, self.closed = names, dry, closed
        self.done = [] if done is None else done
        self.report = SimpleNamespace(note=lambda _name, text: self.done.append(text))
        self.environment = SimpleNamespace(target=lambda *names: ",".join(f"shop/{name}" for name in names))

    def host(self, _name):
        return SimpleNamespace(environment=SimpleNamespace(sshd=SimpleNamespace(passwords=not self.closed)))

    def subset(self, names):
        return Fleet(*names, dry=self.dry, closed=self.closed, done=self.done)

    def attempt(self, steps, phase):
        self.apply(steps, phase)
        return {"web3": "web3: sshd failed"} if "web3" in self.names else {}

    def failure(self, phase, failed):
        return StepFailed(f"{phase} failed on {', '.join(failed)}")

    def apply(self, steps, phase):
        self.done.append(f"{phase} {' '.join(each.title for each in steps)} {' '.join(self.names)}")


@pytest.fixture
def trial(monkeypatch):
    """Have hosts on trial, on some of which no new login works."""

    def trial(*names, failed=()):
        monkeypatch.setattr(sshd.access, "on_trial", lambda _fleet: list(names))
        errors = {name: HawserError("the login was refused") for name in failed}
        monkeypatch.setattr(
            sshd.access, "log_in_again", lambda fleet: {k: v for k, v in errors.items() if k in fleet.names}
        )

    return trial


def test_a_change_stays_where_a_new_login_has_worked(trial):
    trial("web1")
    fleet = Fleet("web1", "web2")
    sshd.bring(fleet)
    assert fleet.done == [
        "sshd sshd.without_passwords web1 web2",
        "confirm sshd.confirmed web1",
        "web1: a new login works without passwords, so it stays",
    ]


def test_a_host_on_which_no_new_login_works_is_told_and_never_confirmed(trial):
    trial("web1", "web2", failed=["web2"])
    fleet = Fleet("web1", "web2")
    with pytest.raises(StepFailed, match="taken back within two minutes:\n  web2: the login was refused") as caught:
        sshd.bring(fleet)
    assert "confirm sshd.confirmed web1" in fleet.done and caught.value.next == "fab -H shop/web2 check"


def test_nothing_is_confirmed_where_nothing_has_changed_or_a_run_only_looks(trial):
    trial()
    fleet = Fleet("web1")
    sshd.bring(fleet)
    assert fleet.done == ["sshd sshd.without_passwords web1"]
    trial("web1")
    dry = Fleet("web1", dry=True)
    sshd.bring(dry)
    assert dry.done == ["sshd sshd.without_passwords web1"]


def test_hosts_on_which_it_works_keep_it_though_another_one_fails(trial):
    trial("web1")
    fleet = Fleet("web1", "web3")
    with pytest.raises(StepFailed, match="sshd failed on web3"):
        sshd.bring(fleet)
    assert "confirm sshd.confirmed web1" in fleet.done


def test_nothing_is_done_where_the_settings_leave_passwords_alone(trial):
    trial("web1")
    fleet = Fleet("web1", closed=False)
    sshd.bring(fleet)
    assert fleet.done == []
