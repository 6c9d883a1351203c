"""Who reads in which part of a dump of PostgreSQL, and which databases are what a restore has set aside."""

from __future__ import annotations

import pytest

from hawser.runner.postgres_dump import LOADER, SUPERUSER, creation, outfit, reader, sorted_runs
from hawser.runner.restoring import beside, is_former

ROLES = {"demo": False, "clerk": False, "postgres": True, "boss demo": True, "pg_database_owner": True}
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


def test_only_what_a_restore_of_this_database_has_set_aside_is_a_former_one():
    assert is_former("shop_before_20300102t030405", "shop")
    for other in ("shop_before_sale", "shop_before_20300102t030405x", "shop2_before_20300102t030405", "shop"):
        assert not is_former(other, "shop")


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
