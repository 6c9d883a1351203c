"""Two applications share a host without touching each other, and one is taken away while the other answers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from hawser import sandbox

from .conftest import PROJECT, Fleet, own_environment, wait_for

# One name begins with the other: whoever goes by prefixes takes too much.
FIRST, SECOND = "tide", "tide-two"
APPLICATION = """
import os
import sys
import time

import psycopg


def run(sql):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.environ['WHO']}: {run('SELECT count(*) FROM waves')}".encode()]


if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        run("CREATE TABLE IF NOT EXISTS waves (who text)")
    while sys.argv[1] == "work":
        run("INSERT INTO waves VALUES ('worker')")
        time.sleep(0.5)
    if sys.argv[1] == "tick":
        run("INSERT INTO waves VALUES ('cron')")
"""
SETTINGS = """
[app]
name = "{name}"
repo = "{repository}"

[env]
generated = ["DB_PASSWORD"]

[env.variables]
WHO = "{name}"
DATABASE_URL = "postgresql://{database}:{{{{ secrets.DB_PASSWORD | urlquote }}}}@127.0.0.1/{database}"

[release]
migrate = "python tide.py migrate"

[processes.web]
command = "gunicorn tide:app --bind unix:{{{{ socket }}}}"
health = {{ path = "/" }}

[processes.worker]
command = "python tide.py work"
manager = "supervisor"

[cron.tick]
schedule = "* * * * *"
command = "python tide.py tick"

[[files]]
path = "/etc/tides/{name}/own.conf"
content = "{name}"

[site]
domains = ["{name}.test", "review-1834-add-invoice-reminders-for-late-customers.staging.customers.{name}.test"]

[services.postgresql]
databases.{database} = {{ password = "{{{{ secrets.DB_PASSWORD }}}}", clients = ["box"] }}

[firewall]
rules = [{{ ports = [{port}], from_networks = ["10.0.0.0/8"] }}]

