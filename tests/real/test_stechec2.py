"""The real Stechec2, with the shipped file: a champion is uploaded and compiled, workers are listed, the admin logs in.

The Makefile of the contest, which its organizers lay into the shared folder, is one of a few lines here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, wait_for
from tests.real.conftest import bring_python, clone_of, real_system
from tests.real.contest import Contestant, connect, packed
from tests.real.tables import sources

WORKERS = ("worker1", "worker2")
WITH_CODE = ("web1", "master1", *WORKERS)
DOMAIN = "contest.example.org"
CHAMPIONS = "/srv/contest/tictactoe/champions/admin"
MAKEFILE = """\
all:
\tgcc -shared -fPIC -o champion.so champion.c
list-run-reqs:
\t@echo champion.so
"""


@pytest.fixture(scope="module")
def stechec2(clones: Path) -> Iterator[Fleet]:
    clone = clone_of(clones, "stechec2")
    with real_system("stechec2", {sources("stechec2")[0].url: clone}, {}) as fleet:
        # Before anything is mounted from there.
        connect(fleet, ["web1", *WORKERS])
        # The application's user, who may run the old Python, is there before the Python comes.
        fleet.fab("-H", "stechec2", "bootstrap", timeout=1800, code=None)
        bring_python(fleet, list(WITH_CODE), "2.7.18", "/opt/python2.7")
        fleet.fab("-H", "stechec2", "bootstrap", "deploy", timeout=1800)
        place = "/srv/contest/makefile"
        fleet.inside("web1", "sh", "-c", f"mkdir -p {place} && printf '%s' '{MAKEFILE}' > {place}/Makefile-c")
        yield fleet


@pytest.fixture(scope="module")
def admin(stechec2: Fleet) -> Contestant:
    """The admin, who has logged in with the password of the secrets."""
    person = Contestant(stechec2, DOMAIN)
    fields = {"username": "admin", "password": stechec2.secrets["ADMIN_PASSWORD"].strip("'"), "next": "/"}
    assert "Erreur de connexion" in person.post("/login/", {**fields, "password": "wrong"})
    person.post("/login/", fields)
    return person


def upload(admin: Contestant, name: str, source: str) -> str:
    """Send a champion; returns its number."""
    fields = {"name": name, "comment": "the first"}
    admin.post("/champions/new/", fields, ("tarball", packed({"champion.c": source})))
    found = re.fullmatch(r"/champions/(\d+)/", admin.at)
    assert found, admin.at
    return found[1]


def test_the_admin_of_the_contest_logs_in(admin: Contestant) -> None:
    assert "/admin/logout/" in admin.get("/admin/")
    assert "font-face" in admin.get("/static/css/main.css")


def test_the_workers_are_listed_by_the_master(stechec2: Fleet, admin: Contestant) -> None:
    for worker in WORKERS:
        wait_for(worker, lambda worker=worker: f"{worker}</strong>:8068" in admin.get("/status/"))


def test_a_champion_is_compiled_by_a_worker_and_a_wrong_one_is_not(stechec2: Fleet, admin: Contestant) -> None:
    number = upload(admin, "good", "int play_turn(void) { return 0; }\n")
    wait_for("the champion", lambda: "Success!" in admin.get(f"/champions/{number}/"), seconds=120)
    assert "champion.so" in stechec2.inside("worker1", "ls", f"{CHAMPIONS}/{number}")
    wrong = upload(admin, "wrong", "int play_turn(void) {\n")
    wait_for("the refusal", lambda: "Compilation failed" in admin.get(f"/champions/{wrong}/"), seconds=120)
    assert "champion.so" not in stechec2.inside("worker1", "ls", f"{CHAMPIONS}/{wrong}")


def test_the_game_of_the_contest_was_built(stechec2: Fleet) -> None:
    prefix = stechec2.inside("worker1", "sh", "-c", "ls -d /srv/stechec2/builds/stechec2-*/ | tail -1").strip()
    assert "tictactoe" in stechec2.inside("worker1", "find", prefix, "-name", "*tictactoe*.so")


def test_a_second_run_changes_nothing(stechec2: Fleet) -> None:
    assert "nothing changed" in stechec2.fab("-H", "stechec2", "bootstrap", "deploy").stdout


def test_nobody_else_reaches_what_the_programs_tell_each_other(stechec2: Fleet) -> None:
    for asker, target, port, reached in (
        ("worker1", "master1", 8067, True),
        ("web1", "master1", 8067, True),
        ("db1", "master1", 8067, False),
        ("master1", "worker1", 8068, True),
        ("web1", "worker1", 8068, False),
    ):
        assert stechec2.reaches(asker, target, port) is reached, (asker, target, port)


def test_settings_hold_one_secret_and_no_placeholder(stechec2: Fleet) -> None:
    secret = stechec2.secrets["SHARED_SECRET"].strip("'")
    for host, name in (("master1", "master-node"), ("worker1", "worker-node")):
        text = stechec2.inside(host, "cat", f"/etc/stechec/{name}.yml")
        assert secret in text and "CHANGEME" not in text
        assert stechec2.inside(host, "stat", "-c", "%a %U", f"/etc/stechec/{name}.yml") == "640 root\n"


def test_old_sessions_are_cleaned_up(stechec2: Fleet) -> None:
    stechec2.fab("-H", "stechec2/web1", "manage", "cleanup")


def test_the_words_of_the_master_are_in_the_systems_log(stechec2: Fleet) -> None:
    said = stechec2.inside("master1", "journalctl", "-q", "--no-pager", "-t", "master-node")
    assert "registered new worker" in said


def test_the_workers_come_back_after_a_reboot_of_the_master(stechec2: Fleet, admin: Contestant) -> None:
    sandbox.reboot("stechec2-master1")
    wait_for("the workers", lambda: admin.sees_workers(WORKERS), seconds=240)
