"""What reaches MariaDB is quoted; stored passwords are compared as the server does; what a restore finds of another."""

from __future__ import annotations

import calendar
import io
import json
import re
import time
from typing import ClassVar

import pytest

from hawser.runner.databases import mariadb, mariadb_dump, restoring
from hawser.runner.databases.mariadb import (
    Server,
    account,
    first_error,
    identifier,
    is_address,
    literal,
    pattern,
    verifier,
)
from hawser.runner.databases.mariadb_dump import Dump
from hawser.runner.databases.restoring import Journal
from hawser.runner.system import Failure, Finished


@pytest.mark.parametrize(("name", "quoted"), [("paikea", "`paikea`"), ("a`b", "`a``b`"), ("a-b", "`a-b`")])
def test_names_of_mariadb_are_quoted(name, quoted):
    assert identifier(name) == quoted


def test_a_text_is_quoted_whatever_the_server_thinks_of_backslashes():
    assert literal("a'\\b") == "_utf8mb4 X'61275c62'"
    assert literal("") == "_utf8mb4 X''"


def test_a_name_in_a_grant_stands_for_itself_alone():
    assert pattern("a_b%c") == "`a\\_b\\%c`"


def test_text_that_mariadb_cannot_quote_is_refused():
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


class Host(Server):
    """A server's databases and their tables, of which it renames one after the other."""

    def __init__(self, system, **databases):
        self.system, self.program, self.asked = system, "mariadb", []
        self.databases = databases
        self.rights = []

    def sql(self, text, check=True, timeout=0):
        self.asked.append(text)
        names = [bytes.fromhex(each).decode() for each in re.findall(r"_utf8mb4 X'(\w+)'", text)]
        if "FROM information_schema.TABLES WHERE" in text and "TABLE_NAME" in text:
            return self.said("TABLE_NAME", text, self.databases.get(names[0], []))
        if "FROM information_schema.SCHEMATA" in text and "SCHEMA_NAME" in text.partition(" FROM")[0]:
            return self.said("SCHEMA_NAME", text, self.databases)
        if "SELECT 1 FROM information_schema.SCHEMATA" in text:
            return Finished(0, "1\n" if names[0] in self.databases else "")
        if "AS immovable" in text:
            return Finished(0, "0\n")
        if "procs_priv" in text:
            return self.said("JSON_ARRAY", text, self.rights)
        if "SELECT DEFAULT_CHARACTER_SET_NAME" in text:
            return Finished(0, "utf8mb4\tutf8mb4_bin\t\n")
        for name in re.findall(r"DROP DATABASE (?:IF EXISTS )?`(.*?)`", text):
            self.databases.pop(name, None)
        for name in re.findall(r"CREATE DATABASE `(.*?)`", text):
            if name in self.databases:
                raise Failure(f"MariaDB: Can't create database '{name}'; database exists")
            self.databases[name] = []
        return Finished(0, "")

    @staticmethod
    def said(what, text, rows):
        rows = [row.encode().hex() for row in rows] if "hex(" in text else rows
        return Finished(0, "".join(row + "\n" for row in rows))


FRESH, FORMER = "shop_restore_ab12cd", "shop_before_20300101t000000"
SWAPPING = {"phase": "swapping", "fresh": FRESH, "former": FORMER, "rights": [], "backup": "x"}
SWAPPING["properties"] = {"charset": "utf8mb4", "collation": "utf8mb4_bin", "comment": ""}


def dump_of(system, monkeypatch, **databases):
    host = Host(system, **databases)
    monkeypatch.setattr(mariadb_dump, "Server", lambda system: host)
    dump = Dump(system, "shop", 60)
    monkeypatch.setattr(dump, "load", lambda source, name: host.databases[name].extend(["users", "bills"]))
    return dump, host


@pytest.mark.parametrize("name", ["bills\u2028old", "bills\u0085", "bills\nold", "bills\x0b"])
def test_a_table_whose_name_holds_the_end_of_a_line_is_one(system, monkeypatch, name):
    dump, _host = dump_of(system, monkeypatch, shop=[name])
    assert dump.tables("shop") == [name]


def test_rights_on_a_routine_with_the_end_of_a_line_in_its_name_are_given_again(system, monkeypatch):
    dump, host = dump_of(system, monkeypatch, shop=["users"])
    host.rights = [json.dumps(["localhost", "shop", "tidy\u2028up", "PROCEDURE", "Execute,Grant"], ensure_ascii=False)]
    monkeypatch.setattr(dump, "swap", lambda fresh, former, like: None)
    journal = Journal(system.state, "mariadb", "shop")
    dump.restore(io.BytesIO(), journal)
    assert dump.grants(journal.found["rights"]) == [
        ("tidy\u2028up", "GRANT EXECUTE, GRANT OPTION ON PROCEDURE `shop`.`tidy\u2028up` TO 'shop'@'localhost';")
    ]


@pytest.mark.parametrize(
    "right", [["localhost", "it's", "say", "PROCEDURE", "Execute"], ["%", "x", "s" * 65, "", "Execute"]]
)
def test_a_right_that_cannot_be_given_again_ends_a_restore_before_anything_is_replaced(system, monkeypatch, right):
    dump, host = dump_of(system, monkeypatch, shop=["users"])
    host.rights = [json.dumps(right)]
    with pytest.raises(Failure):
        dump.restore(io.BytesIO(), Journal(system.state, "mariadb", "shop"))
    with pytest.raises(Failure):
        dump.recover({**SWAPPING, "phase": "replacing", "rights": [right]}, io.BytesIO())
    assert host.databases["shop"] == ["users"]


