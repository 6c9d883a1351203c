"""Stechec2: website, master node and worker nodes, from bare hosts by one command; every need by its visible effect."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from hawser import sandbox

from ..conftest import PROJECT, Answer, Fleet, system, wait_for
from .shared_folder import share

DOMAIN = "contest.example.org"
HOSTS = ("db1", "web1", "master1", "worker1", "worker2")
WORKERS = ("worker1", "worker2")
# What the real one is compiled with; the stand-in is not compiled, and these take minutes.
COMPILERS = '["build-essential", "pkg-config", "libzmq3-dev", "cppzmq-dev", "libboost-program-options-dev", "ruby-dev"]'


PACKAGES = next(
    line for line in (PROJECT / "hosts" / "stechec2.toml").read_text().splitlines() if line.startswith("packages = ")
)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """The hosts of hosts/stechec2.toml, with a folder that the website and the workers really share."""
    application = PROJECT / "tests" / "hosts" / "apps" / "stechec2"
    text = (PROJECT / "hosts" / "stechec2.toml").read_text()
    hosts = text[text.index("[hosts.db1]") :]
    changes = {
        COMPILERS: "[]",
        'branch = "8c8130ab795d6ded41e0dd5e119a71a415492f15"': 'branch = "main"',
        # The stand-in runs on the host's own Python, with the versions of today.
        'interpreter = "/opt/python2.7/bin/python2.7"\n': "",
        PACKAGES: 'packages = ["Django>=4.2,<5", "gevent", "PyYAML", "psycopg2-binary", "gunicorn"]',
        "/opt/python2.7/bin/python2.7 waf.py": "python3 waf.py",
        # The workers first: what starts when is told by `after`, not by this order.
        hosts: "\n\n".join(reversed(hosts.strip().split("\n\n"))) + "\n",
    }
    with system("stechec2", application, changes) as fleet:
        connect(fleet, fleet.folder / "contest")
        fleet.fab("-H", "stechec2", "bootstrap", "deploy")
        yield fleet


def connect(fleet: Fleet, folder: Path) -> None:
    """Put one folder of this machine where each host has its own stand-in for the share."""
    folder.mkdir(exist_ok=True)
    leaders = {each.name.removeprefix("stechec2-"): each.pid for each in sandbox.listing()}
    bare = [host for host in ("web1", *WORKERS) if not fleet.inside(host, "findmnt", "/var/lib/contest", check=False)]
    share(folder, [leaders[host] for host in bare], "/var/lib/contest")
    for host in bare:
        fleet.inside(host, "systemctl", "try-restart", "srv-contest.mount", check=False)


def ask(fleet: Fleet, path: str) -> Answer:
    return fleet.visit("web1", path, scheme="http", domain=DOMAIN)


def registered(fleet: Fleet) -> list[list[object]]:
    """Return the workers that the website hears of from the master node."""
    found: list[list[object]] = json.loads(ask(fleet, "/master-status/").body)["workers"]
    return found


def settings(fleet: Fleet, host: str, name: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(fleet.inside(host, "cat", f"/etc/stechec/{name}.yml"))
    return found


def test_one_command_leads_from_bare_hosts_to_a_contest(fleet):
    status = fleet.fab("-H", "stechec2", "status").stdout
    for process in ("web", "master", "worker"):
        assert process in status
    index = json.loads(ask(fleet, "/game/").body)
    assert (index["game"], index["players"]) == ("tictactoe", [1, 2])


def test_nothing_changes_in_a_second_run(fleet):
    assert fleet.drifted() == []
    events = fleet.events("-H", "stechec2", "bootstrap", "deploy")
    assert [event for event in events if event.get("status") not in (None, "ok")] == []


UNITS = {
    "web1": "stechec2-$(basename $(readlink /srv/stechec2/run/web.sock) .sock)",  # one of two colours
    "master1": "stechec2-master",
    "worker1": "stechec2-worker",
    "worker2": "stechec2-worker",
}


def started(fleet: Fleet, host: str) -> int:
    """Return when a host's process began, in microseconds since the machine started: one clock for all hosts."""
    show = f"systemctl show -P ExecMainStartTimestampMonotonic {UNITS[host]}"
    found = int(fleet.inside(host, "sh", "-c", show))
    assert found, f"{UNITS[host]} does not run on {host}"
    return found


def test_each_kind_of_host_waits_for_the_one_before(fleet):
    assert started(fleet, "web1") < started(fleet, "master1")
    assert started(fleet, "master1") < min(started(fleet, host) for host in WORKERS)


