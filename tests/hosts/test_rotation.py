"""Secrets that get another value while visitors come: each request logs in anew, and none of them fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from .conftest import Fleet, own_environment
from .visitors import visitors

SERVICES = ("postgresql", "mariadb", "redis", "rabbitmq")
SETTINGS = """\
[app]
name = "turns"
repo = "{repository}"

[env]
generated = ["A_PASSWORD", "B_PASSWORD", "C_PASSWORD", "D_PASSWORD", "KEY"]

[env.variables]
A_USER = "{{{{ login('postgresql', 'turns') }}}}"
A_PASSWORD = "{{{{ secrets.A_PASSWORD }}}}"
B_PASSWORD = "{{{{ secrets.B_PASSWORD }}}}"
C_PASSWORD = "{{{{ secrets.C_PASSWORD }}}}"
D_USER = "{{{{ login('rabbitmq', 'turns') }}}}"
D_PASSWORD = "{{{{ secrets.D_PASSWORD }}}}"
KEYS = "{{{{ secrets.KEY }}}},{{{{ secrets.KEY__FORMER }}}}"

DATA = "{{{{ group('data')[0].address }}}}"

[processes.web]
groups = ["web"]
command = "gunicorn app:app --bind unix:{{{{ socket }}}} --workers 2"
health = {{ path = "/postgresql", timeout = 20 }}
stop_timeout = 10

[site]
domains = ["turns.test"]
tls = "none"
groups = ["web"]

[services.postgresql]
groups = ["data"]
databases.turns = {{ password = "{{{{ secrets.A_PASSWORD }}}}", logins = true, clients = ["web"] }}

[services.mariadb]
groups = ["data"]
databases.stock = {{ password = "{{{{ secrets.B_PASSWORD }}}}", clients = ["web"] }}

[services.redis]
groups = ["data"]
password = "{{{{ secrets.C_PASSWORD }}}}"
clients = ["web"]

[services.rabbitmq]
groups = ["data"]
users.turns = {{ password = "{{{{ secrets.D_PASSWORD }}}}", logins = true, clients = ["web"] }}

[hosts.web1]
sandbox = true
groups = ["web"]

[hosts.data1]
sandbox = true
groups = ["data"]
"""
CODE = """\
import os
import pika, psycopg2, pymysql, redis

DATA = os.environ["DATA"]

def postgresql():
    user, password = os.environ["A_USER"], os.environ["A_PASSWORD"]
    with psycopg2.connect(host=DATA, user=user, dbname="turns", password=password) as line:
        with line.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz)")
            cursor.execute("INSERT INTO visits VALUES (now())")
    line.close()

def mariadb():
    pymysql.connect(host=DATA, user="stock", password=os.environ["B_PASSWORD"]).close()

def cache():
    redis.Redis(DATA, password=os.environ["C_PASSWORD"]).ping()

def broker():
    who = pika.PlainCredentials(os.environ["D_USER"], os.environ["D_PASSWORD"])
    line = pika.BlockingConnection(pika.ConnectionParameters(DATA, 5672, "turns", who))
    line.channel().queue_declare("visits")
    line.close()

def app(environ, start):
    ask = {"/postgresql": postgresql, "/mariadb": mariadb, "/redis": cache, "/rabbitmq": broker}
    try:
        ask[environ["PATH_INFO"]]()
    except Exception as error:
        start("500 Refused", [])
        return [repr(error).encode()]
    start("200 OK", [])
    return [b"ok"]
