"""Restores of PostgreSQL: with whose rights, what stays as it was, and what becomes of one that was broken off."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox

from .conftest import PROJECT, Fleet
from .test_backups import backups, listed, sql
from .test_everyday import ask_shell

KILLS = Path(__file__).parent / "restores" / "kills.py"
# What whoever owns the database may do: have code run when it is read in, or when somebody looks.
GRAB = """
SET ROLE demo;
CREATE SCHEMA evil;
CREATE FUNCTION evil.grab(x int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
-- An index takes nothing else.
CREATE FUNCTION evil.calm(x int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN evil.grab(x); END $$;
CREATE TABLE evil.checked (x int CHECK (evil.grab(x)));
INSERT INTO evil.checked VALUES (1);
CREATE INDEX ON evil.checked (evil.calm(x));
CREATE MATERIALIZED VIEW evil.seen AS SELECT evil.grab(x) FROM evil.checked;
CREATE VIEW evil.view AS SELECT evil.grab(1);
CREATE TABLE evil."line
\\! touch /tmp/grabbed
end" (x int);
CREATE FUNCTION evil.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT 'demo'::name WHERE evil.grab(1) $$;
CREATE FUNCTION evil.pg_encoding_to_char(int) RETURNS name LANGUAGE sql AS $$ SELECT 'UTF8'::name WHERE evil.grab(1) $$;
-- From here on: what is read in later runs it first.
CREATE OR REPLACE FUNCTION evil.grab(x int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXCEPTION WHEN OTHERS THEN END;
    BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN END;
    BEGIN EXECUTE 'SET ROLE postgres'; EXCEPTION WHEN OTHERS THEN END;
    BEGIN EXECUTE 'ALTER ROLE demo SUPERUSER'; EXCEPTION WHEN OTHERS THEN END;
    BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch /tmp/grabbed'''; EXCEPTION WHEN OTHERS THEN END;
    RETURN true;
END $$;
-- What would be made by the superuser, were a part of its name taken for its owner, or its owner for a superuser.
CREATE FUNCTION evil."x postgres\vy"() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN RETURN evil.grab(1); END $$;
GRANT ALL ON SCHEMA evil TO pg_database_owner;
CREATE FUNCTION evil.lent() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    AS $$ BEGIN RETURN evil.grab(1); END $$;
ALTER FUNCTION evil.lent() OWNER TO pg_database_owner;
ALTER DATABASE demo SET search_path = evil, pg_catalog, public;
"""
# What whoever owns the database may set for everybody who connects to it.
SET = """
ALTER DATABASE demo SET role = demo;
ALTER DATABASE demo SET local_preload_libraries = 'nowhere';
ALTER DATABASE demo SET idle_session_timeout = '1ms';
ALTER DATABASE demo SET client_encoding = 'SJIS';
CREATE SCHEMA "two
lines"; REVOKE ALL ON SCHEMA "two
lines" FROM demo;
"""
# What holds on to every login that it sees.
HOLD = """
SET ROLE demo;
DO $$ DECLARE number oid := lo_create(0); login name; BEGIN
    FOR i IN 1..5000 LOOP
        SELECT rolname INTO login FROM pg_roles WHERE rolname LIKE 'hawser_login%';
        EXIT WHEN login IS NOT NULL;
        PERFORM pg_sleep(0.01);
    END LOOP;
    EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO %I', number, login);
END $$;
"""
OUTSIDE = """
SELECT to_jsonb(d) - ARRAY['oid', 'datfrozenxid', 'datminmxid'] FROM pg_database d WHERE datname = 'demo';
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'demo';
SELECT setrole::regrole, setconfig FROM pg_db_role_setting s, pg_database d
    WHERE d.oid = s.setdatabase AND datname = 'demo' ORDER BY 1;
SELECT extname, extnamespace::regnamespace, extowner::regrole FROM pg_extension ORDER BY 1;
SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl
    ORDER BY 1, 2, 3;
SELECT evtname, evtowner::regrole, evtevent, evtenabled FROM pg_event_trigger ORDER BY 1;
SELECT pubname, pubowner::regrole, puballtables FROM pg_publication ORDER BY 1;
SELECT c.oid::regclass, relkind, relowner::regrole, relacl FROM pg_class c
    WHERE relnamespace::regnamespace::text IN ('public', 'kept') ORDER BY c.oid::regclass::text;
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1;
"""
BELONGINGS = """
CREATE ROLE reader; CREATE ROLE clerk LOGIN;
ALTER DATABASE demo CONNECTION LIMIT 41;
REVOKE CONNECT, TEMPORARY ON DATABASE demo FROM PUBLIC; GRANT CONNECT ON DATABASE demo TO reader WITH GRANT OPTION;
SET SESSION AUTHORIZATION reader; GRANT CONNECT ON DATABASE demo TO clerk; RESET SESSION AUTHORIZATION;
ALTER DATABASE demo SET search_path = "$user", public, "a, b"; ALTER DATABASE demo SET work_mem = '7MB';
ALTER ROLE clerk IN DATABASE demo SET statement_timeout = '3s'; ALTER DATABASE demo SET app.tenant = 'it''s; \\';
COMMENT ON DATABASE demo IS 'the harbour''s \\ logbook';
CREATE SCHEMA kept AUTHORIZATION clerk; CREATE TABLE kept.notes (x int); ALTER TABLE kept.notes OWNER TO clerk;
CREATE TABLE public.odd (x int); GRANT SELECT ON public.odd TO reader; INSERT INTO public.odd VALUES (1);
CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION dblink SCHEMA public;
SET ROLE demo; CREATE EXTENSION citext SCHEMA public; RESET ROLE;
ALTER DEFAULT PRIVILEGES FOR ROLE demo IN SCHEMA public GRANT SELECT ON TABLES TO reader;
CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION public.noted();
CREATE PUBLICATION everything FOR ALL TABLES;
"""
AWAY = """
DROP PUBLICATION IF EXISTS everything; DROP EVENT TRIGGER IF EXISTS noted; DROP FUNCTION IF EXISTS public.noted();
DROP EXTENSION IF EXISTS hstore, dblink, citext; DROP TABLE IF EXISTS public.odd; DROP SCHEMA IF EXISTS kept CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE demo IN SCHEMA public REVOKE SELECT ON TABLES FROM reader;
ALTER DATABASE demo RESET ALL; ALTER DATABASE demo CONNECTION LIMIT -1; COMMENT ON DATABASE demo IS NULL;
REVOKE CONNECT ON DATABASE demo FROM reader CASCADE; GRANT CONNECT, TEMPORARY ON DATABASE demo TO PUBLIC;
DROP OWNED BY reader, clerk; DROP ROLE reader; DROP ROLE clerk;
"""


def test_code_in_a_database_does_nothing_with_the_rights_of_the_superuser(fleet: Fleet) -> None:
    for text in GRAB.split("\n;\n"):
        sql(fleet, text)
    try:
        powerful = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles WHERE rolname = 'demo' AND rolsuper"
        assert sql(fleet, powerful) == "0"
        fleet.fab("-H", "data1", "db.backup")
        fleet.fab("-H", "data1", "db.restore", "latest", "--destroy", "demo")
        assert sql(fleet, "SELECT count(*) FROM evil.checked, evil.seen") == "1"
        fleet.fab("-H", "data1", "bootstrap")
        ask_shell(fleet, "SELECT * FROM evil.view", "-H", "data1", "dbshell")
        assert sql(fleet, powerful) == "0"
        others = "SELECT DISTINCT proowner::regrole FROM pg_proc WHERE pronamespace = 'evil'::regnamespace"
        assert sql(fleet, others) == "demo"
        assert fleet.inside("data1", "sh", "-c", "ls /tmp/grabbed || true").strip() == ""
        left = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'hawser%'"
        assert sql(fleet, left, "postgres") == ""
    finally:
        sql(fleet, "ALTER ROLE demo NOSUPERUSER; ALTER DATABASE demo RESET ALL", "postgres")
        sql(fleet, "DROP SCHEMA evil CASCADE")
        fleet.inside("data1", "rm", "-f", "/tmp/grabbed")


def test_everything_of_a_database_is_there_after_a_restore_as_before(fleet: Fleet) -> None:
    sql(fleet, BELONGINGS)
    try:
        before = sql(fleet, OUTSIDE)
        fleet.fab("-H", "data1", "db.backup")
        sql(fleet, "INSERT INTO public.odd VALUES (2)")
        fleet.fab("-H", "data1", "db.restore", "latest", "--destroy", "demo")
        assert sql(fleet, OUTSIDE).splitlines() == before.splitlines()
        assert sql(fleet, "SELECT x FROM public.odd") == "1"
    finally:
        # What the restore has set aside knows the same roles.
        for name in sql(
            fleet, "SELECT datname FROM pg_database WHERE datname LIKE 'demo_before_%'", "postgres"
        ).split():
            sql(fleet, f"DROP DATABASE {name}", "postgres")
        sql(fleet, AWAY)


def test_nothing_that_the_owner_of_a_database_may_do_stops_a_backup_or_restore(fleet: Fleet) -> None:
    sql(fleet, f"SET ROLE demo; {SET}")
    hold = f"runuser -u postgres -- psql -qd postgres <<'END' >/dev/null 2>&1 &\n{HOLD}\nEND\n"
    try:
        fleet.inside("data1", "sh", "-c", hold)
        fleet.fab("-H", "data1", "db.backup")
        fleet.fab("-H", "data1", "db.restore", "latest", "--destroy", "demo")
        fleet.fab("-H", "data1", "bootstrap")
        assert sql(fleet, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'hawser%'", "postgres") == ""
        assert sql(fleet, "SELECT count(*) FROM pg_largeobject_metadata", "postgres") == "1"
    finally:
        sql(fleet, "ALTER DATABASE demo RESET ALL", "postgres")
        sql(fleet, "DROP OWNED BY demo", "postgres")
        sql(fleet, 'DROP SCHEMA "two\nlines"')


def test_the_latest_backup_is_the_same_however_often_it_is_brought_back(fleet: Fleet) -> None:
    sql(
        fleet,
        "DROP TABLE IF EXISTS again; CREATE TABLE again AS SELECT 'good' AS word; ALTER TABLE again OWNER TO demo",
    )
    fleet.fab("-H", "data1", "db.backup", "--why", "scheduled")
    name = backups(fleet)[0]
    for _time in range(2):
        sql(fleet, "UPDATE again SET word = 'bad'")
        fleet.fab("-H", "data1", "db.restore", "latest", "--destroy", "demo")
        assert sql(fleet, "SELECT word FROM again") == "good"
    why = listed(fleet)
    assert why[name] == "scheduled"
    assert list(why.values()).count("before a restore") >= 2
    sql(fleet, "DROP TABLE again")


@pytest.fixture
def broken_off(fleet: Fleet) -> Iterator[str]:
    """A restore that was killed: its journal, and a database that lets nobody in, as an older version left it."""
    fleet.fab("-H", "data1", "db.backup")
    name = backups(fleet)[0]
    journal = {"phase": "saving", "backup": name, "engine": "postgresql", "database": "demo", "by": {"who": "ann"}}
    path = "/var/lib/hawser/demo/restore-postgresql-demo.json"
    fleet.inside("data1", "sh", "-c", f"cat > {path} <<'END'\n{json.dumps(journal)}\nEND")
    sql(fleet, "ALTER DATABASE demo ALLOW_CONNECTIONS false", "postgres")
    yield name
    fleet.inside("data1", "rm", "-f", path)
    sql(fleet, "ALTER DATABASE demo ALLOW_CONNECTIONS true", "postgres")


def test_a_restore_that_was_broken_off_is_told_and_mended(fleet: Fleet, broken_off: str) -> None:
    told = f"the restore of demo from {broken_off}"
    for words in (["check"], ["status"], ["deploy"], ["bootstrap"], ["-R", "bootstrap"]):
        result = fleet.fab(*words[:-1], "-H", fleet.name, words[-1], code=None if "-R" in words else 1)
        assert told in result.stdout + result.stderr, words
        assert "resume" in result.stdout + result.stderr, words
    assert sql(fleet, "SELECT datallowconn FROM pg_database WHERE datname = 'demo'", "postgres") == "f"
    said = fleet.fab("-H", "data1", "resume").stdout
    assert "db.finish" in said
    assert sql(fleet, "SELECT 1") == "1"
    assert told not in fleet.fab("-H", fleet.name, "status", code=None).stdout
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


def test_a_database_that_lets_nobody_in_is_found_without_a_journal(fleet: Fleet) -> None:
    sql(fleet, "ALTER DATABASE demo ALLOW_CONNECTIONS false", "postgres")
    result = fleet.fab("-H", "data1", "check", code=1)
    assert "nobody may connect to the database demo" in result.stdout
    fleet.fab("-H", "data1", "resume")
    assert sql(fleet, "SELECT 1") == "1"


def push_kills(host: str) -> None:
    """Put the runner and the program that kills it onto a host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in [PROJECT / "hawser" / "__init__.py", *sorted((PROJECT / "hawser" / "runner").rglob("*.py"))]:
            archive.add(path, path.relative_to(PROJECT))
        archive.add(KILLS, "kills.py")
    unpack = "rm -rf /root/kills && mkdir /root/kills && tar -xC /root/kills"
    assert sandbox.exec_in(host, ["sh", "-c", unpack], packed.getvalue(), 60).returncode == 0


def kill(host: str, engine: str, act: str, step: int) -> None:
    """Kill a backup or a restore at every so many moments of it on a host."""
    result = sandbox.exec_in(host, ["python3", "/root/kills/kills.py", engine, act, str(step)], b"", 3600)
    assert result.returncode == 0, (result.stdout, result.stderr)
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["problems"] == []
    assert found["tried"] > 0


@pytest.mark.parametrize(
    ("engine", "act", "step"),
    [pytest.param("postgresql", "restore", 31, marks=pytest.mark.slow), ("sqlite", "restore", 9)],
)
def test_a_killed_restore_is_made_good_by_the_same_command(fleet: Fleet, engine: str, act: str, step: int) -> None:
    push_kills(f"{fleet.name}-data1")
    kill(f"{fleet.name}-data1", engine, act, step)
