"""Roles and users that log in for others: what is made, and who logs in no more."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest

from hawser.runner.databases import postgres, rabbitmq
from hawser.runner.databases.postgres import fits
from hawser.runner.system import Failure

OLD, NEW = "shop_0123abcd", "shop_89abcdef"


class Roles:
    """Stands in for a cluster: roles with what it has stored of their passwords, None for those that log in no more."""

    stored: ClassVar[dict[str, str | None]] = {}
    acting: ClassVar[dict[str, str]] = {}
    done: ClassVar[list[str]] = []
    refusing = ""

    def __init__(self, system: Any) -> None:
        self.system = system

    def rows(self, sql: str) -> list[str]:
        name = re.findall(r"'([^'=]*)'", sql)[-1]
        if "pg_db_role_setting" in sql:
            role = re.findall(r"'\"([^\"]*)\"'::regrole", sql)[0]
            return ["1"] if f"'role={self.acting.get(role)}'" in sql else []
        if "OR rolpassword IS NOT NULL" in sql:
            return ["1"] if self.stored.get(name) is not None else []
        found = self.stored.get(name)
        return [found] if found is not None else []

    def logins(self, owner: str) -> list[str]:
        return [name for name, its in self.acting.items() if its == owner]

    def has_role(self, name: str) -> bool:
        return name in self.stored

    def psql(self, sql: str) -> None:
        self.done.append(sql)
        for line in sql.splitlines():
            words = line.replace('"', "").rstrip(";").split()
            if words[:2] == ["CREATE", "ROLE"] and len(words) == 3:
                self.stored[words[2]] = None
            elif "LOGIN PASSWORD" in line and "NOLOGIN" not in line:
                self.stored[words[2]] = words[-1].strip("'")
            elif "NOLOGIN" in line:
                self.stored[words[2]] = None
            elif words[0] == "GRANT":
                self.acting.setdefault(words[3], "")
            elif "SET role" in line:
                self.acting[words[2]] = words[-1].strip("'")

    def drop_login(self, name: str, owner: str) -> None:
        self.done.append(f"drop {name} for {owner}")
        del self.stored[name], self.acting[name]

    def log_in(self, name: str, password: str) -> str:
        return self.refusing or ("" if fits(password, self.stored[name] or "") else "no")


@pytest.fixture
def login(system, monkeypatch):
    """Return a function that does what the engine does with a login; returns the note."""
    monkeypatch.setattr(postgres, "Cluster", Roles)
    for name, empty in (("stored", {}), ("acting", {}), ("done", [])):
        monkeypatch.setattr(Roles, name, empty)

    def login(name: str, password: str = "first", alone: bool = False) -> str | None:
        resource = postgres.Login({"name": name, "owner": "shop", "password": password, "alone": alone}, system)
        change = resource.check()
        if change is not None:
            resource.apply(change)
            again = resource.check()
            assert again is None, again
        return change.note if change else None

    return login


def test_a_login_is_made_beside_that_of_before_and_is_alone_in_the_end(login):
    assert login(OLD, "first") == "new"
    assert Roles.stored["shop"] is None and Roles.acting == {OLD: "shop"}
    assert login(NEW, "second") == "new" and fits("first", Roles.stored[OLD]) and fits("second", Roles.stored[NEW])
    assert login(NEW, "second") is None
    assert login(NEW, "second", alone=True) == f"not {OLD} any more"
    assert set(Roles.stored) == {"shop", NEW} and not any("second" in sql for sql in Roles.done)


def test_an_owner_that_logged_in_itself_does_so_no_more_when_its_login_is_alone(login):
    Roles.stored["shop"] = "SCRAM-SHA-256$something"
    assert login(NEW) == "new" and Roles.stored["shop"] == "SCRAM-SHA-256$something"
    assert login(NEW, alone=True) == "not shop any more" and Roles.stored["shop"] is None


def test_where_the_owner_logs_in_itself_again_its_logins_go(login):
    login(OLD)
    Roles.stored["shop"] = "SCRAM-SHA-256$something"
    assert login("", alone=True) == f"not {OLD} any more" and Roles.stored == {"shop": "SCRAM-SHA-256$something"}
    assert login("", alone=True) is None


def test_a_login_that_somebody_has_changed_is_put_right(login):
    login(OLD)
    Roles.acting[OLD] = "other"
    assert login(OLD) == "acts as shop" and Roles.acting[OLD] == "shop"
    Roles.stored[OLD] = postgres.scram("another", b"x" * 16, 4096)
    assert login(OLD) == "another password"


def test_a_login_that_is_refused_is_told(login, monkeypatch):
    monkeypatch.setattr(Roles, "refusing", "no pg_hba.conf entry")
    with pytest.raises(Failure, match=r"over 127\.0\.0\.1: no pg_hba"):
        login(NEW)


@pytest.fixture
def broker(system, tmp_path, monkeypatch):
    """Return a function that does what the engine does with the logins of a user, and a file of users."""
    users, program = tmp_path / "users", tmp_path / "rabbitmqctl"
    program.write_text(
        f'#!/bin/sh\nshift\ncase $1 in list_users) cat {users} ;; delete_user) sed -i "/^$2\t/d" {users} ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(rabbitmq, "control", lambda: (str(program), "", "/"))

    def alone(keep: str) -> str | None:
        resource = rabbitmq.Logins({"user": "shop", "keep": keep}, system)
        change = resource.check()
        if change is not None:
            resource.apply(change)
        return change.note if change else None

    users.write_text(f"guest\t[administrator]\nshop\t[]\n{OLD}\t[]\n{NEW}\t[]\nshop_backup\t[]\n")
    return alone, users


def test_other_users_of_a_broker_log_in_no_more_and_strangers_stay(broker):
    alone, users = broker
    assert alone(NEW) == f"not shop, {OLD} any more"
    assert [line.split()[0] for line in users.read_text().splitlines()] == ["guest", NEW, "shop_backup"]
    assert alone(NEW) is None
    # Where the user logs in itself again.
    users.write_text(users.read_text() + "shop\t[]\n")
    assert alone("shop") == f"not {NEW} any more" and NEW not in users.read_text()


def test_where_no_password_ever_had_a_user_of_its_own_the_broker_is_not_asked(broker, monkeypatch):
    alone, _users = broker
    monkeypatch.setattr(rabbitmq, "control", lambda: pytest.fail("asked"))
    assert alone("shop") is None
