"""The real SADM, with the shipped file: a champion is uploaded and compiled, the workers are listed, the admin logs in.

What the workers have from elsewhere has stand-ins here: isolate, which would keep a champion in a box, and the game's
package, whose Makefile compiles it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, wait_for
from tests.real.conftest import MISSING, bring_python, clone_of, copy_of, real_system
from tests.real.contest import Contestant, connect, packed
from tests.real.tables import sources

WORKERS = ("worker1", "worker2")
WITH_CODE = ("web1", "master1", *WORKERS)
DOMAIN = "concours.example.org"
CAMISOLE = "prologin/camisole"
PLAYER = "/usr/share/stechec2/tictactoe/player/c"
# As much of isolate as camisole asks for: one box, in which a command runs as whoever calls.
ISOLATE = r"""#!/bin/bash
root=/var/lib/isolate/0
case " $* " in
    *" --init "*) mkdir -p $root/box && echo $root ;;
    *" --cleanup "*) rm -rf $root ;;
    *)
        for word; do case $word in --stdout=*) out=${word#*=} ;; --) break ;; esac; done
        while [ "$1" != -- ]; do shift; done
        shift
        cd $root/box && "$@" > "$out" 2>&1
        ;;
esac
"""
BOXES = """
install -m 755 /tmp/isolate /usr/local/bin/isolate
printf 'box_root = /var/lib/isolate\\nnum_boxes = 1\\n' > /etc/isolate
install -d -o sadm /var/lib/isolate; ln -sfn /var/lib/isolate/0/box /box
"""
MAKEFILE = "all: champion.so\nchampion.so: champion.c\n\tgcc -shared -fPIC -o $@ $<\n"


@pytest.fixture(scope="module")
def sadm(clones: Path) -> Iterator[Fleet]:
    source = sources("sadm")[0]
    code = copy_of(clone_of(clones, "sadm"), source.commit, "sadm", "main")
    if not (clones / "camisole").is_dir():
        pytest.fail(MISSING.format(f"there is no {clones / 'camisole'} (git clone https://github.com/{CAMISOLE}.git)"))
    with real_system("sadm", {source.url: code}, {}) as fleet:
        # Before anything is mounted from there.
        connect(fleet, ["web1", "master1"])
        bring_python(fleet, list(WITH_CODE), "3.9.18", "/opt/python3.9")
        for host in WITH_CODE:
            fleet.inside(host, "ln", "-sf", "/opt/python3.9/bin/python3.9", "/usr/local/bin/python3.9")
        # The application's user is there.
        fleet.fab("-H", "sadm", "bootstrap", timeout=1800)
        for host in WITH_CODE:
            bring_camisole(fleet, host, clones / "camisole")
        for host in WORKERS:
            bring_game(fleet, host)
        fleet.fab("-H", "sadm", "bootstrap", "deploy", timeout=1800)
        yield fleet


def bring_camisole(fleet: Fleet, host: str, clone: Path) -> None:
    """Put the repository of camisole on a host, in place of the one at GitHub."""
    git = ["git", "-c", "safe.directory=*", "-C", str(clone), "bundle", "create", "-", "--all"]
    bundle = subprocess.run(git, capture_output=True, check=True).stdout
    sandbox.exec_in(f"sadm-{host}", ["sh", "-c", "cat > /tmp/bundle"], bundle)
    place = "/srv/git/camisole.git"
    script = f"rm -rf {place}; git clone -q --bare /tmp/bundle {place}; git config --system safe.directory '*'; "
    script += f"git config --system url.file://{place}.insteadOf https://github.com/{CAMISOLE}.git"
    fleet.inside(host, "sh", "-c", script)


def bring_game(fleet: Fleet, host: str) -> None:
    sandbox.exec_in(f"sadm-{host}", ["sh", "-c", "cat > /tmp/isolate"], ISOLATE.encode())
    fleet.inside(host, "sh", "-c", BOXES)
    fleet.inside(host, "mkdir", "-p", PLAYER)
    sandbox.exec_in(f"sadm-{host}", ["sh", "-c", f"cat > {PLAYER}/Makefile-c"], MAKEFILE.encode())


@pytest.fixture(scope="module")
def admin(sadm: Fleet) -> Contestant:
    """The admin, who has logged in with the password of the secrets."""
    person = Contestant(sadm, DOMAIN)
    password = sadm.secrets["ADMIN_PASSWORD"].strip("'")
    person.post("/login/", {"username": "admin", "password": password})
    return person


def upload(admin: Contestant, name: str, source: str) -> str:
    admin.post(
        "/champions/new/", {"name": name, "comment": ""}, ("tarball", packed({"_lang": "c", "champion.c": source}))
    )
    assert re.fullmatch(r"/champions/\d+/", admin.at), admin.at
    return admin.at


def state(sadm: Fleet, name: str) -> str:
    asked = f"psql -qtA concours -c \"SELECT status FROM stechec_champion WHERE name = '{name}'\""
    return sadm.inside("db1", "su", "postgres", "-c", asked).strip()


def test_the_admin_of_the_contest_logs_in(admin: Contestant) -> None:
    assert "/admin/logout/" in admin.get("/admin/")
    assert ".woff" not in admin.get("/static/admin/css/base.css")[:20]


def test_the_workers_are_listed_by_the_master(sadm: Fleet, admin: Contestant) -> None:
    for worker in WORKERS:
        wait_for(worker, lambda worker=worker: f"{worker}</strong>:8068" in admin.get("/status/"))


def test_a_champion_is_compiled_by_a_worker_and_a_wrong_one_is_refused(sadm: Fleet, admin: Contestant) -> None:
    count = sadm.inside("db1", "su", "postgres", "-c", "psql -qtA concours -c 'SELECT count(*) FROM stechec_champion'")
    good, wrong = (f"{name}-{count.strip()}" for name in ("good", "wrong"))
    page = upload(admin, good, "int play_turn(void) { return 0; }\n")
    wait_for("the champion", lambda: state(sadm, good) == "ready", seconds=120)
    assert good in admin.get(page)
    upload(admin, wrong, "int play_turn(void) {\n")
    wait_for("the refusal", lambda: state(sadm, wrong) == "failed", seconds=120)


def test_a_second_run_changes_nothing(sadm: Fleet) -> None:
    assert "nothing changed" in sadm.fab("-H", "sadm", "bootstrap", "deploy").stdout


def test_nobody_else_reaches_what_the_programs_tell_each_other(sadm: Fleet) -> None:
    for asker, target, port, reached in (
        ("worker1", "master1", 8067, True),
        ("worker1", "master1", 9021, False),
        ("web1", "worker1", 8068, False),
        ("master1", "worker1", 8068, True),
        ("worker2", "worker1", 9020, False),
    ):
        assert sadm.reaches(asker, target, port) is reached, (asker, target, port)


def test_settings_hold_one_secret_and_no_placeholder(sadm: Fleet) -> None:
    secret = sadm.secrets["SHARED_SECRET"].strip("'")
    for host, name in (("web1", "concours"), ("master1", "masternode"), ("worker1", "workernode")):
        text = sadm.inside(host, "cat", f"/etc/prologin/{name}.yml")
        assert secret in text
        assert not re.search(r"CHANGEME|%%", text.partition("\ndb:")[2] or text.partition("\nmaster:")[2]), name
        assert sadm.inside(host, "stat", "-c", "%a %U", f"/etc/prologin/{name}.yml") == "640 root\n"


def test_the_words_of_the_master_are_in_the_systems_log(sadm: Fleet) -> None:
    assert "registered new worker" in sadm.inside("master1", "journalctl", "-q", "-t", "masternode")


def test_the_workers_come_back_after_a_reboot_of_the_master(sadm: Fleet, admin: Contestant) -> None:
    sandbox.reboot("sadm-master1")
    wait_for("the workers", lambda: admin.sees_workers(WORKERS), seconds=240)
