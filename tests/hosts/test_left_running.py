"""What commands of the application leave running, and what of former releases cannot be removed, on real hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .conftest import Fleet, wait_for
from .test_refusals import changed

# As Redis does it: a session of its own, another parent, and an environment that /proc no longer shows.
DAEMON = """\
import ctypes, os, socket, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
start, end = (int(word) for word in open("/proc/self/stat").read().rpartition(")")[2].split()[47:49])
ctypes.memset(start, 0, end - start)
place = socket.create_server(("0.0.0.0", int(sys.argv[1])))
for each in (0, 1, 2): os.close(each)
time.sleep(600)
"""
PATH = "/var/tmp/hawser-daemon.py"
WAIT = "until grep -q :{port:04X} /proc/net/tcp; do sleep 0.05; done"
HOSTS = ("web1", "web2", "data1")


def daemon(port: int) -> str:
    """Return a command that leaves a program running which listens on a port."""
    return f"python3 {PATH} {port}; {WAIT.format(port=port)}"


def listens(fleet: Fleet, host: str, port: int) -> bool:
    return f":{port:04X} " in fleet.inside(host, "cat", "/proc/net/tcp")


@pytest.fixture
def leaving(fleet: Fleet) -> Iterator[Fleet]:
    for host in HOSTS:
        fleet.inside(host, "sh", "-c", 'printf %s "$1" >"$2"', "sh", DAEMON, PATH)
    yield fleet
    for host in HOSTS:
        fleet.inside(host, "sh", "-c", f"pkill -f {PATH}; rm -f {PATH}", check=False)


def test_programs_that_a_check_and_a_hook_leave_running_are_ended_and_told(leaving: Fleet) -> None:
    fleet = leaving
    check = json.dumps(daemon(29387))
    hook = f'[[hooks]]\nbefore = "switch"\non = "leader"\nuser = "root"\ncommand = "{daemon(29388)}"\n\n[processes.web]'
    with changed(fleet, {'--fail-level WARNING"]': f'--fail-level WARNING", {check}]', "[processes.web]": hook}):
        said = fleet.fab("-H", fleet.name, "deploy").stdout
    assert said.count("listens on 0.0.0.0:29387") >= len(HOSTS) and f"{PATH} 29387 (pid " in said, said
    assert "listens on 0.0.0.0:29388" in said
    assert not any(listens(fleet, host, port) for host in HOSTS for port in (29387, 29388))
    groups = ("find", "/sys/fs/cgroup", "-type", "d", "-regex", ".*/hawser-[0-9a-f]+")
    wait_for("no control group is left", lambda: not fleet.inside("web1", *groups, check=False), every=0.2)


def test_a_management_command_leaves_nothing_running_either(leaving: Fleet) -> None:
    code = f"import subprocess; subprocess.run(['sh', '-c', '{daemon(29389)}'])"
    said = leaving.fab("-H", f"{leaving.name}/web1", "manage", f'shell -c "{code}"').stdout
    assert "it has left programs running, which were ended" in said and "29389" in said
    assert not listens(leaving, "web1", 29389)


def test_programs_of_a_killed_runner_end_without_another_run(leaving: Fleet) -> None:
    code = f"import os, subprocess, time; subprocess.run(['sh', '-c', '{daemon(29390)}']); time.sleep(600)"
    running = leaving.start("manage", f'shell -c "{code}"')
    wait_for("it listens", lambda: listens(leaving, "web1", 29390), every=0.2)
    leaving.inside("web1", "sh", "-c", "pkill -9 -f '^python3 -IBc'")
    wait_for("it has ended", lambda: not listens(leaving, "web1", 29390), every=0.2)
    running.communicate()
    assert running.returncode == 1


def test_a_program_that_nobody_answers_for_is_found(leaving: Fleet) -> None:
    fleet, web1 = leaving, f"{leaving.name}/web1"
    fleet.fab("-H", web1, "run", f"setpriv --reuid=demo --regid=demo --init-groups sh -c '{daemon(29391)}'")
    assert listens(fleet, "web1", 29391)
    told = "listens on 0.0.0.0:29391"
    found = fleet.fab("-H", fleet.name, "check", code=None).stdout
    assert found.count(told) == 1 and "outside of every unit" in found, found
    status = fleet.fab("-H", fleet.name, "status").stdout
    assert told in status and f"fab -H {fleet.name}/web1 check" in status
    try:
        assert told in fleet.fab("-H", web1, "stop").stdout
    finally:
        fleet.fab("-H", web1, "start")


@pytest.mark.slow
def test_an_old_release_in_which_something_is_mounted_stays_and_the_deploy_succeeds(fleet: Fleet) -> None:
    outside = "/var/tmp/hawser-photos"
    if not fleet.inside("web1", "readlink", "/srv/demo/previous", check=False):
        fleet.commit({"logbook/photos.py": "PHOTOS = 1\n"})
        fleet.fab("-H", fleet.name, "deploy")
    old = fleet.inside("web1", "readlink", "/srv/demo/previous").strip().rpartition("/")[2]
    inside = f"/srv/demo/releases/{old}/source/photos"
    stuck = f"/srv/demo/releases/{old}"
    fleet.inside(
        "web1", "sh", "-c", f"mkdir -p {outside} {inside}; touch {outside}/photo; mount --bind {outside} {inside}"
    )
    try:
        fleet.commit({"logbook/photos.py": "PHOTOS = 2\n"})
        with changed(fleet, {'name = "demo"\n': 'name = "demo"\nkeep = 2\n'}):
            said = fleet.fab("-H", fleet.name, "deploy").stdout
            found = fleet.fab("-H", fleet.name, "check", code=None).stdout
        assert (
            f"{stuck} is not removed, for something else is mounted in it: {inside}; the host advises: umount {inside}"
            in said
        )
        assert fleet.inside("web1", "ls", outside) == "photo\n"
        assert len(fleet.inside("web2", "ls", "/srv/demo/releases").split()) == 2
        assert "is mounted in it" in " ".join(found.split()) and "journal" not in found
    finally:
        fleet.inside("web1", "umount", inside)
    with changed(fleet, {'name = "demo"\n': 'name = "demo"\nkeep = 2\n'}):
        fleet.fab("-H", fleet.name, "releases.prune")
    assert len(fleet.inside("web1", "ls", "/srv/demo/releases").split()) == 2
    assert fleet.inside("web1", "ls", outside) == "photo\n"
