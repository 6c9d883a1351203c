"""What reaches PostgreSQL is quoted; stored passwords are compared as the server does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from hawser.runner.databases import postgres
from hawser.runner.databases.postgres import FORMER, conninfo, first_error, fits, identifier, literal, scram
from hawser.runner.files.files import Former
from hawser.runner.system import Failure


@pytest.mark.parametrize(
    ("name", "quoted"), [("demo", '"demo"'), ('a"b', '"a""b"'), ("a-b", '"a-b"'), ("a\\b", '"a\\b"'), (":x", '":x"')]
)
def test_names_of_postgresql_are_quoted(name, quoted):
    assert identifier(name) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("", "''"), ("it's", "'it''s'"), ("a\\b", " E'a\\\\b'"), ("\\'; DROP", " E'\\\\''; DROP'"), (":'x'", "':''x'''")],
)
def test_strings_of_postgresql_are_quoted(text, quoted):
    assert literal(text) == quoted


def test_text_that_postgresql_cannot_quote_is_refused():
    for quote in (identifier, literal):
        with pytest.raises(Failure):
            quote("a\0b")
    for name in ("", "x" * 64):
        with pytest.raises(Failure):
            identifier(name)


def test_a_database_name_is_no_connection_string():
    assert conninfo("a b'c\\d") == "dbname='a b\\'c\\\\d'"


# From `ALTER ROLE x PASSWORD 'it''s a pässword'` and `SELECT rolpassword FROM pg_authid` on PostgreSQL 15.
STORED = (
    "SCRAM-SHA-256$4096:atLLts6/iqhb27YvpO5hfw==$SRaIGDcC+GtDNwya55+dqXBIkVMotU1jb8gTfzxLGTg="
    ":dJnBoGQ/WiAbUxjkEP31NVec2RXWVBGaXGXQoyJVBdg="
)


def test_a_password_fits_what_the_server_stored_for_it():
    assert fits("it's a pässword", STORED)
    assert not fits("another", STORED)
    assert not fits("it's a pässword", "md5" + "0" * 32)
    assert not fits("", "")


def test_a_verifier_that_we_store_fits_its_password():
    assert fits("secret", scram("secret", b"0123456789abcdef", 4096))


def test_the_line_that_says_what_is_wrong_is_found():
    said = 'psql: error: connection to server at "127.0.0.1", port 5432 failed: FATAL:  password authentication failed'
    assert first_error(said) == "password authentication failed"
    assert first_error("NOTICE: x\nERROR:  no such thing\nHINT: y") == "no such thing"
    assert first_error("") == ""


class Roles:
    """Stands in for a cluster: its roles with what it has stored of their passwords."""

    stored: ClassVar[dict[str, str]] = {}

    def __init__(self, system: Any) -> None:
        self.system = system

    def rows(self, sql: str) -> list[str]:
        verifier = self.stored.get("shop", "")
        if "rolcanlogin" in sql:
            return [f"t|{verifier}"] if "shop" in self.stored else []
        return [verifier] if verifier else []

    def has_role(self, name: str) -> bool:
        return name in self.stored

    def psql(self, sql: str) -> None:
        self.stored["shop"] = sql.rpartition("PASSWORD '")[2].partition("'")[0]

    def log_in(self, name: str, password: str) -> str:
        return "" if fits(password, self.stored[name]) else "password authentication failed"


@pytest.fixture
def role(system, monkeypatch):
    """Return a function that does what the engine does with a role; returns the note."""
    monkeypatch.setattr(postgres, "Cluster", Roles)
    monkeypatch.setattr(Roles, "stored", {})

    def role(password: str, former: str = "") -> str | None:
        resource = postgres.Role({"name": "shop", "password": password, "former": former}, system)
        change = resource.check()
        if change is not None:
            resource.apply(change)
        return change.note if change else None

    return role


def test_a_password_that_serves_stays_until_it_is_to_change(role, system):
    assert role("one", "keep") == "new"
    assert role("two", "keep") is None
    assert fits("one", Roles.stored["shop"]) and "until a deploy of all hosts" in system.take_warnings()[0]
    assert role("one", "keep") is None and not system.take_warnings()


def test_the_password_before_a_rollout_comes_back_whatever_was_tried_since(role, system):
    role("one")
    assert role("one", "back") is None
    assert role("two") == "another password" and role("three") == "another password"
    (kept,) = (Path(system.state) / postgres.FORMER).iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert role("three", "back") == "its former password" and fits("one", Roles.stored["shop"])
    assert role("three", "back") is None


def test_what_is_kept_of_passwords_lies_apart_from_what_is_kept_of_files():
    assert not Former("/state", "/etc/x").copy.startswith(f"/state/{FORMER}/")