def test_a_restore_of_the_same_second_as_another_one_sets_aside_a_database_of_its_own(system, monkeypatch, own_time):
    dump, host = dump_of(system, monkeypatch, shop=["users"], **{FORMER: ["users"]})
    second = calendar.timegm((2030, 1, 1, 0, 0, 0))
    moments = iter([second, second, second + 1])
    own_time(restoring, gmtime=lambda: time.gmtime(next(moments)), sleep=lambda seconds: None)
    monkeypatch.setattr(dump, "recover", lambda journal: True)
    said = dump.restore(io.BytesIO(), Journal(system.state, "mariadb", "shop"))
    assert said == "the database that was there is shop_before_20300101t000001 now"
    assert host.databases[FORMER] == ["users"]


HALVES = [
    # The server went down when half of the old tables were aside, and when half of the new ones were there.
    {"shop": ["bills"], FRESH: ["users", "bills"], FORMER: ["users"]},
    {"shop": ["users"], FRESH: ["bills"], FORMER: ["users", "bills"]},
]


@pytest.mark.parametrize("databases", HALVES)
def test_half_an_exchange_of_tables_is_made_anew_from_the_backup(system, monkeypatch, databases):
    dump, host = dump_of(system, monkeypatch, **databases)
    journal = Journal(system.state, "mariadb", "shop")
    journal.note(**SWAPPING, tables=2, old=2)
    dump.find_out(journal)
    assert journal.found["phase"] == "replacing"
    assert dump.recover(journal.found, io.BytesIO())
    assert host.databases["shop"] == ["users", "bills"]


@pytest.mark.parametrize(
    ("databases", "tables", "old", "done"),
    [
        ({"shop": ["a"], FRESH: ["b"], FORMER: []}, 1, 1, False),
        ({"shop": ["a"], FRESH: ["b"]}, 1, 1, False),
        ({"shop": ["b"], FRESH: [], FORMER: ["a"]}, 1, 1, True),
        # A backup without tables: nothing was moved yet.
        ({"shop": ["a"], FRESH: [], FORMER: []}, 0, 1, False),
        ({"shop": [], FRESH: [], FORMER: ["a"]}, 0, 1, True),
        ({"shop": ["b"], FRESH: [], FORMER: []}, 1, 0, True),
        # Undone by a run that was killed on the way.
        ({"shop": ["a"]}, 1, 1, False),
    ],
)
def test_an_exchange_that_was_begun_or_not_is_told_from_its_half(system, monkeypatch, databases, tables, old, done):
    dump, host = dump_of(system, monkeypatch, **databases)
    journal = Journal(system.state, "mariadb", "shop")
    journal.note(**SWAPPING, tables=tables, old=old)
    dump.find_out(journal)
    assert journal.found["phase"] == "swapping"
    assert dump.recover(journal.found) is done
    assert host.databases["shop"] == databases["shop"]
    assert FRESH not in host.databases


def test_an_undone_exchange_loses_first_what_would_look_like_its_end(system, monkeypatch):
    dump, host = dump_of(system, monkeypatch, shop=["a"], **{FRESH: ["b"], FORMER: []})
    dump.recover({**SWAPPING, "tables": 1, "old": 1})
    drops = [FRESH in text for text in host.asked if text.startswith("DROP DATABASE")]
    assert drops == [False, True]


def test_a_dump_that_waits_for_a_lock_ends_and_who_may_hold_it_is_named(system, monkeypatch):
    dump, host = dump_of(system, monkeypatch, shop=[])
    assert dump.waiting() == ""
    monkeypatch.setattr(host, "rows", lambda text, timeout=0: ["7"] if "Waiting" in text else [b"connection 8".hex()])
    assert "maybe connection 8; next: " in dump.waiting()
    assert host.asked[-1] == "KILL 7;"


class Accounts:
    """Stands in for a server: the hashes of one account, in their order."""

    program = "mariadb"
    hashes: ClassVar[list[str]] = []

    def __init__(self, system):
        self.system = system

    def rows(self, text):
        if "SHOW GRANTS" in text:
            return ["GRANT ALL PRIVILEGES ON `shop`.* TO "]
        return [f"localhost\t{self.hashes[0]}"] if self.hashes else []

    def sql(self, text, check=True):
        if "global_priv" in text:
            more = [
                {},
                *({"plugin": "mysql_native_password", "authentication_string": each} for each in self.hashes[1:]),
            ]
            priv = json.dumps({"auth_or": more}).encode().hex()
            return Finished(0, f"{b'localhost'.hex()}\t{priv}\n" if self.hashes[1:] else "")
        type(self).hashes = re.findall(r"USING '(.*?)'", text)
        return Finished(0, "")

    def log_in(self, name, password):
        return "" if verifier(password) in self.hashes else "Access denied"


def test_a_former_password_is_good_beside_the_new_one_until_that_stands_alone(system, monkeypatch):
    monkeypatch.setattr(mariadb, "Server", Accounts)
    monkeypatch.setattr(Accounts, "hashes", [])

    def give(password, beside):
        spec = {"name": "shop", "password": password, "databases": ["shop"], "hosts": [], "beside": beside}
        role = mariadb.Role(spec, system)
        change = role.check()
        if change is not None:
            role.apply(change)
        assert role.check() is None
        return [next(word for word in ("one", "two", "three") if verifier(word) == each) for each in Accounts.hashes]

    assert give("one", beside=True) == ["one"]
    assert give("two", beside=True) == ["two", "one"]
    assert give("one", beside=True) == ["two", "one"]
    assert give("three", beside=True) == ["three", "two", "one"]
    assert give("three", beside=False) == ["three"]
