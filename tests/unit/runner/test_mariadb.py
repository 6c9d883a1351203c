"""What reaches MariaDB is quoted; stored passwords are compared as the server does."""

from __future__ import annotations

import pytest

from hawser.runner.mariadb import account, first_error, identifier, is_address, literal, pattern, verifier
from hawser.runner.system import Failure


@pytest.mark.parametrize(("name", "quoted"), [("paikea", "`paikea`"), ("a`b", "`a``b`"), ("a-b", "`a-b`")])
def test_names_are_quoted(name, quoted):
    assert identifier(name) == quoted


def test_a_text_is_quoted_whatever_the_server_thinks_of_backslashes():
    assert literal("a'\\b") == "_utf8mb4 X'61275c62'"
    assert literal("") == "_utf8mb4 X''"


def test_a_name_in_a_grant_stands_for_itself_alone():
    assert pattern("a_b%c") == "`a\\_b\\%c`"


def test_what_cannot_be_quoted_is_refused():
    for name in ("", "x" * 65, "a\0b"):
        with pytest.raises(Failure):
            identifier(name)
    for name in ("a'b", "a\\b", "a\0b"):
        with pytest.raises(Failure):
            account(name, "localhost")
    assert account("stock", "10.0.0.11") == "'stock'@'10.0.0.11'"


def test_a_password_becomes_what_the_server_stores_for_it():
    # From `SELECT PASSWORD('...')` on MariaDB 10.11.
    assert verifier("test1234test") == "*FD51684DC3445FD9508FDEA7E5E43CFEB6B8CBB9"
    assert verifier("it's a pässword") == "*E22167F2A7EEEC788256837533E8C1AE5D1EE6C5"


def test_the_line_that_says_what_is_wrong_is_found():
    said = "ERROR 1045 (28000): Access denied for user 'x'@'localhost' (using password: YES)"
    assert first_error(said) == "Access denied for user 'x'@'localhost' (using password: YES)"
    assert first_error("note\nERROR 1064 (42000) at line 3: You have an error") == "You have an error"
    assert first_error("") == ""


def test_accounts_of_addresses_are_told_from_others():
    assert is_address("10.0.0.11")
    assert is_address("2001:db8::1")
    assert not is_address("%")
    assert not is_address("localhost")
