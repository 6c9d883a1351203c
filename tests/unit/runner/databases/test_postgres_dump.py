"""Who reads in which part of a dump of PostgreSQL, what its owner can do against that, and what a restore set aside."""

from __future__ import annotations

import io
import json
import re

import pytest

from hawser.runner import system
from hawser.runner.databases import postgres_dump
from hawser.runner.databases.postgres import Cluster
from hawser.runner.databases.postgres_dump import LOADER, SUPERUSER, Dump, reader, sorted_runs
from hawser.runner.databases.postgres_properties import creation, outfit
from hawser.runner.databases.restoring import beside, is_former
from hawser.runner.system import Failure, Finished, System

ROLES = {
    "demo": False,
    "clerk": False,
    "postgres": True,
    "boss demo": True,
    "pg_database_owner": False,
    "pg_monitor": False,
    "x\npostgres": False,
}
LIKE = {
    "owner": "demo",
    "charset": "UTF8",
    "datcollate": "C.UTF-8",
    "datctype": "C.UTF-8",
    "tablespace": "pg_default",
    "datconnlimit": 7,
    "datistemplate": False,
    "datacl": None,
    "comment": None,
    "rights": None,
    "labels": None,
}


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("TABLE public harbour demo", "demo"),
        ("TABLE kept notes clerk", "clerk"),
        ("FUNCTION public f(integer, text) demo", "demo"),
        ("TABLE public odd postgres", SUPERUSER),
        ("TABLE DATA public odd postgres", LOADER),
        ("TABLE DATA public harbour demo", "demo"),
        ("EXTENSION - hstore ", SUPERUSER),
        ("COMMENT - EXTENSION hstore ", SUPERUSER),
        ("EXTENSION - citext ", "demo"),
        ("COMMENT - EXTENSION citext ", "demo"),
        ("SCHEMA - public pg_database_owner", SUPERUSER),
        ("COMMENT - SCHEMA public demo", SUPERUSER),
        ("SCHEMA - public x demo", "demo"),
        # Every owner of a database may give a function to these.
        ("FUNCTION public f() pg_database_owner", "demo"),
        ("TABLE DATA public t pg_database_owner", "demo"),
        ("FUNCTION public f() pg_monitor", "pg_monitor"),
        ("FUNCTION public f() x postgres", "x\npostgres"),
        ("ENCODING - ENCODING ", "demo"),
        # A name that ends like a role's: whoever has fewer rights reads it in.
        ("TABLE public x boss demo", "demo"),
        ("TABLE public x postgres demo", "demo"),
        # A role that is gone by now.
        ("TABLE public x nobody", "demo"),
    ],
)
def test_an_entry_is_read_in_by_the_role_that_owns_it(what, who):
    assert reader(what, "demo", ROLES, {"citext"}) == who


def test_rights_come_before_the_data_and_event_triggers_last():
    parts = [
        [
            ";",
            "1; 1262 5 DATABASE - demo demo",
            "2; 3079 7 EXTENSION - hstore ",
            "3; 1259 8 TABLE public a demo",
            "4; 0 0 ACL public TABLE a demo",
            "5; 826 9 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES demo",
            "6; 1259 8 TABLE public b demo",
            "7; 0 0 ACL - DATABASE demo demo",
        ],
        ["8; 0 8 TABLE DATA public a demo"],
        ["9; 3466 1 EVENT TRIGGER - noted postgres", "10; 2606 1 CONSTRAINT public a a_pkey demo"],
    ]
    found = [
        (who, [line.partition(";")[0] for line in lines]) for who, lines in sorted_runs(parts, "demo", ROLES, set())
    ]
    assert found == [
        (SUPERUSER, ["2"]),
        ("demo", ["3", "6"]),
        (SUPERUSER, ["4"]),
        ("demo", ["8", "10"]),
        (SUPERUSER, ["5", "9"]),
    ]


def test_only_databases_that_a_restore_of_this_one_set_aside_are_former_ones():
    assert is_former("shop_before_20300102t030405", "shop")
    for other in ("shop_before_sale", "shop_before_20300102t030405x", "shop2_before_20300102t030405", "shop"):
        assert not is_former(other, "shop")
    for strange in ("shop_before_20300102t030405\n", "shop_before_2030010٢t030405"):
        assert not is_former(strange, "shop")