"""
FILES = {"app.py": CODE, "requirements.txt": "gunicorn\npika\npsycopg2-binary\npymysql\nredis\n"}


@pytest.fixture(scope="module")
def turns() -> Iterator[Fleet]:
    with own_environment("turns", SETTINGS, FILES) as fleet:
        fleet.fab("-H", "turns", "bootstrap", "deploy")
        yield fleet


def lines(fleet: Fleet) -> dict[str, str]:
    """Return what the file of secrets says."""
    rows = (line.partition("=") for line in (fleet.hosts / "turns.env").read_text().splitlines())
    return {name: value for name, _, value in rows}


def pages(fleet: Fleet, *services: str) -> dict[str, object]:
    return {each: partial(fleet.visit, "web1", f"/{each}", "http", "turns.test") for each in services}


def user(fleet: Fleet, name: str) -> str:
    """Return the name with which the application logs in."""
    # The youngest: those of before may still be ending.
    script = f"tr '\\0' '\\n' < /proc/$(pgrep -nf '[g]unicorn')/environ | grep ^{name}="
    return fleet.inside("web1", "sh", "-c", script).strip().partition("=")[2]


def lets_in(fleet: Fleet, service: str, who: str, password: str) -> bool:
    """Tell whether a service takes a password."""
    script = {
        "postgresql": f"PGPASSWORD='{password}' psql -h 127.0.0.1 -U {who} -d turns -Atc 'SELECT 1'",
        "mariadb": f"MYSQL_PWD='{password}' mariadb -NBu stock -e 'SELECT 1'",
        "redis": f"[ \"$(REDISCLI_AUTH='{password}' redis-cli ping 2>&1)\" = PONG ] && echo 1",
        "rabbitmq": f"printf '%s\\n' '{password}' | rabbitmqctl -q authenticate_user {who} >/dev/null && echo 1",
    }[service]
    return fleet.inside("data1", "sh", "-c", f"{script} 2>/dev/null", check=False).strip() == "1"


def killed_in(fleet: Fleet, phase: str, secret: str) -> None:
    """Begin a rotation, and kill it when a phase begins."""
    process = fleet.start("secrets.rotate", secret, errors=subprocess.STDOUT)
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["t"] == "phase" and told["name"].startswith(phase):
            break
    process.kill()
    process.communicate()


def test_a_password_of_postgresql_becomes_another_one_and_no_request_fails_though_it_is_killed_twice(
    turns: Fleet,
) -> None:
    old, who = lines(turns)["A_PASSWORD"], user(turns, "A_USER")
    assert lets_in(turns, "postgresql", who, old)
    said = turns.fab("-R", "-H", "turns", "secrets.rotate", "A_PASSWORD").stdout
    assert "would draw another A_PASSWORD" in said and lines(turns)["A_PASSWORD"] == old
    with visitors(turns, pages(turns, "postgresql")):
        killed_in(turns, "switch", "A_PASSWORD")
        held = lines(turns)
        new = held["A_PASSWORD__NEXT"]
        assert held["A_PASSWORD"] == old and "half done" in turns.fab("-H", "turns", "secrets.check", code=1).stdout
        assert lets_in(turns, "postgresql", who, old)
        killed_in(turns, "former passwords", "A_PASSWORD")
        assert lines(turns) == held and user(turns, "A_USER") != who
        logs = turns.folder / "rollouts"
        kept_there = {"HAWSER_ROLLOUTS": str(logs)}
        said = turns.fab("-H", "turns", "secrets.rotate", "A_PASSWORD", env=kept_there).stdout
    assert "no program of web1 has the former value any more" in said
    assert old not in said and new not in said
    assert lines(turns)["A_PASSWORD"] == new and "A_PASSWORD__NEXT" not in lines(turns)
    assert not lets_in(turns, "postgresql", who, old) and not lets_in(turns, "postgresql", "turns", old)
    assert lets_in(turns, "postgresql", user(turns, "A_USER"), new)
    sql = "SELECT tableowner FROM pg_tables WHERE tablename = 'visits'"
    assert turns.inside("data1", "runuser", "-u", "postgres", "--", "psql", "-Atc", sql, "turns").strip() == "turns"
    for host in ("web1", "data1"):
        script = 'grep -rlF "$0" /var/log; journalctl -q | grep -cF "$0"'
        assert turns.inside(host, "sh", "-c", script, new, check=False).split() == ["0"]
    # Nor in what is kept here of the rollout.
    texts = [path.read_text(errors="replace") for path in logs.rglob("*") if path.is_file()]
    assert any("secrets.rotate" in text for text in texts)
    assert not any(old in text or new in text for text in texts)
    assert "nothing to do" in turns.fab("-H", "turns", "deploy").stdout
    assert turns.drifted() == []


@pytest.mark.parametrize(
    ("service", "secret", "variable"),
    [("mariadb", "B_PASSWORD", ""), ("redis", "C_PASSWORD", ""), ("rabbitmq", "D_PASSWORD", "D_USER")],
)
def test_the_password_of_another_service_becomes_another_one_and_no_request_fails(
    turns: Fleet, service: str, secret: str, variable: str
) -> None:
    old, who = lines(turns)[secret], user(turns, variable) if variable else ""
    assert lets_in(turns, service, who, old)
    with visitors(turns, pages(turns, service)):
        turns.fab("-H", "turns", "secrets.rotate", secret)
    new = lines(turns)[secret]
    assert new != old and lets_in(turns, service, user(turns, variable) if variable else "", new)
    assert not lets_in(turns, service, who, old)
    if service == "redis":
        turns.inside("data1", "systemctl", "restart", "redis-server")
        assert lets_in(turns, service, who, new) and not lets_in(turns, service, who, old)
    assert turns.drifted() == []


def test_a_key_whose_former_value_stays_good_until_somebody_ends_that(turns: Fleet) -> None:
    old = lines(turns)["KEY"]
    with visitors(turns, pages(turns, "postgresql")):
        turns.fab("-H", "turns", "secrets.rotate", "KEY", "--keep-former")
        new = lines(turns)["KEY"]
        assert new != old and lines(turns)["KEY__FORMER"] == old and user(turns, "KEYS") == f"{new},{old}"
        assert "nothing to do" in turns.fab("-H", "turns", "deploy").stdout
        turns.fab("-H", "turns", "secrets.rotate", "KEY", "--end-former")
    assert "KEY__FORMER" not in lines(turns) and user(turns, "KEYS") == f"{new},"
    assert "nothing to do" in turns.fab("-H", "turns", "deploy").stdout
    assert "nothing is wrong" in turns.fab("-H", "turns", "secrets.check").stdout


def test_logins_for_each_password_go_and_come_and_no_request_fails(turns: Fleet) -> None:
    text = turns.file.read_text()
    with visitors(turns, pages(turns, "postgresql", "rabbitmq")):
        turns.file.write_text(text.replace("logins = true", "logins = false"))
        turns.fab("-H", "turns", "deploy")
        turns.fab("-H", "turns", "bootstrap")
        assert (user(turns, "A_USER"), user(turns, "D_USER")) == ("turns", "turns")
        roles = turns.inside("data1", "runuser", "-u", "postgres", "--", "psql", "-Atc", "SELECT rolname FROM pg_roles")
        users = turns.inside("data1", "rabbitmqctl", "-q", "list_users")
        assert "turns_" not in roles + users
        said = turns.fab("-H", "turns", "secrets.rotate", "A_PASSWORD", code=2).stderr
        assert "logins = true in [services.postgresql.databases.turns]" in said
        turns.file.write_text(text)
        turns.fab("-H", "turns", "bootstrap", "deploy")
    for service, variable, secret in (("postgresql", "A_USER", "A_PASSWORD"), ("rabbitmq", "D_USER", "D_PASSWORD")):
        assert user(turns, variable).startswith("turns_")
        assert lets_in(turns, service, user(turns, variable), lines(turns)[secret])
        assert not lets_in(turns, service, "turns", lines(turns)[secret])
    assert turns.drifted() == []
