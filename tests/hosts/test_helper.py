"""Deploy users who are not root: the helper does for them what a deploy needs, and twenty ways to become root fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from hawser import sandbox
from hawser.resources import (
    Catalog,
    Command,
    Directory,
    File,
    Healthy,
    Journal,
    Link,
    Packages,
    Resource,
    Running,
)
from hawser.signatures import Signer, make_key

from .conftest import Fleet, own_environment

SETTINGS = """
[app]
name = "yard"
repo = "{repository}"

[env]
required = ["TOKEN"]

[env.variables]
TOKEN = "{{{{ secrets.TOKEN }}}}"

[release]
build = ["python -c \\"open('built.txt', 'w').write('built')\\""]

[processes.web]
command = "python serve.py {{{{ socket }}}}"

[processes.worker]
command = "python serve.py work"
manager = "supervisor"

[cron.tick]
schedule = "* * * * *"
command = "python serve.py tick"

[persistent]
folders = ["data"]

[site]
domains = ["yard.test"]

[ssh]
user = "ships"
admin = "root"

[hosts.one]
sandbox = true
"""
SERVE = """
import http.server, os, socketserver, sys, time


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{version}")

    def address_string(self):
        return "visitor"


if sys.argv[1] == "work":
    time.sleep(10 ** 6)
if sys.argv[1] != "tick":
    # As servers do that are made to stand behind a web server.
    os.umask(0)
    socketserver.ThreadingUnixStreamServer(sys.argv[1], Handler).serve_forever()
"""
# As an administrator makes it, whose keys root has.
ACCOUNT = """
useradd --create-home --shell /bin/bash ships
install -d -m 0700 -o ships -g ships ~ships/.ssh
install -m 0600 -o ships -g ships /root/.ssh/authorized_keys ~ships/.ssh/authorized_keys
"""


@pytest.fixture(scope="module")
def yard() -> Iterator[Fleet]:
    code = {"serve.py": SERVE.replace("{version}", "first"), "requirements.txt": ""}
    with own_environment("yard", SETTINGS, code, {"TOKEN": "not-to-be-guessed"}) as fleet:
        fleet.inside("one", "sh", "-c", ACCOUNT)
        fleet.fab("-H", "yard", "bootstrap", "deploy")
        yield fleet


def released(fleet: Fleet, text: str) -> None:
    """Commit another version of the application."""
    Path(fleet.repository / "serve.py").write_text(SERVE.replace("{version}", text))
    fleet.git("commit", "-qam", text)


def page(fleet: Fleet) -> str:
    return fleet.visit("one", domain="yard.test").body


def test_a_deploy_user_deploys_and_goes_back(yard: Fleet) -> None:
    released(yard, "second")
    said = yard.fab("-H", "yard", "deploy").stdout
    assert "needs an administrator" not in said
    assert page(yard) == "second"
    yard.fab("-H", "yard", "rollback")
    assert page(yard) == "first"


def test_everyday_commands_need_no_administrator(yard: Fleet) -> None:
    for words in (
        ["status"],
        ["check"],
        ["drift"],
        ["logs", "--lines", "2"],
        ["cron.list"],
        ["restart", "--process", "web"],
        ["stop", "--process", "worker"],
        ["start", "--process", "worker"],
        ["maintenance.on"],
        ["maintenance.off"],
        ["lock.hold", "--why", "lunch"],
        ["lock.release"],
        ["plan", "deploy"],
        ["releases.list"],
    ):
        said = yard.fab("-H", "yard", *words)
        assert "administrator" not in said.stdout + said.stderr, words


def test_what_needs_an_administrator_says_so_and_changes_nothing(yard: Fleet) -> None:
    text = yard.text
    yard.file.write_text(text.replace('["yard.test"]', '["yard.test", "www.yard.test"]'))
    try:
        said = yard.fab("-H", "yard", "deploy", code=1)
        assert "this needs an administrator once; nothing was touched" in said.stderr
        assert "file /etc/nginx/sites-enabled/yard.conf" in said.stderr
        assert page(yard) == "first" and "open" not in yard.fab("-H", "yard", "lock.status").stdout
        yard.fab("-H", "yard", "--as-admin", "deploy")
        assert "www.yard.test" in yard.inside("one", "cat", "/etc/nginx/sites-enabled/yard.conf")
    finally:
        yard.file.write_text(text)
        yard.fab("-H", "yard", "--as-admin", "deploy")


class Intruder:
    """Somebody with a deploy user's login, and with the key that requests are signed with or another one."""

    def __init__(self, fleet: Fleet, key: str = "") -> None:
        self.fleet = fleet
        self.signer = Signer("yard", key or fleet.secrets["HAWSER_SIGNING_KEY"])
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.client.connect(fleet.address("one"), username="ships", key_filename=str(sandbox.private_key()))

    def shell(self, line: str) -> str:
        """Return what a command says."""
        _stdin, stdout, stderr = self.client.exec_command(line, timeout=30)
        return str((stdout.read() + stderr.read()).decode())

    def events(self, *wanted: Resource) -> list[dict[str, object]]:
        """Ask the helper for some resources; what it says of each."""
        stdin, stdout, _stderr = self.client.exec_command("sudo -n /usr/local/sbin/hawser-yard", timeout=60)
        signed = self.signer.for_helper("one", json.loads(stdout.readline())["nonce"])
        hello = {"application": "yard", "root": "/srv/yard", "state": "/var/lib/hawser/yard", "token": "0" * 32}
        catalog = Catalog.of([("x", list(wanted))]).to_wire()
        apply = {"op": "apply", "id": 1, "arguments": {"catalog": catalog}}
        for message in (hello, apply, {"op": "bye"}):
            stdin.write(signed.line(json.dumps(message).encode()) + b"\n")
        stdin.flush()
        said = [json.loads(line) for line in stdout.read().splitlines()]
        return [each for each in said if each["t"] == "event"]