def test_the_database_is_open_to_the_website_and_the_master_alone(fleet):
    password = fleet.secrets["DB_PASSWORD"].strip("'")
    script = f"import psycopg2; psycopg2.connect(host={fleet.address('db1')!r}, user='stechec', password=input())"
    for host, well in {"web1": True, "master1": True, "worker1": False}.items():
        argv = ["sh", "-c", f'echo "$0" | /srv/stechec2/env/bin/python -c "{script}" 2>&1 && echo connected', password]
        said = fleet.inside(host, *argv, check=False)
        assert ("connected" in said) == well, said
        assert well or "no pg_hba.conf entry" in said
        assert "no server here" in fleet.inside(host, "sh", "-c", "test -d /etc/postgresql || echo no server here")


def test_a_champion_goes_through_the_shared_folder_to_a_worker_and_back(fleet):
    data = urllib.parse.urlencode({"author": "admin", "name": "first", "source": "play well"}).encode()
    request = urllib.request.Request(
        f"http://{fleet.address('web1')}/champions/new/", data=data, headers={"Host": DOMAIN}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        number = json.load(answer)["id"]
    page = f"/champions/{number}/"
    wait_for("the champion is compiled", lambda: json.loads(ask(fleet, page).body)["status"] == "ready")
    assert json.loads(ask(fleet, page).body)["log"].startswith("compiled on stechec2-worker")
    path = f"/srv/contest/tictactoe/champions/admin/{number}/champion.so"
    assert fleet.inside("web1", "cat", path) == "PLAY WELL"


def test_settings_come_from_the_samples_that_the_build_installed(fleet):
    values = fleet.secrets
    website = settings(fleet, "web1", "website")
    master = settings(fleet, "master1", "master-node")
    workers = [settings(fleet, host, "worker-node") for host in WORKERS]
    assert website["sql"] == {key: value for key, value in master["sql"].items() if key != "queries"}
    assert website["sql"]["password"] == values["DB_PASSWORD"].strip("'")
    assert website["contest"] == {"game": "tictactoe", "nb_players": 2, "directory": "/srv/contest"}
    assert master["master"]["game"] == "tictactoe" and "get_champions" in master["sql"]["queries"]
    assert {each["master"]["shared_secret"] for each in workers} == {master["master"]["shared_secret"]}
    for host, name in {"web1": "website", "master1": "master-node", "worker1": "worker-node"}.items():
        said = fleet.inside(host, "stat", "-c", "%a %U %G", f"/etc/stechec/{name}.yml").strip()
        assert said == "640 root stechec2"


def test_the_masters_address_is_known_to_the_website_at_the_first_deploy(fleet):
    assert settings(fleet, "web1", "website")["master"]["url"] == f"http://{fleet.address('master1')}:8067/"


def test_the_admin_user_has_the_password_of_the_secrets_and_was_made_once(fleet):
    said = fleet.inside(
        "db1", "su", "postgres", "-c", "psql -At stechec -c 'select username, is_superuser from auth_user'"
    )
    assert said.split() == ["admin|t"]
    script = "from django.contrib.auth import authenticate as a; print(a(username='admin', password=P))"
    password = fleet.secrets["ADMIN_PASSWORD"].strip("'")
    said = fleet.fab("-H", "stechec2/web1", "manage", f'shell -c "{script.replace("P)", repr(password) + ")")}"').stdout
    assert "admin" in said.splitlines()[-1] or "| admin" in said


def test_nginx_serves_static_files_from_the_installed_package(fleet):
    answer = ask(fleet, "/static/css/main.css")
    assert answer.status == 200 and "color" in answer.body
    said = fleet.inside("web1", "cat", "/etc/nginx/sites-enabled/stechec2.conf")
    assert "/srv/stechec2/current/builds/stechec2/share/stechec2/www/concours/stechec/static" in said


def test_the_master_writes_to_the_systems_log_and_is_open_to_website_and_workers_alone(fleet):
    unit = fleet.inside("master1", "systemctl", "show", "-P", "MainPID", "stechec2-master").strip()
    said = fleet.inside("master1", "journalctl", "-q", "-o", "cat", "_TRANSPORT=syslog", f"_PID={unit}", check=False)
    assert "master node of tictactoe listens" in said, f"the process {unit} has said: {said}"
    for host, well in {"web1": True, "worker1": True, "worker2": True, "db1": False}.items():
        assert fleet.reaches(host, "master1", 8067) == well, host


def test_workers_register_with_the_slots_of_their_host(fleet):
    expected = [["stechec2-worker1", 8068, 4, 4], ["stechec2-worker2", 8068, 8, 8]]
    wait_for("both workers are registered", lambda: registered(fleet) == expected)


def test_the_ports_of_tasks_are_open_to_the_other_workers(fleet):
    assert fleet.reaches("worker2", "worker1", 40000) and fleet.reaches("master1", "worker1", 8068)
    assert not fleet.reaches("web1", "worker1", 40000) and not fleet.reaches("web1", "worker1", 8068)


def test_processes_commands_and_cron_lines_see_the_same_variables(fleet):
    unit = fleet.inside("worker1", "systemctl", "show", "-P", "MainPID", "stechec2-worker").strip()
    environ = fleet.inside("worker1", "sh", "-c", f"tr '\\0' '\\n' </proc/{unit}/environ").splitlines()
    assert "CFG_DIR=/etc/stechec" in environ and "DJANGO_SETTINGS_MODULE=concours.settings" in environ
    said = fleet.fab("-H", "stechec2/web1", "manage", "diffsettings").stdout
    assert "STECHEC_CONTEST = 'tictactoe'" in said
    line = fleet.inside("web1", "grep", "cleanup", "/etc/cron.d/stechec2").strip()
    when, user, command = line.split(None, 2)
    assert (when, user) == ("@daily", "stechec2")
    # As cron does: hardly a variable, and /bin/sh.
    fleet.inside(
        "web1", "setpriv", "--reuid=stechec2", "--regid=stechec2", "--init-groups", "env", "-i", "sh", "-c", command
    )


# From here on, things change.


@contextmanager
def committed(fleet: Fleet, path: str, text: str) -> Iterator[None]:
    """Have another text in a file of the code for a while."""
    before = (fleet.repository / path).read_text()
    fleet.commit({path: text}, f"another {path}")
    try:
        yield
    finally:
        fleet.commit({path: before}, f"{path} as before")


@contextmanager
def changed(fleet: Fleet, old: str, new: str) -> Iterator[None]:
    """Have another text in the environment file for a while."""
    before = fleet.file.read_text()
    assert old in before
    fleet.file.write_text(before.replace(old, new))
    try:
        yield
    finally:
        fleet.file.write_text(before)


def builds(fleet: Fleet, host: str) -> str:
    """Return what was built on a host, and when."""
    return fleet.inside(host, "sh", "-c", "stat -c '%n %Y' /srv/stechec2/builds/*/complete")


def release(fleet: Fleet, host: str) -> str:
    return fleet.inside(host, "readlink", "/srv/stechec2/current").strip()


def test_a_heartbeat_that_is_too_long_is_refused_before_any_host_is_asked(fleet):
    with changed(fleet, "heartbeat_secs = 5", "heartbeat_secs = 12"):
        said = fleet.fab("-H", "stechec2", "deploy", code=2)
    assert "workers must send their heartbeat more often" in said.stdout + said.stderr


def test_a_value_that_was_forgotten_stops_the_deploy(fleet):
    before = release(fleet, "web1")
    with changed(fleet, '\ngame = "{{ vars.game }}"\n', '\ngame = "CHANGEME"\n'):
        said = fleet.fab("-H", "stechec2", "deploy", code=1).stdout
    assert "contest.game is still CHANGEME" in said
    assert release(fleet, "web1") == before and ask(fleet, "/game/").status == 200


@pytest.mark.slow
def test_other_settings_are_another_release_of_the_same_build(fleet):
    built, before = {host: builds(fleet, host) for host in UNITS}, release(fleet, "web1")
    with changed(fleet, "nb_players = 2", "nb_players = 3"):
        fleet.fab("-H", "stechec2", "deploy")
        assert json.loads(ask(fleet, "/game/").body)["players"] == [1, 2, 3]
        assert release(fleet, "web1") != before
    assert {host: builds(fleet, host) for host in UNITS} == built
    fleet.fab("-H", "stechec2", "rollback")
    assert json.loads(ask(fleet, "/game/").body)["players"] == [1, 2]
    assert {host: builds(fleet, host) for host in UNITS} == built


def test_a_failing_migration_leaves_settings_and_website_as_they_were(fleet):
    path = "tools/www/stechec/management/commands/syncdb.py"
    text = fleet.inside("web1", "cat", "/etc/stechec/website.yml")
    broken = committed(fleet, path, "raise SystemExit('no schema today')\n")
    with broken, changed(fleet, "nb_players = 2", "nb_players = 4"):
        said = fleet.fab("-H", "stechec2", "deploy", code=1).stdout
    assert "no schema today" in said
    assert fleet.inside("web1", "cat", "/etc/stechec/website.yml") == text
    assert json.loads(ask(fleet, "/game/").body)["players"] == [1, 2]


def test_a_build_that_fails_leaves_the_old_release_serving(fleet):
    before = release(fleet, "web1")
    with committed(fleet, "waf.py", "raise SystemExit('no compiler today')\n"):
        said = fleet.fab("-H", "stechec2", "deploy", code=1).stdout
    assert "no compiler today" in said and "the build stechec2" in said
    assert release(fleet, "web1") == before and ask(fleet, "/game/").status == 200


def test_nothing_is_deployed_and_no_program_starts_without_the_shared_folder(fleet):
    before = {host: release(fleet, host) for host in UNITS}
    fleet.inside("worker2", "systemctl", "stop", "srv-contest.mount")
    # Its source is gone, and something is in its place, for systemd would make a folder that is missing.
    fleet.inside("worker2", "sh", "-c", "umount /var/lib/contest; rmdir /var/lib/contest; touch /var/lib/contest")
    with changed(fleet, "nb_players = 2", "nb_players = 5"):
        said = fleet.fab("-H", "stechec2", "deploy", code=1).stdout
    assert "/srv/contest is not mounted" in said and "[shares.contest]" in said and "worker2" in said
    assert {host: release(fleet, host) for host in UNITS} == before
    fleet.inside("worker2", "systemctl", "restart", "stechec2-worker", check=False)
    log = ("journalctl", "-q", "-o", "cat", "-n", "20", "-u", "stechec2-worker")
    wait_for("it says why it does not start", lambda: "/srv/contest is not mounted" in fleet.inside("worker2", *log))
    assert "/srv/contest" in fleet.fab("-H", "stechec2/worker2", "status", code=None).stdout
    fleet.inside("worker2", "sh", "-c", "rm /var/lib/contest; mkdir /var/lib/contest")
    # Nobody starts it: it tries again until the folder is there.
    running = ("systemctl", "is-active", "stechec2-worker", "srv-contest.mount")
    wait_for("it runs again", lambda: fleet.inside("worker2", *running, check=False).split() == ["active"] * 2)


@pytest.mark.slow
def test_everything_comes_back_by_itself_after_a_reboot(fleet):
    for host in ("web1", "master1"):
        sandbox.reboot(f"stechec2-{host}")
    wait_for("the website answers", lambda: ask(fleet, "/game/").status == 200)
    assert fleet.inside("web1", "findmnt", "-n", "-o", "TARGET", "/srv/contest").strip() == "/srv/contest"
    wait_for(
        "the workers are registered",
        lambda: ask(fleet, "/master-status/").status == 200 and len(registered(fleet)) == 2,
    )


@pytest.mark.slow
def test_a_share_of_our_own_is_exported_and_mounted_as_far_as_the_kernel_goes(fleet):
    ours = 'source = "/var/lib/contest"\ntype = "none"\noptions = "bind"'
    with changed(fleet, ours, 'server = "db1"'):
        # The export is there, taken by the real exportfs; the server's own start needs a kernel with NFS.
        said = fleet.fab("-H", "stechec2/db1", "bootstrap", code=1).stdout
        assert "service nfs-server" in said
        exported = fleet.inside("db1", "exportfs", "-s")
        uid = fleet.inside("db1", "id", "-u", "stechec2").strip()
        for host in ("web1", *WORKERS):
            assert f"/srv/shares/contest  {fleet.address(host)}(" in exported
        assert f"anonuid={uid}," in exported and fleet.address("master1") not in exported
        # The unit is in its place, so systemd-analyze has taken it; the mount itself says what is missing.
        said = fleet.fab("-H", "stechec2/worker2", "bootstrap", code=1).stdout
        assert "/srv/contest cannot be mounted" in said
        unit = fleet.inside("worker2", "cat", "/etc/systemd/system/srv-contest.mount")
        assert f"What={fleet.address('db1')}:/srv/shares/contest" in unit and "Type=nfs4" in unit
    fleet.fab("-H", "stechec2", "bootstrap")
    assert fleet.inside("db1", "exportfs", "-s").strip() == ""
    assert fleet.inside("worker2", "findmnt", "-n", "/srv/contest")
