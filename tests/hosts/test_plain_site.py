"""A plain site with a short environment file: the defaults do the rest. Two applications share one host."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from hawser import sandbox
from hawser.installed import this_version
from tests import local_python

from .conftest import PROJECT, Fleet, context_of, own_environment, wait_for
from .visitors import visitors

APPLICATION = """
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello from a plain site"
"""

# A server of the kind that does not remove its socket's file, neither at its end nor at its start.
LEAVES_ITS_SOCKET = """
import socketserver, sys


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\nwell")


socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
"""

SETTINGS = """
[app]
name = "my-site"
repo = "{repository}"

[processes.web]
command = "gunicorn app:app --bind unix:{{{{ socket }}}}"

[site]
domains = ["plain.test"]

[hosts.solo]
sandbox = true
"""


# The oldest Hawser whose hosts are taken over here: before there was a package, and before definitions said what their
# processes read.
OLDER = "96a5478c0c957dcd8cc2b1acfa5a41cb5cddc07c"


@pytest.fixture(scope="module")
def plain() -> Iterator[Fleet]:
    """A Flask site in a repository of its own, and one bare host."""
    code = {
        "app.py": APPLICATION,
        "leaves.py": LEAVES_ITS_SOCKET,
        "requirements.txt": "flask==3.1.2\ngunicorn==23.0.0\n",
    }
    with own_environment("plain", SETTINGS, code) as fleet:
        yield fleet


def test_a_bare_host_is_left_alone_by_a_deploy_that_says_what_comes_first(plain: Fleet) -> None:
    said = plain.fab("-H", "plain", "deploy", code=1)
    assert "solo: not bootstrapped yet; nothing was touched" in said.stdout + said.stderr
    assert "fab -H plain bootstrap deploy" in said.stdout + said.stderr
    assert plain.inside("solo", "sh", "-c", "ls /srv").strip() == ""


def fab_of(hawser: Path, plain: Fleet, *words: str, hosts: Path | None = None) -> str:
    """Run another Hawser than this one, and return what it said.

    :param hosts: its folder of environment files, where it is not that of this one.
    """
    argv = [sys.executable, "-m", "fabric", "-H", "plain", *words]
    environ = plain.environ(HAWSER_HOSTS=str(hosts or plain.hosts))
    done = subprocess.run(argv, cwd=hawser, env=environ, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def process_of(plain: Fleet) -> str:
    """Return the number of the one process that serves."""
    return plain.inside("solo", "sh", "-c", "systemctl show -p MainPID --value 'my-site-web*' | grep -v '^0$'").strip()


def test_a_host_that_an_older_hawser_has_set_up_and_deployed_is_taken_over_while_visitors_notice_nothing(
    plain: Fleet, tmp_path: Path
) -> None:
    archive = subprocess.run(["git", "-C", str(PROJECT), "archive", OLDER], capture_output=True)
    if archive.returncode:
        pytest.skip(f"this is no clone with the commit {OLDER[:10]}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    # What it knows of throwaway hosts is its own: for it, this one is any host.
    hosts, solo = tmp_path / "hosts", next(each for each in sandbox.listing() if each.name == "plain-solo")
    reached = f'address = "{solo.address}"\nuser = "{solo.user}"\nkey = "{sandbox.private_key()}"\n'
    (hosts / "plain.toml").write_text(plain.text.replace("sandbox = true\n", reached))
    (hosts / "known_hosts").write_text(f"{solo.address} {solo.host_keys[0]}\n")
    fab_of(tmp_path, plain, "bootstrap", "deploy", hosts=hosts)
    shutil.copy(hosts / "plain.env", plain.hosts)
    before, started = plain_release(plain), process_of(plain)
    with visitors(plain, {"solo": partial(plain.visit, "solo", domain="plain.test")}):
        plain.fab("-H", "plain", "check")
        plain.fab("-H", "plain", "bootstrap", "deploy")
        # It did not say what its processes read.
        assert plain_release(plain) != before and process_of(plain) != started
        assert "nothing to do" in plain.fab("-H", "plain", "deploy").stdout
        plain.fab("-H", "plain", "rollback")
        assert plain_release(plain) == before
        plain.fab("-H", "plain", "deploy")


def test_a_file_of_a_dozen_lines_deploys_a_flask_site(plain: Fleet) -> None:
    assert len([line for line in plain.file.read_text().splitlines() if line]) < 20
    plain.fab("-H", "plain", "bootstrap", "deploy")
    answer = plain.visit("solo", domain="plain.test")
    assert (answer.status, answer.body) == (200, "hello from a plain site")
    assert plain.drifted() == []
    events = plain.events("-H", "plain", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}


def test_a_hawser_that_writes_the_same_makes_a_release_and_restarts_nothing(plain: Fleet, tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "hawser", tmp_path / "hawser", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("fabfile.py", "fabric.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    with (tmp_path / "hawser/host/names.py").open("a") as module:
        module.write("# A comment, and nothing else.\n")
    before, started = plain_release(plain), process_of(plain)
    with visitors(plain, {"solo": partial(plain.visit, "solo", domain="plain.test")}):
        assert "only Hawser differs" in fab_of(tmp_path, plain, "deploy")
        assert plain_release(plain) not in ("", before) and process_of(plain) == started
        plain.fab("-H", "plain", "deploy")
        assert (plain_release(plain), process_of(plain)) == (before, started)
    table = next(each for each in plain.events("-H", "plain", "history") if each["t"] == "table")
    last, one_before, *_older = [record["hawser"] for record in table["records"]]  # type: ignore[index, attr-defined]
    assert last == this_version() != one_before and last.partition("+")[0] == one_before.partition("+")[0]


def test_a_dry_run_of_a_first_deploy_on_a_bare_host_says_what_would_happen(plain: Fleet) -> None:
    text = plain.file.read_text()
    plain.file.write_text(text.replace('name = "my-site"', 'name = "other-site"').replace("plain.test", "other.test"))
    try:
        events = plain.events("-R", "-H", "plain", "bootstrap", "deploy")
    finally:
        plain.file.write_text(text)
    statuses = {event["status"] for event in events if event["t"] == "event"}
    assert "would_change" in statuses
    assert statuses <= {"ok", "would_change", "unknown"}
    assert {event["name"] for event in events if event["t"] == "phase"} >= {
        "bootstrap",
        "prepare",
        "switch 1/1",
        "finish",
    }
    assert plain.inside("solo", "sh", "-c", "ls -d /srv/other-site /var/lib/hawser/other-site 2>/dev/null; true") == ""


def test_a_python_of_this_machine_comes_with_a_release_once_and_a_rollback_leaves_it(plain: Fleet) -> None:
    def runs() -> str:
        program = "import sys; print(sys.base_prefix)"
        return plain.inside("solo", "/srv/my-site/current/env/bin/python", "-c", program).strip()

    text, former = plain.file.read_text(), runs()
    (plain.folder / "pythons").mkdir()
    local_python.packed(plain.folder / "pythons" / "python.tar.gz")
    plain.file.write_text(text + '\n[python]\nupload = "pythons/python.tar.gz"\n')
    try:
        assert "of pythons/python.tar.gz is not here yet" in plain.fab("-H", "plain", "check").stdout
        plain.fab("-H", "plain", "deploy")
        place = runs()
        assert place.startswith("/srv/my-site/pythons/") and plain.visit("solo", domain="plain.test").status == 200
        assert plain.inside("solo", "sh", "-c", "find /srv/my-site/pythons ! -user root | head").strip() == ""
        plain.fab("-H", "plain", "rollback")
        assert plain.drifted() == []
        assert runs() == former and plain.inside("solo", "ls", "/srv/my-site/pythons").strip() in place
        (plain.folder / "pythons" / "python.tar.gz").write_bytes(b"no archive")
        said = plain.fab("-H", "plain", "deploy", code=2)
        assert "python.upload: pythons/python.tar.gz is no archive" in said.stdout + said.stderr
    finally:
        plain.file.write_text(text)
    plain.fab("-H", "plain", "deploy")


def test_a_process_that_leaves_the_settings_goes_from_the_host(plain: Fleet) -> None:
    text = plain.file.read_text()
    more = '\n[processes.sleeper]\ncommand = "sleep 1000"\n\n[cron.nightly]\nschedule = "@daily"\ncommand = "true"\n'
    plain.file.write_text(text + more)
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", "systemctl", "is-active", "my-site-sleeper").strip() == "active"
    assert "systemd-cat" in plain.inside("solo", "cat", "/etc/cron.d/my-site")
    changed_cron_lines_restart_nothing(plain, text + more)
    plain.file.write_text(text)
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", "sh", "-c", "systemctl is-active my-site-sleeper; true").strip() != "active"
    assert (
        plain.inside(
            "solo", "sh", "-c", "ls /etc/systemd/system/my-site-sleeper* /etc/cron.d/my-site 2>/dev/null; true"
        )
        == ""
    )


def changed_cron_lines_restart_nothing(plain: Fleet, text: str) -> None:
    """Change cron lines and when cron restarts a process, go back and forth, and see that no process is replaced."""

    def pids() -> str:
        return plain.inside("solo", "sh", "-c", "systemctl show -p MainPID --value 'my-site-*' | grep -v '^0$'")

    def crontab() -> str:
        return plain.inside("solo", "cat", "/etc/cron.d/my-site")

    before, nightly = pids(), crontab()
    weekly = text.replace("@daily", "@weekly").replace('sleep 1000"', 'sleep 1000"\nrestart_at = "@monthly"')
    plain.file.write_text(weekly + "environment = { WEEK = '1' }\n")
    plain.fab("-H", "plain", "deploy")
    assert "@weekly" in crontab() and "@monthly" in crontab()
    assert "nothing to do" in plain.fab("-H", "plain", "deploy").stdout
    assert "drift" not in plain.fab("-H", "plain", "check", code=None).stdout
    plain.fab("-H", "plain", "rollback")
    assert (crontab(), pids()) == (nightly, before)
    plain.fab("-H", "plain", "deploy")
    plain.file.write_text(text.replace("@daily", "@hourly"))
    plain.fab("-H", "plain", "deploy")
    assert "@hourly" in crontab() and pids() == before
    plain.fab("-H", "plain", "restart")
    assert pids() != before and plain.visit("solo", domain="plain.test").status == 200


def one_that_does_not_start_takes_nothing_away(plain: Fleet, text: str) -> str:
    """Deploy to a process on one port, and a commit that does not start; returns what was said of it."""

    def pid() -> str:
        return plain.inside("solo", "systemctl", "show", "-p", "MainPID", "--value", "my-site-web")

    plain.file.write_text(text.replace('unix:{{ socket }}"', '127.0.0.1:{{ port }}"\nport = 8001'))
    plain.fab("-H", "plain", "deploy")
    before = pid()
    plain.commit({"app.py": "import cart\n"})
    said = plain.fab("-H", "plain", "deploy", code=1)
    units = plain.inside("solo", "sh", "-c", "ls /etc/systemd/system | grep -c trial; true")
    assert (pid(), units.strip(), plain.visit("solo", domain="plain.test").status) == (before, "0", 200)
    plain.commit({"app.py": APPLICATION + "\nVERSION = 2\n"})
    events = plain.events("-H", "plain", "deploy")
    tried = [event["status"] for event in events if (event["t"], event.get("label")) == ("event", "tried my-site-web")]
    assert tried == ["changed"]
    assert pid() != before
    return said.stdout + said.stderr


@contextmanager
def asked_of_a_worker_that_hears_late_of_a_reload(plain: Fleet) -> Iterator[list[int]]:
    """Have nginx's workers stand still until a while after the next reload, with a request that they have taken.

    :returns: its status, at the end.
    """
    answered: list[int] = []
    page = "/etc/nginx/sites-enabled/my-site.conf"
    script = (
        'old=$(cat "$0"); pids=$(pgrep -f "^nginx: worker"); kill -STOP $pids; '
        '(until [ "$(cat "$0")" != "$old" ]; do sleep 0.1; done; sleep 3; kill -CONT $pids) >/dev/null 2>&1 &'
    )
    visitor = context_of("plain.test").wrap_socket(
        socket.create_connection((plain.address("solo"), 443)), server_hostname="plain.test"
    )
    with visitor:
        plain.inside("solo", "sh", "-c", script, page)
        visitor.sendall(b"GET / HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n")
        yield answered
        visitor.settimeout(30)
        answered.append(int(visitor.recv(1 << 16).split()[1]))


def test_a_process_with_two_ports_is_replaced_and_restarted_without_a_failed_request_and_can_be_renamed(
    plain: Fleet,
) -> None:
    text, over, answers = plain.file.read_text(), threading.Event(), []
    seen = {}
    ports = text.replace('unix:{{ socket }}"', '127.0.0.1:{{ port }}"\nport = 8001\nspare_port = 8011')
    stale = '\n[processes.stale]\ncommand = "python leaves.py {{ socket }}"\n'
    proxy = '[site]\nproxy = { "/" = "%s" }'

    def visit() -> None:
        while not over.wait(0.05):
            answers.append(plain.visit("solo", domain="plain.test").status)

    failed = one_that_does_not_start_takes_nothing_away(plain, text.replace("[site]", proxy % "web"))
    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        for name in ("web", "page"):
            more = ports.replace("processes.web", f"processes.{name}").replace("[site]", proxy % name) + stale
            plain.file.write_text(more)
            answers.clear()
            plain.fab("-H", "plain", "deploy")
            seen[name] = set(answers)
        answers.clear()
        with asked_of_a_worker_that_hears_late_of_a_reload(plain) as late:
            plain.fab("-H", "plain", "restart", "--process", "page")
        seen["restart"] = {*answers, *late}
        units = plain.inside("solo", "systemctl", "list-units", "--plain", "--no-legend", "my-site-*").split("\n")
        plain.file.write_text(text.replace("[site]", proxy % "web") + stale)
        said = plain.fab("-H", "plain", "status", code=None).stdout
        refused = plain.fab("-H", "plain", "restart", "--process", "web", code=2).stderr
        for colour in ("blue", "green"):
            plain.inside("solo", "systemctl", "kill", "--signal=KILL", f"my-site-stale-{colour}", check=False)
        path = "/srv/my-site/run/stale.sock"
        ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); print(s.recv(99))"
        wait_for("the server again", lambda: "200 OK" in plain.inside("solo", "python3", "-c", ask, check=False), 30)
        plain.fab("-H", "plain", "deploy")
    finally:
        over.set()
        visitor.join()
        plain.file.write_text(text)
    assert "ModuleNotFoundError: No module named 'cart'" in failed, "its last words, and not its first ones"
    assert "it was tried beside my-site-web, which goes on serving" in failed
    assert seen["web"] == seen["restart"] == {200}, seen
    running = [line.split()[0] for line in units if " running " in line]
    assert len(running) == 2 and running[0].startswith("my-site-page-") and running[1].startswith("my-site-stale-")
    assert "web has not been deployed, page has left the file" in said
    assert "page" in said and "127.0.0.1:80" in said
    assert "web stands in plain.toml and has not been deployed yet; next: fab -H plain deploy" in refused
    plain.fab("-H", "plain", "deploy")


def test_a_unit_that_somebody_else_has_stops_a_deploy_before_anything(plain: Fleet) -> None:
    text, unit = plain.file.read_text(), "/etc/systemd/system/my-site-mine.service"
    plain.inside("solo", "sh", "-c", f"echo '[Unit]' > {unit}")
    plain.file.write_text(text + '\n[processes.mine]\ncommand = "sleep 1000"\n')
    said = plain.fab("-H", "plain", "deploy", code=1)
    assert f"solo: {unit} belongs to something that Hawser did not write" in said.stdout + said.stderr
    plain.file.write_text(text)
    plain.inside("solo", "rm", unit)


def test_a_command_that_runs_once_runs_in_the_first_deploy_only(plain: Fleet) -> None:
    text = plain.file.read_text()
    table = """