[hosts.solo]
groups = ["box"]
{reached}
"""


@dataclass(frozen=True)
class Two:
    """The host, and the environments of its two applications."""

    first: Fleet
    second: Fleet

    def inside(self, *argv: str, check: bool = True) -> str:
        return self.first.inside("solo", *argv, check=check)

    def visit(self, name: str) -> str:
        return self.first.visit("solo", domain=f"{name}.test").body

    def processes(self, name: str) -> set[str]:
        """Return the programs of an application: their numbers and commands."""
        return set(self.inside("sh", "-c", f"pgrep -a -u {name} || true").splitlines())

    def traces(self, name: str) -> dict[str, str]:
        """Return everything on the host that belongs to an application, by kind."""
        database = name.replace("-", "_")
        sql = 'su postgres -c "psql -Atc \\"{}\\""'
        commands = {
            "units": f"grep -ls 'application={name} ' /etc/systemd/system/*.service /etc/supervisor/conf.d/*",
            "running": f"pgrep -u {name}",
            "supervisor": f"supervisorctl status | grep '^{name}-[wb]' | cut -d, -f1",
            "cron": f"ls /etc/cron.d/{name}",
            "site": f"ls /etc/nginx/sites-enabled/{name}.conf",
            "rotation": f"ls /etc/logrotate.d/{name}",
            "database": sql.format(f"SELECT datname FROM pg_database WHERE datname = '{database}'"),
            "role": sql.format(f"SELECT rolname FROM pg_roles WHERE rolname = '{database}'"),
            "access": f"grep 'hawser {name}$' /etc/postgresql/*/main/pg_hba.conf",
            "server": f"ls /etc/postgresql/*/main/conf.d/hawser-{name}.conf",
            "firewall": f"nft list table inet hawser_{database}",
            "rules": f"ls /etc/hawser/{name}.nft /etc/systemd/system/hawser-firewall-{name}.service",
            "user": f"getent passwd {name}",
            "group": f"getent group {name}",
            "folder": f"ls -d /srv/{name}",
            "state": f"ls -d /var/lib/hawser/{name}",
            "file": f"ls -d /etc/tides/{name} /etc/tides/{name}/own.conf 2>/dev/null",
        }
        found = {kind: self.inside("sh", "-c", f"{line} 2>/dev/null; true").strip() for kind, line in commands.items()}
        return {kind: text for kind, text in found.items() if text}


def words(name: str, port: int, reached: str) -> dict[str, object]:
    """Return what the settings of one of the two applications say."""
    return {"name": name, "database": name.replace("-", "_"), "port": port, "reached": reached}


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """One bare host, and a repository that both applications share."""
    code = {"tide.py": APPLICATION, "requirements.txt": "gunicorn==23.0.0\npsycopg[binary]==3.2.9\n"}
    with own_environment(FIRST, SETTINGS, code, **words(FIRST, 8101, "sandbox = true")) as first:
        host = next(each for each in sandbox.listing() if each.name == f"{FIRST}-solo")
        reached = f'address = "{host.address}"\nuser = "root"\nkey = "{sandbox.private_key()}"'
        second = Fleet(first.folder, SECOND)
        own = words(SECOND, 8102, f'{reached}\nhost_key = "{host.host_keys[0]}"')
        second.file.write_text(SETTINGS.format(repository=first.repository, **own))
        yield Two(first, second)


@contextmanager
def visitors(two: Two, name: str) -> Iterator[list[str]]:
    """Ask an application for its page all the time; the answers are collected."""
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(two.visit(name))
            except OSError as error:
                answers.append(str(error))
            time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def test_a_second_application_leaves_everything_of_the_first_alone(two: Two) -> None:
    two.first.fab("-H", FIRST, "bootstrap", "deploy")
    before, running = two.traces(FIRST), two.processes(FIRST)
    assert len(before) == 17, before
    with visitors(two, FIRST) as answers:
        two.second.fab("-H", SECOND, "bootstrap", "deploy")
    assert answers and all(answer.startswith(f"{FIRST}: ") for answer in answers), set(answers)
    assert two.visit(SECOND).startswith(f"{SECOND}: ")
    assert {**two.traces(FIRST), "running": ""} == {**before, "running": ""}
    # But for what cron has started meanwhile.
    assert running <= two.processes(FIRST) or {line for line in running if "tick" not in line} <= two.processes(FIRST)
    for fleet in (two.first, two.second):
        assert fleet.drifted() == []
        events = fleet.events("-H", fleet.name, "bootstrap", "deploy")
        told = [event for event in events if event["t"] == "event"]
        assert told and not [event["label"] for event in told if event["status"] != "ok"]
        fleet.fab("-H", fleet.name, "status")


def ask_remove(two: Two, text: str) -> subprocess.CompletedProcess[str]:
    """Give the command what a person would type."""
    command = two.first.command("-H", FIRST, "remove")
    return subprocess.run(
        command, cwd=PROJECT, env=two.first.environ(), input=text, capture_output=True, text=True, check=False
    )


def test_remove_says_what_will_go_and_takes_nothing_without_the_name(two: Two) -> None:
    before = two.traces(FIRST)
    dry = two.first.fab("-R", "-H", FIRST, "remove").stdout
    assert "removes the database tide, after a last backup and the role tide" in dry
    assert "nothing was touched" in dry
    for text in ("tide-two\n", ""):
        result = ask_remove(two, text)
        assert result.returncode == 1, result.stdout
        for word in ("removes the database tide", "/srv/tide\n", "user tide\n", "/etc/cron.d/tide\n"):
            assert word in result.stdout, result.stdout
    assert "running" in before
    assert {**two.traces(FIRST), "running": ""} == {**before, "running": ""}


def test_one_application_is_taken_away_completely_while_the_other_answers_every_request(two: Two) -> None:
    rows = int(two.visit(FIRST).split()[1])
    others, running = two.traces(SECOND), two.processes(SECOND)
    # What somebody has left running as the application's user goes as well, after that was said.
    left = "setsid sleep 987 >/dev/null 2>&1 </dev/null &"
    two.inside("setpriv", f"--reuid={FIRST}", f"--regid={FIRST}", "--init-groups", "sh", "-c", left)
    with visitors(two, SECOND) as answers:
        result = ask_remove(two, f"{FIRST}\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"user {FIRST}, after ending sleep 987 (pid " in result.stdout, result.stdout
    assert len(answers) > 20 and all(answer.startswith(f"{SECOND}: ") for answer in answers), set(answers)
    assert two.traces(FIRST) == {}
    assert {**two.traces(SECOND), "running": ""} == {**others, "running": ""}
    assert {line for line in running if "tick" not in line} <= two.processes(SECOND)
    two.second.fab("-H", SECOND, "status")
    # The last backup holds what was there.
    dump = two.inside("sh", "-c", "ls /var/backups/hawser/tide/tide-*.dump").split()[-1]
    read = f"/usr/lib/postgresql/*/bin/pg_restore -a -f - {dump} | grep -c '^worker$'"
    assert int(two.inside("sh", "-c", read)) >= rows - 5
    again = two.first.events("-H", FIRST, "remove", "--yes")
    assert [event.get("text") for event in again if event["t"] in ("event", "note")] == ["nothing of it is there"]
    assert two.traces(FIRST) == {}


def test_an_application_that_was_removed_can_come_back_with_its_data(two: Two) -> None:
    two.first.fab("-H", FIRST, "bootstrap", "deploy")
    wait_for("it answers", lambda: two.visit(FIRST).startswith(f"{FIRST}: "))
    before = int(two.visit(FIRST).split()[1])
    two.first.fab("-H", FIRST, "db.restore", "latest", "--destroy", "tide")
    assert int(two.visit(FIRST).split()[1]) > before
