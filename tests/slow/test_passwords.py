"""New passwords of PostgreSQL, MariaDB and Redis while visitors come whose requests log in there."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hosts.conftest import Fleet, own_environment

SERVICES = ("postgresql", "mariadb", "redis")
SETTINGS = """\
[app]
name = "safe"
repo = "{repository}"

[env]
required = ["A_PASSWORD", "B_PASSWORD", "C_PASSWORD"]

[env.variables]
A_PASSWORD = "{{{{ secrets.A_PASSWORD }}}}"
B_PASSWORD = "{{{{ secrets.B_PASSWORD }}}}"
C_PASSWORD = "{{{{ secrets.C_PASSWORD }}}}"

[release]
migrate = "python app.py"
pending = "python app.py"

[processes.web]
command = "gunicorn app:app --bind unix:{{{{ socket }}}} --workers 2"
health = {{ path = "/postgresql", timeout = 20 }}

[site]
domains = ["safe.test"]
tls = "none"

[services.postgresql]
databases.safe = {{ password = "{{{{ secrets.A_PASSWORD }}}}" }}

[services.mariadb]
databases.stock = {{ password = "{{{{ secrets.B_PASSWORD }}}}" }}

[services.redis]
password = "{{{{ secrets.C_PASSWORD }}}}"

[hosts.safe1]
sandbox = true
"""
CODE = """\
import os
import psycopg2, pymysql, redis

def postgresql():
    psycopg2.connect(host="127.0.0.1", user="safe", dbname="safe", password=os.environ["A_PASSWORD"]).close()

def mariadb():
    there = "/run/mysqld/mysqld.sock"
    pymysql.connect(user="stock", password=os.environ["B_PASSWORD"], unix_socket=there).close()

def cache():
    redis.Redis(password=os.environ["C_PASSWORD"]).ping()

def app(environ, start):
    ask = {"/postgresql": postgresql, "/mariadb": mariadb, "/redis": cache}[environ["PATH_INFO"]]
    try:
        ask()
    except Exception as error:
        start("500 Refused", [])
        return [repr(error).encode()]
    start("200 OK", [])
    return [b"ok"]

if __name__ == "__main__":
    postgresql()
"""
FILES = {"app.py": CODE, "requirements.txt": "gunicorn\npsycopg2-binary\npymysql\nredis\n"}


@pytest.fixture(scope="module")
def safe() -> Iterator[Fleet]:
    secrets = {f"{letter}_PASSWORD": f"first-{letter}" for letter in "ABC"}
    with own_environment("safe", SETTINGS, FILES, secrets) as fleet:
        fleet.fab("-H", "safe", "bootstrap", "deploy")
        yield fleet


def change(fleet: Fleet, old: str, new: str) -> None:
    file = fleet.hosts / "safe.env"
    file.write_text(file.read_text().replace(f"'{old}-", f"'{new}-"))


@contextmanager
def visitors(fleet: Fleet) -> Iterator[Counter[str]]:
    """Have visitors come meanwhile; yields, by service, the failed requests of each."""
    failed: Counter[str] = Counter()
    ended = threading.Event()

    def visit() -> None:
        while not ended.is_set():
            for service in SERVICES:
                answer = fleet.visit("safe1", f"/{service}", "http", "safe.test")
                failed[service] += answer.status != 200
            time.sleep(0.1)

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield failed
    finally:
        ended.set()
        thread.join()


def test_new_passwords_break_nothing_where_two_are_good_and_bootstrap_breaks_nothing_at_all(safe: Fleet) -> None:
    change(safe, "first", "second")
    with visitors(safe) as failed:
        said = safe.fab("-H", "safe", "bootstrap").stdout
    assert not failed.total() and "the password of safe is another one now" in said
    with visitors(safe) as failed:
        safe.fab("-H", "safe", "deploy")
    assert (failed["mariadb"], failed["redis"]) == (0, 0)
    with visitors(safe) as failed:
        time.sleep(1)
    assert not failed.total()
    for line in ('redis-cli -a "first-C" ping', "MYSQL_PWD=first-B mariadb -u stock -e 'SELECT 1'"):
        assert (
            "PONG" not in (told := safe.inside("safe1", "sh", "-c", f"{line} 2>&1", check=False)) and "1\n" not in told
        )


def test_after_a_failed_deploy_the_former_passwords_are_good_again(safe: Fleet) -> None:
    present = "second" if "'second-" in (safe.hosts / "safe.env").read_text() else "first"
    change(safe, present, "third")
    text = safe.file.read_text()
    safe.file.write_text(text.replace("timeout = 20", "timeout = 3, status = [299]"))
    said = safe.fab("-H", "safe", "bootstrap", "deploy", code=1)
    assert "could be put back" not in said.stdout + said.stderr
    with visitors(safe) as failed:
        time.sleep(1)
    assert not failed.total()
    safe.file.write_text(text)
    safe.fab("-H", "safe", "deploy")
    with visitors(safe) as failed:
        time.sleep(1)
    assert not failed.total()