def test_long_names_that_begin_alike_stay_apart():
    one, other = "a" * 50 + "_one", "a" * 50 + "_two"
    found = beside(one, "before", "20300102t030405")
    assert len(found) < 64 and is_former(found, one) and not is_former(found, other)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "LC_CTYPE 'C.UTF-8' TABLESPACE"),
        ({"datlocprovider": "c", "datlocale": None}, "LC_CTYPE 'C.UTF-8' TABLESPACE"),
        ({"datlocprovider": "i", "daticulocale": "de-AT"}, "LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'"),
        ({"datlocprovider": "i", "datlocale": "de", "daticurules": "&a < b"}, "ICU_LOCALE 'de' ICU_RULES '&a < b'"),
        ({"datlocprovider": "b", "datlocale": "C.UTF-8"}, "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"),
    ],
)
def test_a_database_is_made_with_the_locale_of_the_one_before_on_every_version(more, words):
    assert words in creation("fresh", {**LIKE, **more})


def test_rights_are_given_again_by_who_gave_them():
    rights = [
        ["reader", "clerk", "CONNECT", False],
        ["demo", "reader", "CONNECT", True],
        ["demo", None, "CONNECT", False],
    ]
    sql = outfit("demo", "fresh", {**LIKE, "datacl": "x", "rights": rights, "comment": "it's"})
    assert "COMMENT ON DATABASE \"fresh\" IS 'it''s';" in sql
    assert "datacl = NULL" not in sql
    first = sql.index('GRANT CONNECT ON DATABASE "fresh" TO "reader" WITH GRANT OPTION;')
    assert sql.index('GRANT CONNECT ON DATABASE "fresh" TO PUBLIC;') < sql.index(
        "SET LOCAL SESSION AUTHORIZATION 'reader'"
    )
    assert first < sql.index('GRANT CONNECT ON DATABASE "fresh" TO "clerk";')


class Server(Cluster):
    """Answers what stands in a question, the first that fits; remembers what it was asked, and in which database."""

    def __init__(self, system, version="15"):
        self.system, self.version, self.port, self.program = system, version, "5432", "/x/psql"
        self.answers, self.asked = {}, []

    def psql(self, sql, database="postgres", check=True):
        self.asked.append((database, sql))
        answer = next((answer for part, answer in self.answers.items() if part in sql), "")
        if isinstance(answer, Finished):
            if check:
                raise Failure("PostgreSQL: no", answer.errors)
            return answer
        return Finished(0, "".join(row + "\n" for row in answer))

    def begins(self, word):
        return [sql for _database, sql in self.asked if sql.startswith(word) or "\n" + word in sql]


@pytest.fixture
def server(system, monkeypatch):
    server = Server(system)
    monkeypatch.setattr(postgres_dump, "Cluster", lambda system: server)
    server.answers = {
        "pg_shdepend": [],
        "FROM pg_roles WHERE rolname": "1",
        "rolsuper": [json.dumps(each) for each in ROLES.items()],
        "row_to_json": [json.dumps({"charset": "LATIN1"})],
        "EXISTS": ["f"],
    }
    return server


@pytest.fixture
def dump(system, server):
    return Dump(system, "demo", "demo", 60)


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_end_in_a_name_makes_nobody_the_superuser(dump, monkeypatch, end):
    line = f"215; 1255 16386 FUNCTION public x postgres{end}y() demo"
    lists = {"pre-data": [line], "data": [], "post-data": []}
    monkeypatch.setattr(dump, "read", lambda source, words, whole: "\n".join([";", *lists[words[-1]], ""]))
    assert [(who, len(lines)) for who, lines in dump.runs(io.BytesIO())] == [("demo", 1)]


def test_pg_restore_is_given_numbers_without_names(dump):
    line = "215; 1255 16386 FUNCTION public \\ x(); y demo"
    assert sorted_runs([[line]], "demo", ROLES, set()) == [("demo", ["215;"])]


@pytest.mark.parametrize("line", ["y() demo", "215 1255 16386 FUNCTION public f() demo", " 2; 1 1 TABLE public t demo"])
def test_a_line_of_no_known_form_ends_a_restore(line):
    with pytest.raises(Failure, match="no known form"):
        sorted_runs([[";", line]], "demo", ROLES, set())


def test_a_list_without_its_beginning_ends_a_restore(dump, monkeypatch, tmp_path):
    (tmp_path / "pg_restore").write_text("#!/bin/sh\nyes '5; 1259 8 TABLE public a demo' | head -n 100000\n")
    (tmp_path / "pg_restore").chmod(0o755)
    real = System(str(tmp_path), "")
    monkeypatch.setattr(real, "spawn", lambda argv, _user, *rest: System.spawn(real, argv, "", *rest))
    monkeypatch.setattr(system, "KEPT_OUTPUT", 1 << 20)
    monkeypatch.setattr(dump, "system", real)
    monkeypatch.setattr(dump, "programs", str(tmp_path))
    monkeypatch.setattr(dump.cluster, "options", dict, raising=False)
    with (tmp_path / "dump").open("w+b") as source, pytest.raises(Failure, match="pg_restore answers with more than"):
        dump.runs(source)