[env]
generated = ["FIRST_PASSWORD"]

[persistent]
folders = ["data"]

[once.first]
command = "test -n \\"$PASSWORD\\" && echo {word} $(whoami) $HAWSER_RELEASE >> {{{{ root }}}}/data/first"
unless = "test -e {{{{ root }}}}/data/mark"
environment = {{ PASSWORD = "{{{{ secrets.FIRST_PASSWORD }}}}" }}
"""
    read = ("cat", "/srv/my-site/data/first")
    plain.file.write_text(text + table.format(word="one"))
    dry = plain.events("-R", "-H", "plain", "bootstrap", "deploy")
    assert [event["status"] for event in dry if event.get("label") == "once first"] == ["would_change"]
    said = plain.fab("-H", "plain", "bootstrap", "deploy").stdout
    secret = plain.secrets["FIRST_PASSWORD"]
    assert plain.inside("solo", *read).split() == ["one", "my-site", plain_release(plain)]
    assert secret not in said
    assert plain.inside("solo", "stat", "-c", "%a %U", "/var/lib/hawser/my-site/once/first").split() == ["600", "root"]
    listed = plain.fab("-H", "plain", "once.list").stdout
    assert "ran" in listed and "not yet" not in listed

    plain.file.write_text(text + table.format(word="two"))
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", *read).count("\n") == 1, "another text of the command is no reason to run it"
    plain.fab("-H", "plain", "once.run", "first")
    assert [line.split()[0] for line in plain.inside("solo", *read).splitlines()] == ["one", "two"]

    # As after a kill: it was done, and not noted.
    plain.inside("solo", "sh", "-c", "rm /var/lib/hawser/my-site/once/first; touch /srv/my-site/data/mark")
    assert "not yet" in plain.fab("-H", "plain", "once.list").stdout
    plain.file.write_text(text + table.format(word="three"))
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", *read).count("\n") == 2
    assert "noted as done" in plain.fab("-H", "plain", "once.list").stdout

    plain.file.write_text(text + table.format(word="four").replace("[once.first]", "[once.second]"))
    failing = plain.file.read_text().replace("test -n", "test -z").replace("data/mark", "data/no")
    plain.file.write_text(failing)
    before = plain_release(plain)
    said = plain.fab("-H", "plain", "deploy", code=1).stdout
    assert "once.done second" in said and plain_release(plain) == before
    plain.fab("-H", "plain", "once.done", "second")
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", *read).count("\n") == 2
    answer = plain.fab("-H", "plain", "once.run", "secnd", code=2)
    assert "there is no [once.secnd]; known: second" in answer.stderr
    plain.file.write_text(text)
    plain.fab("-H", "plain", "deploy")


def plain_release(plain: Fleet) -> str:
    return plain.inside("solo", "readlink", "/srv/my-site/current").strip().rpartition("/")[2]


def test_a_process_that_changes_its_manager_runs_only_once(plain: Fleet) -> None:
    text = plain.file.read_text()
    sleeper = '\n[processes.sleeper]\ncommand = "sleep 1234"\nsingle = true\n'
    count = ("sh", "-c", "pgrep -c -f '^[s]leep 1234'; true")
    plain.file.write_text(text + sleeper)
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", *count).strip() == "1"
    plain.file.write_text(text + sleeper + 'manager = "supervisor"\n')
    plain.fab("-H", "plain", "bootstrap", "deploy")
    assert plain.inside("solo", *count).strip() == "1"
    assert plain.inside("solo", "sh", "-c", "systemctl is-active my-site-sleeper; true").strip() == "inactive"
    assert "nothing to do" in plain.fab("-H", "plain", "deploy").stdout
    plain.file.write_text(text)
    plain.fab("-H", "plain", "deploy")
    assert plain.inside("solo", *count).strip() == "0"


def test_a_process_and_a_cron_line_may_run_as_another_user(plain: Fleet) -> None:
    text = plain.file.read_text()
    more = '[processes.guest]\ncommand = "sleep 4321"\nuser = "guest"\nmanager = "supervisor"\n'
    plain.file.write_text(f"{text}\n{more}")
    plain.fab("-H", "plain", "bootstrap", "deploy")
    assert plain.inside("solo", "sh", "-c", "ps -o user= -p $(pgrep -f '^sleep 4321')").strip() == "guest"
    said = plain.inside(
        "solo", "setpriv", "--reuid=guest", "--regid=guest", "--init-groups", "/srv/my-site/current/run", "env"
    )
    assert "HAWSER_RELEASE=" in said
    plain.file.write_text(text)
    plain.fab("-H", "plain", "deploy")


def test_a_sudoers_file_that_visudo_refuses_is_never_put_in_place(plain: Fleet) -> None:
    text = plain.file.read_text()
    rule = (
        '\n[[files]]\npath = "/etc/sudoers.d/my-site"\nvalidate = "sudoers"\n'
        'mode = "0440"\ngroup = "root"\ncontent = "{}"\n'
    )
    try:
        plain.file.write_text(text + rule.format("my-site ALL NOPE\\n"))
        said = plain.fab("-H", "plain", "deploy", code=1).stdout
        assert "would not be a valid sudoers file" in said
        assert plain.inside("solo", "sh", "-c", "ls /etc/sudoers.d/my-site 2>/dev/null; true") == ""
        plain.file.write_text(text + rule.format("my-site ALL=(root) NOPASSWD: /bin/true\\n"))
        plain.fab("-H", "plain", "deploy")
        assert "NOPASSWD" in plain.inside("solo", "cat", "/etc/sudoers.d/my-site")
    finally:
        plain.file.write_text(text)
