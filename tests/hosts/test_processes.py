"""Restart, stop and start by hand; releases and history."""

from __future__ import annotations

import re
import shlex

from .conftest import Fleet, wait_for
from .visitors import visitors


def pids(fleet: Fleet, host: str, pattern: str) -> set[str]:
    return set(fleet.inside(host, "pgrep", "-f", pattern, check=False).split())


def test_a_restart_replaces_every_process_and_no_visitor_notices(fleet: Fleet) -> None:
    before = {host: pids(fleet, host, "gunicorn") for host in ("web1", "web2")}
    worker, beat = pids(fleet, "data1", "celery.*worker"), pids(fleet, "data1", "celery.*beat")
    release = fleet.releases()
    with visitors(fleet):
        fleet.fab("-R", "-H", fleet.name, "restart")
        assert pids(fleet, "web1", "gunicorn") == before["web1"]
        fleet.fab("-H", fleet.name, "restart")
    for host, old in before.items():
        wait_for("the old ones are gone", lambda: not pids(fleet, host, "gunicorn") & old)  # noqa: B023
        assert pids(fleet, host, "gunicorn")
    wait_for("the old worker is gone", lambda: not pids(fleet, "data1", "celery.*worker") & worker)
    assert not pids(fleet, "data1", "celery.*beat") & beat
    assert fleet.releases() == release
    assert "nothing to do" in fleet.fab("-H", fleet.name, "deploy").stdout


def test_a_process_of_one_host_is_stopped_and_started_again(fleet: Fleet) -> None:
    fleet.fab("-H", "data1", "stop", "--process", "worker", env={"HAWSER_OUTPUT": "json"})
    assert not pids(fleet, "data1", "celery.*worker")
    assert pids(fleet, "data1", "celery.*beat")
    said = fleet.fab("-H", fleet.name, "status", code=1)
    assert re.search(r"data1 +worker +supervisor +stopped", said.stdout), said.stdout
    assert f"next: fab -H {fleet.name}/data1 logs --process worker" in said.stderr
    fleet.fab("-H", fleet.name, "start", "--process", "worker")
    assert pids(fleet, "data1", "celery.*worker")
    fleet.fab("-H", f"{fleet.name}/web2", "stop")
    assert fleet.visit("web2").status == 502
    assert fleet.visit("web1").status == 200
    said = fleet.fab("-H", fleet.name, "deploy").stdout
    assert "web2" in said
    assert fleet.visit("web2").status == 200


def test_a_restart_that_does_not_become_healthy_leaves_the_old_process_serving(fleet: Fleet) -> None:
    """The code that serves is broken by hand, so that what is started now cannot be healthy."""
    fleet.inside("web1", "sh", "-c", "mv /srv/demo/current/source/harbour /srv/demo/current/source/harbour.away")
    try:
        said = fleet.fab("-H", f"{fleet.name}/web1", "restart", "--process", "web", code=1)
        assert re.search(r"demo-web-\w+ (has ended|does not stay up)", said.stdout), said.stdout
        assert fleet.visit("web1").status == 200
    finally:
        fleet.inside("web1", "sh", "-c", "mv /srv/demo/current/source/harbour.away /srv/demo/current/source/harbour")
    fleet.fab("-H", f"{fleet.name}/web1", "restart", "--process", "web")
    assert fleet.visit("web1").status == 200


def test_a_process_that_is_not_there_is_refused_before_anything_is_asked(fleet: Fleet) -> None:
    for words in (("restart", "--process", "wbe"), ("-H", "web1", "stop", "--process", "worker")):
        target = () if "-H" in words else ("-H", fleet.name)
        said = fleet.fab(*target, *words, code=2)
        assert "no process" in said.stdout + said.stderr


# What somebody tries who has taken over a process: each line is a name, and what must fail, or must not.
TRIES = {
    "writes elsewhere": "touch /opt/x/mine",
    "writes to the system": "touch /var/tmp/../lib/x",
    "becomes root by a setuid program": "/opt/x/id -u | grep -qx 0",
    "sees temporary files of others": "ls /tmp/theirs",
    "makes a namespace": "unshare --user true",
    "changes the kernel": "sysctl -w kernel.hostname=x",
    "traces others": "python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)'",
}
WORKS = {
    "writes to its own folders": "touch {root}/data/mine",
    "writes to the folders of the settings": "touch /opt/mine/x",
    "has temporary files": "touch /tmp/mine /var/tmp/mine",
    "shares memory": "touch /dev/shm/mine && rm /dev/shm/mine",
    "connects": "python3 -c 'import socket; socket.create_server((str(), 0)); socket.getaddrinfo(\"localhost\", 80)'",
    "logs": "logger hello",
    "gives a folder its group": "mkdir {root}/data/shared && chmod 2775 {root}/data/shared && rmdir {root}/data/shared",
}


