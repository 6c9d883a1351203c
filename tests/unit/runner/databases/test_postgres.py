"""What reaches PostgreSQL is quoted; stored passwords are compared as the server does."""

from __future__ import annotations

import pytest

from hawser.runner.databases.postgres import conninfo, first_error, fits, identifier, literal, scram
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