def test_a_schema_with_a_line_end_in_its_name_is_one(dump, server):
    server.answers = {"has_schema_privilege": [json.dumps('CREATE ON SCHEMA "a\nb"')]}
    assert dump.lacking("demo", "demo") == ['CREATE ON DATABASE "demo"', 'CREATE ON SCHEMA "a\nb"']


def test_a_database_whose_name_has_a_line_end_is_no_former_one(dump, server):
    name = "x\ndemo_before_20300102t030405"
    server.answers = {"to_json(datname)": [json.dumps(name)], "datname": name.split("\n")}
    assert dump.formers() == []


def logins(server):
    return [re.findall('"(hawser_login_[^"]*)"', sql)[0] for sql in server.begins("CREATE ROLE")]


def test_a_login_has_a_name_that_nobody_knows_before(dump, server):
    for _time in range(2):
        with dump.logged_in("demo", "demo"):
            pass
    one, other = logins(server)
    assert one != other


def test_a_login_that_somebody_holds_on_to_is_shut_and_told_and_the_backup_is_good(dump, server, system, monkeypatch):
    server.answers["DROP ROLE"] = Finished(3, "", "ERROR:  some objects depend on it")
    server.answers["pg_shdepend"] = ['"postgres"', '"a\'b"']
    monkeypatch.setattr(postgres_dump, "receive", lambda system, target, *words: target.write(b"x"))
    dump.save(io.BytesIO())
    (login,) = logins(server)
    assert server.begins(f'ALTER ROLE "{login}" NOLOGIN')
    assert {database for database, sql in server.asked if "DROP OWNED" in sql} >= {"postgres", "dbname='a\\'b'"}
    (warning,) = system.take_warnings()
    assert login in warning and "depend on it" in warning


def test_logins_that_killed_runs_have_left_go_and_no_others(dump, server):
    ours = [dump.mark, dump.mark + "_0123456789ab"]
    others = [dump.mark + "_boss", "hawser_login_" + "0" * 12, "x\n" + dump.mark]
    server.answers = {"rolvaliduntil": map(json.dumps, [*ours, *others]), **server.answers}
    dump.withdraw()
    assert [re.findall('DROP ROLE "(.*)"', sql)[0] for sql in server.begins("SET lock_timeout")] == ours


def test_settings_of_the_owner_of_a_database_hold_for_no_program_of_ours(dump, server, monkeypatch):
    given = []
    for superuser in ("f", "t"):
        server.answers["EXISTS"] = [superuser]
        monkeypatch.setattr(dump, "refused", lambda found: False)
        take = lambda _system, _target, argv, _user, variables: given.append((argv, variables))  # noqa: E731
        monkeypatch.setattr(postgres_dump, "receive", take)
        dump.save(io.BytesIO())
    for argv, variables in given:
        for each in ("role=none", "local_preload_libraries=", "idle_session_timeout=0", "statement_timeout=0"):
            assert "-c " + each in variables["PGOPTIONS"].replace("= ", "=")
        assert argv[argv.index("-E") + 1] == "LATIN1"


@pytest.mark.parametrize(
    ("version", "superuser", "events"), [("17", True, True), ("17", False, False), ("15", True, False)]
)
def test_a_setting_is_given_to_those_who_know_it_and_may(system, version, superuser, events):
    said = Server(system, version).options(superuser)["PGOPTIONS"]
    assert ("transaction_timeout=0" in said.split()) is (version == "17")
    assert ("event_triggers=off" in said.split()) is events


def test_a_client_that_connects_again_and_again_does_not_keep_a_restore_from_its_end(dump, server, own_time):
    times = iter(range(0, 1000, 30))
    own_time(postgres_dump, sleep=lambda seconds: None, monotonic=lambda: next(times))
    server.answers = {"pg_terminate_backend": ["t"]}
    dump.recover({"fresh": "demo_restore_1", "former": "demo_before_1"})
    asked = next(sql for _database, sql in server.asked if "pg_terminate_backend" in sql)
    assert "usename = current_user AND application_name" in asked


def test_a_dump_that_waits_for_a_lock_ends_and_its_holder_is_named(dump, server):
    assert dump.waiting() == ""
    server.answers = {"waitstart": ['[7, "process 8 of demo (psql, idle in transaction since 2030)"]']}
    assert "locked by process 8 of demo (psql, idle in transaction since 2030); next: " in dump.waiting()
    assert "pg_terminate_backend(7)" in server.asked[-1][1]
