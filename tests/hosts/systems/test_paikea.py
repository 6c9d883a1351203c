"""Paikea: Flask, celery, RabbitMQ, MariaDB, a firmware repository, and a certificate from a real ACME server."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from hawser import sandbox

from ..conftest import PROJECT, Fleet, system, wait_for
from ..pebble import PEBBLE
from ..terminal import Person
from ..visitors import visitors

HOST, DOMAIN = "backend", "paikea.test"
HOME = "/home/paikea"
# Each has what one format or another takes for something of its own.
ACCOUNTS = {
    "ROCKBLOCK_USER": "user+100%@email.net",
    "ROCKBLOCK_PASS": 'p@ss "w0rd"! #1; $x `y` \\z',
    "ROCKCORE_USER": "another.user@email.net",
    "ROCKCORE_PASS": "%(here)s ; # end",
}
DB_PASSWORD = "a/b:c@d%e#f?g h"

# A repository over SSH, for one key that may do nothing but read it.
GIT_SERVER = r"""
set -e
useradd --create-home --shell /usr/bin/git-shell git
install -d -m 700 -o git -g git /home/git/.ssh
printf '%s\n' "$1" > /home/git/.ssh/authorized_keys; chown git: /home/git/.ssh/authorized_keys
git init -q -b main --bare /home/git/firmware.git; chown -R git: /home/git/firmware.git
"""
PUSH = r"""
set -e
cd; rm -rf work; git clone -q firmware.git work 2>/dev/null; cd work
printf '%s\n' "$1" > boot.py; git add -A
git -c user.name=Test -c user.email=test@example.org commit -q -m "$1"; git push -q origin HEAD:main
"""

# The device server's page port: a WebSocket that gives back what it is sent.
DEVICES = """
import base64, hashlib, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        headers = {}
        self.rfile.readline()
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        if headers.get("upgrade") != "websocket":
            return
        word = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(word.encode()).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
        self.connection.sendall(self.connection.recv(100))
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", 7770), Handler).serve_forever()
"""

# What a new version adds to the models: a column that may be empty to the end of the buoys' table, and a table.
COLUMN = "\n\nBuoy.nickname = db.Column(db.String(64))\n"
TABLE = "\n\nclass Lantern(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
NEEDED = "\n\nBuoy.flag = db.Column(db.String(8), nullable=False)\n"


def key_pair(folder: Path) -> tuple[str, str]:
    """Make an SSH key; returns the private and the public half."""
    path = folder / "firmware-key"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


@pytest.fixture(scope="module")
def paikea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with system("paikea", PROJECT / "tests" / "hosts" / "apps" / "paikea") as fleet:
        (fleet.hosts.parent / "keys").mkdir(exist_ok=True)
        private, public = key_pair(fleet.hosts.parent / "keys")
        if not (fleet.hosts / "paikea.env").exists():
            prepare(fleet, private, public)
        write_environment(fleet)
        fleet.fab("-H", "paikea", "bootstrap", "deploy")
        yield fleet


def prepare(fleet: Fleet, private: str, public: str) -> None:
    """Set up what stands around the system, with an ACME server, and the secrets."""
    fleet.inside(HOST, "bash", "-c", PEBBLE)
    surround(fleet, public)
    write_secrets(fleet, private)


def surround(fleet: Fleet, public: str) -> None:
    """Set up a git server with the firmware, documents, and a device server."""
    fleet.inside(HOST, "bash", "-c", GIT_SERVER, "bash", f"restrict {public}")
    push(fleet, "one")
    fleet.inside(
        HOST, "sh", "-c", "mkdir -p /srv/paikea_docs/_build/html; echo pages > /srv/paikea_docs/_build/html/index.html"
    )
    start_devices(fleet)


def start_devices(fleet: Fleet) -> None:
    fleet.inside(HOST, "systemd-run", "--quiet", "--unit=devices", "/usr/bin/python3", "-c", DEVICES)


def write_secrets(fleet: Fleet, private: str) -> None:
    secrets = fleet.hosts / "paikea.env"
    secrets.touch(mode=0o600)
    values = {**ACCOUNTS, "FIRMWARE_KEY": private, "PAIKEA_DB_PASS": DB_PASSWORD}
    secrets.write_text("".join(f"{name}={dotenv_quoted(value)}\n" for name, value in values.items()))


def dotenv_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def push(fleet: Fleet, text: str) -> None:
    """Commit a new version of the firmware."""
    fleet.inside(HOST, "runuser", "-u", "git", "--", "env", "HOME=/home/git", "bash", "-c", PUSH, "bash", text)


def write_environment(fleet: Fleet) -> None:
    """Have the environment file speak of the servers that stand in for Let's Encrypt and for GitHub."""
    (fleet.hosts / "acme-ca.pem").write_text(fleet.inside(HOST, "cat", "/etc/pebble/ca.pem"))
    acme = 'tls = "acme"\nacme = { server = "https://acme.test:14000/dir", ca = "acme-ca.pem" }'
    rewrite(fleet, {**addresses(fleet), 'tls = "self-signed"': acme})