def test_whoever_takes_over_a_hardened_process_gets_little_and_the_process_works(fleet: Fleet) -> None:
    text, root = fleet.file.read_text(), "/srv/demo"
    lines = [f"({line.format(root=root)}) && echo '{name}'" for name, line in {**TRIES, **WORKS}.items()]
    program = "\n".join([*lines, "exec sleep infinity"])
    table = """
[processes.probe]
groups = ["data"]
command = "bash probe.sh"
directory = "{{ root }}/data"
writable = ["/opt/mine"]
"""
    fleet.inside("data1", "install", "-d", "-o", "demo", "/opt/x", "/opt/mine")
    fleet.inside("data1", "install", "-m", "4755", "/usr/bin/id", "/opt/x/id")
    fleet.inside("data1", "sh", "-c", f"printf %s {shlex.quote(program)} > {root}/data/probe.sh; touch /tmp/theirs")
    try:
        fleet.file.write_text(text + table)
        said = fleet.fab("-H", fleet.name, "deploy", "check", code=None).stdout
        log = fleet.inside("data1", "journalctl", "--output=cat", "-u", "demo-probe")
        assert {name for name in {**TRIES, **WORKS} if name in log.splitlines()} == set(WORKS), log
        assert "/opt/x belongs to demo, and systemd lets probe not write there" in said
        assert re.search(r"data1 +note +exposure, .*: probe [0-3]\.\d", said), said

        fleet.file.write_text(text + table.replace("bash probe.sh", "sh -c 'touch /opt/x/mine && exec sleep infinity'"))
        failed = fleet.fab("-H", fleet.name, "deploy", code=1)
        told = failed.stdout + failed.stderr
        assert "something was to be written where nothing can be: /opt/x/mine" in told, told
        assert 'writable = ["/opt/x"] in processes.probe' in told
    finally:
        fleet.file.write_text(text)
        fleet.fab("-H", fleet.name, "deploy")
        fleet.inside(
            "data1", "rm", "-rf", "/opt/x", "/opt/mine", "/tmp/theirs", f"{root}/data/probe.sh", f"{root}/data/mine"
        )


def test_the_history_tells_who_released_what_and_how_it_ended(fleet: Fleet) -> None:
    commit = fleet.commit({"broken.py": "x"})
    text = fleet.file.read_text()
    fleet.file.write_text(text.replace("check = [", 'check = ["false", '))
    try:
        fleet.fab("-H", fleet.name, "deploy", code=1)
    finally:
        fleet.file.write_text(text)
    fleet.fab("-H", fleet.name, "deploy")
    table = next(each for each in fleet.events("-H", fleet.name, "history") if each["t"] == "table")
    good, bad, *_older = table["rows"]  # type: ignore[misc]
    assert (good[1], good[8], good[6]) == ("deploy", "ok", "web1, web2, data1")
    assert good[4].startswith(commit[:10])
    assert bad[8].startswith("failed: prepare failed on")
    assert fleet.inside("web1", "stat", "-c", "%a", "/var/lib/hawser/demo/history.jsonl").strip() == "600"


def test_old_releases_are_removed_but_never_what_serves_or_what_a_rollback_needs(fleet: Fleet) -> None:
    def kept() -> list[list[str]]:
        events = fleet.events("-H", f"{fleet.name}/web1", "releases.list")
        return next(each["rows"] for each in events if each["t"] == "table")  # type: ignore[return-value]

    fleet.commit({"one.py": "1"})
    fleet.fab("-H", fleet.name, "deploy")
    assert len(kept()) > 2
    fleet.fab("-H", fleet.name, "releases.prune", "--keep", "1", code=2)
    before = [row[1] for row in kept()]
    fleet.fab("-R", "-H", fleet.name, "releases.prune", "--keep", "2")
    assert [row[1] for row in kept()] == before
    fleet.fab("-H", fleet.name, "releases.prune", "--keep", "2")
    assert [row[5] for row in kept()] == ["serves", "rollback goes here"]