@pytest.fixture
def intruder(yard: Fleet) -> Iterator[Intruder]:
    found = Intruder(yard)
    yield found
    found.client.close()


TAKES = "install -m 4755 /bin/sh /var/tmp/owned"
UNIT = """# hawser: application=yard process=x release=
[Service]
ExecStart=/bin/sh -c "{line}"
Type=exec
User=yard
Group=yard
"""
# What leads to root where it is done.
WAYS: dict[str, list[Resource]] = {
    "a crontab": [File("/etc/cron.d/yard", f"* * * * * root {TAKES}\n", validate="cron")],
    "sudoers": [File("/etc/sudoers.d/hawser-yard", "ships ALL=(ALL) NOPASSWD: ALL\n", mode=0o440, validate="sudoers")],
    "a program with its owner's rights": [File("/srv/yard/data/sh", "#!/bin/sh\n", mode=0o4755)],
    "a unit of root's": [
        File("/etc/systemd/system/yard-x.service", UNIT.format(line=TAKES).replace("User=yard\n", "")),
        Running("yard-x", "systemd"),
    ],
    "a unit that starts something as root": [
        File("/etc/systemd/system/yard-x.service", UNIT.format(line=TAKES).replace("=/bin", "=+/bin")),
        Running("yard-x", "systemd"),
    ],
    "a second program of a unit": [
        File("/etc/systemd/system/yard-x.service", UNIT.format(line='true" ; +/bin/sh -c "' + TAKES)),
        Running("yard-x", "systemd"),
    ],
    "output to a file of root's": [
        File(
            "/etc/systemd/system/yard-x.service", UNIT.format(line="id") + "StandardOutput=append:/etc/cron.d/owned\n"
        ),
        Running("yard-x", "systemd"),
    ],
    "a program of supervisor": [
        File(
            "/etc/supervisor/conf.d/yard-x.conf",
            f"; hawser: application=yard process=x release=\n[program:yard-x]\ncommand={TAKES}\n",
            validate="supervisor",
        ),
    ],
    "a hook of git": [File("/srv/yard/repository.git/hooks/post-checkout", f"#!/bin/sh\n{TAKES}\n", mode=0o755)],
    "a link of the service user": [File("/srv/yard/data/etc/cron.d/owned", f"* * * * * root {TAKES}\n")],
    "a folder behind such a link": [Directory("/srv/yard/data/etc", owner="yard", group="yard")],
    "a link of a log": [Link("/srv/yard/log/nginx-error.log", "/etc/cron.d/owned")],
    "a folder of logs": [Directory("/srv/yard/log", mode=0o777)],
    "a command": [Command(("sh", "-c", TAKES))],
    "a condition": [Command(("systemctl", "daemon-reload"), unless=("sh", "-c", TAKES))],
    "variables of a program": [Command(("systemctl", "daemon-reload"), env={"LD_PRELOAD": "/srv/yard/data/x.so"})],
    "a process's own check": [Healthy("", "yard-web-blue", "systemd", command=("sh", "-c", TAKES))],
    "the name of a record": [Journal("../../../../etc/cron.d/owned", {})],
    "a package": [Packages(("netcat-openbsd",))],
    "the helper itself": [File("/usr/local/sbin/hawser-yard", f"#!/bin/sh\n{TAKES}\n", mode=0o755)],
    "its rules": [File("/var/lib/hawser/yard/helper/rules.json", "{}")],
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_may_deploy_does_not_become_root(yard: Fleet, intruder: Intruder, way: str) -> None:
    yard.inside("one", "runuser", "-u", "yard", "--", "ln", "-sfn", "/etc", "/srv/yard/data/etc")
    before = yard.inside("one", "sh", "-c", "ls -ld /etc /srv/yard/log; ls /etc/cron.d; cat /etc/sudoers.d/*")
    first, *rest = intruder.events(*WAYS[way])
    assert first["status"] == "failed" and "needs an administrator" in str(first["error"])
    assert all(each["status"] == "skipped" for each in rest)
    assert yard.inside("one", "sh", "-c", "ls -ld /etc /srv/yard/log; ls /etc/cron.d; cat /etc/sudoers.d/*") == before
    look = (
        "ls -d /var/tmp/owned /etc/cron.d/owned /etc/systemd/system/yard-x.service /srv/yard/data/sh 2>/dev/null; true"
    )
    assert yard.inside("one", "sh", "-c", look) == ""


def test_a_login_without_the_key_is_worth_nothing(yard: Fleet, intruder: Intruder) -> None:
    assert "uid=0" not in intruder.shell("sudo -n id") + intruder.shell("sudo -n /bin/sh -c id")
    for line in (
        "sudo -n /usr/local/sbin/hawser-yard -c id",
        "sudo -n -E PATH=/home/ships:$PATH /usr/local/sbin/hawser-yard --help",
        "sudo -n -u yard id",
        "cat /var/lib/hawser/yard/helper/rules.json /srv/yard/current/environment",
    ):
        said = intruder.shell(line)
        assert "password is required" in said or "not allowed" in said or "Permission denied" in said, (line, said)
    stranger = Intruder(yard, make_key())
    assert stranger.events(Command(("id",), user="yard")) == []
    stranger.client.close()
    # With the key, it may do what a deploy does.
    (done,) = intruder.events(Command(("id", "-un"), user="yard"))
    assert done["status"] == "changed" and done["output"] == "yard\n"