def addresses(fleet: Fleet) -> dict[str, str]:
    """Return what takes the place of GitHub in the environment file."""
    host_key = " ".join(fleet.inside(HOST, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    return {
        "git@github.com:organization/paikea-firmware.git": "git@127.0.0.1:firmware.git",
        'firmware_server = "github.com"': 'firmware_server = "127.0.0.1"',
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl": host_key,
    }


def rewrite(fleet: Fleet, changes: dict[str, str]) -> None:
    text = fleet.file.read_text()
    for old, new in changes.items():
        assert old in text or new in text, old
        text = text.replace(old, new)
    fleet.file.write_text(text)


def visit(fleet: Fleet, path: str, data: object = None, status: int = 200) -> str:
    """Ask the site for a page over HTTPS, or send it something as JSON."""
    return post(fleet, path, None if data is None else json.dumps(data).encode(), status)


def post(fleet: Fleet, path: str, body: bytes | None, status: int = 200) -> str:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Host": DOMAIN, "Content-Type": "application/json"}
    request = urllib.request.Request(f"https://{fleet.address(HOST)}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            assert answer.status == status
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        assert error.code == status, error.read().decode()
        return str(error.read().decode())


def extend(fleet: Fleet, base: str, changes: Mapping[str, str]) -> None:
    """Make the branch that is deployed a commit and these texts at the ends of its files."""
    fleet.git("checkout", "--quiet", "-B", "main", base)
    for path, text in changes.items():
        file = fleet.repository / path
        file.write_text(file.read_text() + text)
    fleet.git("commit", "--quiet", "--all", "--allow-empty", "-m", "a change")


def environment_of(fleet: Fleet, unit: str) -> dict[str, str]:
    """Return the variables of a running process, as the kernel has them."""
    text = fleet.inside(HOST, "cat", f"/proc/{pid_of(fleet, unit)}/environ")
    return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)


def pid_of(fleet: Fleet, unit: str) -> str:
    if unit == "paikea-celery":
        return fleet.inside(HOST, "supervisorctl", "pid", unit).strip()
    return fleet.inside(HOST, "systemctl", "show", "-P", "MainPID", serving(fleet)).strip()


def serving(fleet: Fleet) -> str:
    """Return the unit of the back end, whose colour changes with each release."""
    return "paikea-" + fleet.inside(HOST, "readlink", f"{HOME}/run/web.live").strip()


def mode_of(fleet: Fleet, path: str) -> str:
    return fleet.inside(HOST, "stat", "-L", "-c", "%a %U %G", path).strip()


def changed(events: list[dict[str, object]]) -> list[object]:
    return [event["label"] for event in events if event["t"] == "event" and event["status"] not in ("ok",)]


def sql(fleet: Fleet, text: str) -> str:
    return fleet.inside(HOST, "mariadb", "-N", "-e", text, "paikea").strip()


def issuer(fleet: Fleet) -> tuple[str, str]:
    """Return who has issued the certificate that visitors see, and its serial number."""
    ask = f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN} </dev/null 2>/dev/null"
    said = fleet.inside(HOST, "sh", "-c", f"{ask} | openssl x509 -noout -issuer -serial").splitlines()
    return said[0], said[1]


def test_a_second_run_changes_nothing_and_status_shows_both_managers(paikea: Fleet) -> None:
    assert paikea.drifted() == []
    assert changed(paikea.events("-H", "paikea", "bootstrap", "deploy")) == []
    said = paikea.fab("-H", "paikea", "status").stdout
    assert re.search(r"web +systemd +running", said), said
    assert re.search(r"celery +supervisor +running", said), said


def test_the_layout_is_that_of_the_document(paikea: Fleet) -> None:
    assert "autoapp.py" in paikea.inside(HOST, "ls", f"{HOME}/backend")
    paikea.inside(HOST, "test", "-x", f"{HOME}/venv/bin/flask")
    assert mode_of(paikea, f"{HOME}/vars.env") == "600 root root"
    assert mode_of(paikea, f"{HOME}/backend") == "755 paikea paikea"


def test_the_dotenv_file_has_the_six_variables_and_everything_is_told_where_it_is(paikea: Fleet) -> None:
    path = f"{HOME}/backend/.env"
    assert mode_of(paikea, path) == "640 paikea paikea"
    read = "import sys, json; from dotenv import dotenv_values; print(json.dumps(dotenv_values(sys.argv[1])))"
    values = json.loads(paikea.inside(HOST, f"{HOME}/venv/bin/python", "-c", read, path))
    assert values == {
        "FLASK_APP": "./autoapp",
        "PAIKEA_ENV": "PROD",
        "PAIKEA_DB_PASS": DB_PASSWORD,
        "PAIKEA_DB_URI": "mysql+mysqldb://paikea:a%2Fb%3Ac%40d%25e%23f%3Fg%20h@localhost/paikea"
        "?unix_socket=/var/run/mysqld/mysqld.sock",
        "PAIKEA_FIRMWARE_REPO": "git@127.0.0.1:firmware.git",
        "PAIKEA_FIRMWARE_BASE": "/srv/paikea/firmware",
    }
    release = paikea.inside(HOST, "readlink", "-f", path).strip()
    for unit in ("paikea-web", "paikea-celery"):
        assert environment_of(paikea, unit)["PAIKEA_DOTENV"] == release
    assert f"PAIKEA_DOTENV={release}" in paikea.inside(HOST, f"{HOME}/current/run", "env")


def test_the_accounts_reach_both_processes_unchanged_and_only_root_can_read_them(
    paikea: Fleet,
) -> None:
    for unit in ("paikea-web", "paikea-celery"):
        there = environment_of(paikea, unit)
        assert {name: there[name] for name in ACCOUNTS} == ACCOUNTS
        assert paikea.inside(HOST, "stat", "-c", "%U", f"/proc/{pid_of(paikea, unit)}").strip() == "paikea"
    assert visit(paikea, "/rockblock/incoming", {"data": "x"}) == "OK"
    wait_for("the worker", lambda: ACCOUNTS["ROCKBLOCK_USER"] in visit(paikea, "/rockblock/incoming"))
    assert json.loads(visit(paikea, "/rockblock/incoming"))[-1] == (
        f"{ACCOUNTS['ROCKBLOCK_USER']} {ACCOUNTS['ROCKBLOCK_PASS']}"
    )
    arguments = paikea.inside(HOST, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    for secret in (ACCOUNTS["ROCKBLOCK_PASS"], ACCOUNTS["ROCKCORE_PASS"], DB_PASSWORD):
        assert secret not in arguments
    hidden = paikea.inside(HOST, "runuser", "-u", "paikea", "--", "cat", f"{HOME}/vars.env", check=False)
    assert ACCOUNTS["ROCKBLOCK_USER"] not in hidden


def test_unit_and_program_have_the_keys_of_the_document(paikea: Fleet) -> None:
    keys = "After,User,WorkingDirectory,Restart,Type"
    shown = paikea.inside(HOST, "systemctl", "show", "-p", keys, serving(paikea))
    values = dict(line.split("=", 1) for line in shown.splitlines())
    assert {"network.target", "mariadb.service", "rabbitmq-server.service"} <= set(values["After"].split())
    release = paikea.inside(HOST, "readlink", "-f", f"{HOME}/backend").strip()
    assert (values["User"], values["WorkingDirectory"]) == ("paikea", release)
    assert (values["Restart"], values["Type"]) == ("on-abort", "simple")
    program = paikea.inside(HOST, "cat", "/etc/supervisor/conf.d/paikea-celery.conf")
    for line in ("numprocs=1", "startsecs=10", "stopwaitsecs=600", "stopasgroup=true", "priority=1000"):
        assert line in program.splitlines()
    assert "--loglevel=INFO" in program
    assert f"directory={release}" in program.splitlines()


def test_the_broker_is_that_of_the_settings(paikea: Fleet) -> None:
    connections = paikea.inside(HOST, "rabbitmqctl", "-q", "list_connections", "user", "vhost")
    assert set(connections.splitlines()[1:]) == {"paikea\tpaikea"}


def test_the_database_is_saved_and_brought_back_and_has_a_shell(paikea: Fleet) -> None:
    iam = json.loads(visit(paikea, "/v1/buoy/register", {}))["iam"]
    said = paikea.fab("-H", "paikea", "db.backup").stdout
    assert "proven" in said
    sql(paikea, "DELETE FROM buoy; CREATE TABLE later (x int)")
    assert json.loads(visit(paikea, "/v1/buoys")) == []
    paikea.fab("-H", "paikea", "db.restore", "latest", "--destroy", "paikea")
    assert iam in json.loads(visit(paikea, "/v1/buoys"))
    assert "later" not in sql(paikea, "SHOW TABLES")
    former = sql(paikea, "SHOW DATABASES LIKE 'paikea_before_%'").splitlines()[-1]
    assert "later" in sql(paikea, f"SHOW TABLES FROM {former}")
    listed = next(each for each in paikea.events("-H", "paikea", "db.list") if each["t"] == "table")
    assert len(listed["rows"]) >= 2  # type: ignore[arg-type]
    person = Person(paikea.command("-H", "paikea", "dbshell"), PROJECT, paikea.environ())
    person.sees("MariaDB [paikea]>")
    person.types("SELECT 6*7 AS answer;\r")
    person.sees("42")
    person.types("exit\r")
    assert person.ends() == 0
    grants = sql(paikea, "SHOW GRANTS FOR paikea@localhost")
    assert "ALL PRIVILEGES ON `paikea`" in grants
    assert "ALL PRIVILEGES ON *.*" not in grants


def test_the_site_answers_as_the_document_says(paikea: Fleet) -> None:
    assert visit(paikea, "/connection/hc") == "OK"
    assert visit(paikea, "/docs/").strip() == "pages"
    bare = paikea.visit(HOST, "/docs", domain=DOMAIN)
    assert (bare.status, bare.headers["Location"]) == (301, f"https://{DOMAIN}/docs/")
    # What sub_filter writes in place of a word of the page.
    name = paikea.inside(HOST, "hostname").strip()
    assert f"<p>{name}</p>" in visit(paikea, "/v1/app")
    log = paikea.inside(HOST, "tail", "-n", "1", f"{HOME}/log/nginx-access.log")
    assert re.search(r'"GET /v1/app HTTP/1.1" 200 \d+ "-" "Python-urllib/[^"]+" "-"$', log.strip()), log


def test_old_versions_of_tls_are_refused(paikea: Fleet) -> None:
    for version, works in (("1_1", False), ("1_2", True), ("1_3", True)):
        ask = f"openssl s_client -connect 127.0.0.1:443 -servername {DOMAIN} -tls{version} </dev/null 2>&1"
        # The client's own minimum would refuse as well.
        said = paikea.inside(HOST, "sh", "-c", ask.replace("-tls", "-cipher DEFAULT:@SECLEVEL=0 -tls"), check=False)
        assert ("BEGIN CERTIFICATE" in said) is works, said


def test_websockets_reach_the_device_server_through_its_own_port(paikea: Fleet) -> None:
    assert f"wss://{DOMAIN}:7778/" in visit(paikea, "/static/js/device.js")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection((paikea.address(HOST), 7778), timeout=30)
    with context.wrap_socket(plain, server_hostname=DOMAIN) as link:
        link.sendall(
            f"GET /PK001 HTTP/1.1\r\nHost: {DOMAIN}:7778\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        stream = link.makefile("rb")
        assert b" 101 " in stream.readline()
        headers = b"".join(iter(stream.readline, b"\r\n"))
        # Of RFC 6455, for this key.
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in headers
        link.sendall(b"\x81\x82\x00\x00\x00\x00hi")
        assert stream.read(8) == b"\x81\x82\x00\x00\x00\x00hi"


def test_ignored_folders_are_there_and_survive_a_release(paikea: Fleet) -> None:
    for folder in ("logs", "logs/celery"):
        assert mode_of(paikea, f"{HOME}/backend/{folder}") == "750 paikea paikea"
    log = f"{HOME}/backend/logs/logs.log"
    before = paikea.inside(HOST, "grep", "-c", "App initialized", log)
    paikea.commit({"later.txt": "x"})
    paikea.fab("-H", "paikea", "deploy")
    assert int(paikea.inside(HOST, "grep", "-c", "App initialized", log)) > int(before)


def test_firmware_is_checked_out_updated_and_cloned_by_the_worker(paikea: Fleet) -> None:
    base = "/srv/paikea/firmware"
    assert paikea.inside(HOST, "runuser", "-u", "paikea", "--", "cat", f"{base}/boot.py").strip()
    device = f"PK{time.time():.0f}"
    two, three = f"two of {device}", f"three of {device}"
    push(paikea, two)
    assert changed(paikea.events("-H", "paikea", "bootstrap")) == []
    paikea.fab("-H", "paikea", "checkouts.update")
    assert paikea.inside(HOST, "cat", f"{base}/boot.py").strip() == two
    assert changed(paikea.events("-H", "paikea", "checkouts.update")) == []
    log = ("runuser", "-u", "paikea", "--", "git", "-C", base, "log", "--format=%s", "-1")
    assert paikea.inside(HOST, *log).strip() == two

    # The worker clones with its own key, into a folder that it may write to.
    page = f"/v1/buoy/{device}/upgrade"
    job = json.loads(visit(paikea, page, {"cmd": "init"}))["job_id"]
    question = {"cmd": "status", "job_id": job}
    wait_for("the clone", lambda: json.loads(visit(paikea, page, question))["status"] == 2, seconds=30)
    wanted = {"cmd": "get_file", "job_id": job, "file_path": "boot.py"}
    assert visit(paikea, page, wanted).strip() == two
    push(paikea, three)
    paikea.fab("-H", "paikea", "checkouts.update")
    assert visit(paikea, page, wanted).strip() == two


def test_services_of_one_host_listen_on_loopback_only_and_status_has_nothing_to_warn_of(paikea: Fleet) -> None:
    ports = "sport = :8888 or sport = :8889 or sport = :3306 or sport = :5672"
    listeners = sorted(line.split()[3] for line in paikea.inside(HOST, "ss", "-Hlnt", ports).splitlines())
    assert listeners[:2] == ["127.0.0.1:3306", "127.0.0.1:5672"]
    # The back end has one of the two.
    assert listeners[2:] in (["127.0.0.1:8888"], ["127.0.0.1:8889"])
    for command in ("status", "check"):
        assert "on every address" not in paikea.fab("-H", "paikea", command).stdout


@pytest.mark.slow
def test_an_upgrade_that_creates_nothing_stops_the_deploy(paikea: Fleet) -> None:
    assert {"buoy", "device_firmware_upgrade", "rock_block_message"} <= set(sql(paikea, "SHOW TABLES").split())
    text = paikea.file.read_text()
    models = (paikea.repository / "paikea" / "models.py").read_text()
    release = paikea.inside(HOST, "readlink", f"{HOME}/current")
    paikea.file.write_text(text.replace('  "flask db migrate -d {{ root }}/migrations",\n', ""))
    # Of a name that no other run has taken, for it stays.
    table = f"handset_{time.time():.0f}"
    column = "id = db.Column(db.Integer, primary_key=True)"
    more = f'\n\nclass {table}(db.Model):\n    __tablename__ = "{table}"\n    {column}\n'
    paikea.commit({"paikea/models.py": models + more})
    try:
        said = paikea.fab("-H", "paikea", "deploy", code=1)
        assert "New upgrade operations detected" in said.stdout + said.stderr
        assert paikea.inside(HOST, "readlink", f"{HOME}/current") == release
        paikea.file.write_text(text)
        paikea.fab("-H", "paikea", "deploy")
        assert table in sql(paikea, "SHOW TABLES").split()
        # The next run on these hosts begins without it.
        paikea.commit({"paikea/models.py": models})
        paikea.fab("-H", "paikea", "deploy", "--accept-migrations")
    finally:
        paikea.file.write_text(text)


@pytest.mark.slow
def test_a_fix_after_a_rollback_keeps_what_the_newer_version_has_stored(paikea: Fleet) -> None:
    base = paikea.git("rev-parse", "HEAD")
    before = paikea.inside(HOST, "readlink", f"{HOME}/current")
    extend(paikea, base, {"paikea/models.py": COLUMN + TABLE})
    with visitors(paikea, {"the back end": partial(paikea.visit, HOST, "/v1/buoys", domain=DOMAIN)}):
        try:
            paikea.fab("-H", "paikea", "deploy")
            sql(paikea, "INSERT INTO buoy (iam, nickname) VALUES ('PK901', 'Ruby')")
            assert "lantern" in sql(paikea, "SHOW TABLES")
            paikea.fab("-H", "paikea", "rollback")
            assert paikea.inside(HOST, "readlink", f"{HOME}/current") == before
            # An object of the older code.
            assert json.loads(visit(paikea, "/v1/buoy/register", {}))["iam"]
        finally:
            extend(paikea, base, {"README.md": "\n"})
        paikea.fab("-H", "paikea", "deploy")
    assert paikea.inside(HOST, "readlink", f"{HOME}/current") != before
    assert sql(paikea, "SELECT nickname FROM buoy WHERE iam = 'PK901'") == "Ruby"
    assert "lantern" in sql(paikea, "SHOW TABLES")


def test_a_column_that_the_code_from_before_does_not_fill_is_asked_about(paikea: Fleet) -> None:
    base = paikea.git("rev-parse", "HEAD")
    before = paikea.inside(HOST, "readlink", f"{HOME}/current")
    extend(paikea, base, {"paikea/models.py": NEEDED})
    try:
        said = paikea.fab("-H", "paikea", "deploy", code=1)
        assert "add_column None buoy buoy.flag" in said.stdout + said.stderr
        assert "--accept-migrations" in said.stdout + said.stderr
        assert paikea.inside(HOST, "readlink", f"{HOME}/current") == before
        assert "flag" not in sql(paikea, "DESCRIBE buoy")
    finally:
        paikea.git("checkout", "--quiet", "-B", "main", base)
    paikea.fab("-H", "paikea", "deploy")


def test_a_certificate_comes_from_the_acme_server_as_soon_as_it_can_and_is_renewed(paikea: Fleet) -> None:
    if DOMAIN not in paikea.inside(HOST, "cat", "/etc/hosts"):
        # The name did not lead here yet: the site came up all the same.
        assert DOMAIN in issuer(paikea)[0]
        said = paikea.fab("-H", "paikea", "certs.issue").stdout
        assert re.search(
            r"warning .*no certificate for paikea.test from https://acme.test:14000/dir: .*the host advises: ", said
        )
        assert visit(paikea, "/connection/hc") == "OK"
        paikea.inside(HOST, "sh", "-c", f"echo '127.0.0.1 {DOMAIN}' >> /etc/hosts")
    # The ACME server remembers for a few seconds that it did not find the name.
    wait_for("the certificate", lambda: issued(paikea), seconds=90, every=3)
    authority, serial = issuer(paikea)
    assert "Pebble Intermediate CA" in authority
    assert changed(paikea.events("-H", "paikea", "certs.issue")) == []
    live = f"/etc/letsencrypt/live/{DOMAIN}"
    assert paikea.inside(HOST, "readlink", f"{HOME}/ssl/acme").strip() == live
    assert paikea.inside(HOST, "systemctl", "is-active", "certbot.timer").strip() == "active"
    assert re.search(r"\d{3,} days", paikea.fab("-H", "paikea", "status").stdout)

    # As its own timer does it; nginx takes the new one up.
    paikea.inside(HOST, "certbot", "renew", "-q", "--force-renewal", "--no-random-sleep-on-renew")
    wait_for("the new certificate", lambda: issuer(paikea)[1] != serial)
    assert "Pebble Intermediate CA" in issuer(paikea)[0]


def issued(fleet: Fleet) -> bool:
    fleet.fab("-H", "paikea", "certs.issue")
    return "Pebble" in issuer(fleet)[0]


def test_everything_runs_again_after_a_reboot(paikea: Fleet) -> None:
    serial = issuer(paikea)
    sandbox.reboot(f"paikea-{HOST}")
    wait_for("the site", lambda: answers(paikea), seconds=120)
    assert issuer(paikea) == serial
    status = ("supervisorctl", "status", "paikea-celery")
    wait_for("the worker", lambda: "RUNNING" in paikea.inside(HOST, *status, check=False), seconds=60)
    paikea.fab("-H", "paikea", "status")
    assert paikea.drifted() == []
    assert changed(paikea.events("-H", "paikea", "bootstrap", "deploy")) == []


def answers(fleet: Fleet) -> bool:
    try:
        return visit(fleet, "/v1/buoys") != ""
    except (OSError, AssertionError, urllib.error.URLError):
        return False


def test_nothing_of_acme_is_left_without_it_in_the_settings(paikea: Fleet) -> None:
    text = paikea.file.read_text()
    without = re.sub(r'tls = "acme"\nacme = .*\n', 'tls = "self-signed"\n', text)
    assert without != text
    paikea.file.write_text(without)
    paikea.fab("-H", "paikea", "deploy")
    assert "Pebble" not in issuer(paikea)[0]
    gone = f"ls -d /etc/letsencrypt/live/{DOMAIN} /etc/letsencrypt/renewal-hooks/deploy/* {HOME}/ssl/acme {HOME}/acme"
    assert paikea.inside(HOST, "sh", "-c", f"{gone} 2>/dev/null", check=False) == ""
    assert "location /.well-known" not in paikea.inside(HOST, "cat", "/etc/nginx/sites-enabled/paikea.conf")
