"""E-mission: one web server behind Apache, five cron lines, a database on another host, and nothing by hand."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hawser import sandbox

from ..conftest import PROJECT, Fleet, context_of, system, wait_for

TOKENS = ("open sesame 1", "open sesame 2")
PASSPHRASE = "correct horse $battery"
SECRETS = {
    "USER_TOKENS": "\n".join(TOKENS),
    "PUSH_TOKEN": "AAAA-push-token",
    "PUSH_APP": "org.example.app",
    "PUSH_PROJECT": "project-1",
    "PUSH_ACCOUNT": '{"type": "service_account"}',
    "LOGS_PASSPHRASE": PASSPHRASE,
}
SOURCE = "/srv/emission/current/source"
FORGET = 'import emission.core.get_database as edb; edb.get_token_db().delete_many({"token": "by-hand"})'

# Stands in for MongoDB, which Debian has no package of.
DATABASE = (PROJECT / "tests" / "real" / "mongo.py").read_text()

# Takes the place of the web server for a moment, and tells what reaches it.
PROBE = """
import base64, hashlib, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            word = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            key = base64.b64encode(hashlib.sha1(word.encode()).digest())
            self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                             b"Sec-WebSocket-Accept: " + key + b"\\r\\n\\r\\n")
            self.connection.sendall(self.connection.recv(100))
            self.close_connection = True
            return
        body = ("%s\\n%s" % (self.path, self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Handler).serve_forever()
"""


def start(fleet: Fleet, host: str, unit: str, program: str) -> None:
    """Run a Python program as a service of a host, also after a reboot of others."""
    fleet.inside(host, "systemd-run", "--quiet", f"--unit={unit}", "/usr/bin/python3", "-c", program)


@pytest.fixture(scope="module")
def emission() -> Iterator[Fleet]:
    with system("emission", PROJECT / "tests" / "hosts" / "apps" / "emission", secrets=SECRETS) as fleet:
        fleet.git("branch", "-M", "master")
        fleet.inside("db1", "systemctl", "stop", "database", check=False)
        start(fleet, "db1", "database", DATABASE)
        fleet.inside("web1", "sh", "-c", "mkdir -p /etc/cron.d; echo '5 5 * * * root true' > /etc/cron.d/somebody-else")
        fleet.fab("-H", "emission", "bootstrap", "deploy")
        yield fleet


@contextmanager
def changed(fleet: Fleet, *pairs: tuple[str, str]) -> Iterator[None]:
    """Replace texts of the environment file for a while."""
    before = fleet.file.read_text()
    text = before
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    fleet.file.write_text(text)
    try:
        yield
    finally:
        fleet.file.write_text(before)


def ask(fleet: Fleet, user: str | None, path: str = "/profile/create", **headers: str) -> tuple[int, str]:
    """Ask the site for a profile, as a phone does, through whatever is in front of it."""
    context = context_of("emission.example.org")
    body = None if user is None else json.dumps({"user": user}).encode()
    address = f"https://{fleet.address('web1')}:8080{path}"
    said = {"Host": "emission.example.org:8080", "Content-Type": "application/json"}
    request = urllib.request.Request(address, body, {**said, **headers})
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def read_json(fleet: Fleet, path: str) -> dict[str, object]:
    found = json.loads(fleet.inside("web1", "cat", f"{SOURCE}/{path}"))
    assert isinstance(found, dict)
    return found


def test_nothing_has_drifted_after_a_deploy(emission: Fleet) -> None:
    assert emission.drifted() == []


def test_a_phone_with_a_token_gets_its_profile_and_nobody_else(emission: Fleet) -> None:
    status, said = ask(emission, TOKENS[0])
    assert status == 200 and json.loads(said)["uuid"]
    refused = (403, "<h1>Error 403</h1><p>token not found in a list of length 2")
    assert ask(emission, "somebody@example.org") == refused
    assert ask(emission, TOKENS[0], "/profile/get") == (200, json.dumps({"user_id": TOKENS[0], "study": 1}))


def test_nobody_reaches_the_web_server_past_tls(emission: Fleet) -> None:
    with pytest.raises(OSError):
        socket.create_connection((emission.address("web1"), 8081), timeout=2)
    assert "on every address" not in emission.fab("-H", "emission", "status").stdout


def test_a_token_that_leaves_the_list_is_refused_and_one_that_was_added_by_hand_stays(emission: Fleet) -> None:
    file = emission.hosts / "emission.env"
    before = file.read_text()
    emission.fab("-H", "emission", "manage", "bin/auth/insert_tokens.py --single by-hand")
    try:
        file.write_text(before.replace(TOKENS[1], "open sesame 3"))
        emission.fab("-H", "emission", "deploy")
        answers = {token: ask(emission, token)[0] for token in (*TOKENS, "open sesame 3", "by-hand")}
        assert answers == {TOKENS[0]: 200, TOKENS[1]: 403, "open sesame 3": 200, "by-hand": 200}
    finally:
        file.write_text(before)
        emission.inside("web1", "sh", "-c", f"cd {SOURCE} && ../run python -c '{FORGET}'")
    emission.fab("-H", "emission", "deploy")


def test_other_users_of_the_host_read_no_log(emission: Fleet) -> None:
    for path in ("/srv/emission/logs/webserver.log", "/srv/emission/log/emissionpy.err.log"):
        seen = emission.inside("web1", "runuser", "-u", "nobody", "--", "head", "-c1", path, check=False)
        assert seen == "", path


def test_the_start_page_answers_301_and_the_redirect_names_the_port_of_apache(emission: Fleet) -> None:
    answer = emission.visit("web1", ":8080/", domain="emission.example.org")
    assert answer.status == 301
    assert answer.headers["Location"] == "https://www.nrel.gov/transportation/openpath.html"
    plain = emission.visit("web1", "/a%20b?c=d", scheme="http", domain="emission.example.org")
    assert (plain.status, plain.headers["Location"]) == (301, "https://emission.example.org:8080/a%20b?c=d")
    assert "apache2" in emission.inside("web1", "ss", "-lntp", "sport = :8080")


def test_settings_have_the_keys_and_types_of_their_samples_and_our_values(emission: Fleet) -> None:
    made = read_json(emission, "conf/net/api/webserver.conf")
    sample = read_json(emission, "conf/net/api/webserver.conf.sample")
    ours = {"host": "127.0.0.1", "port": "8081", "auth": "token_list", "aggregate_call_auth": "user_only"}
    assert made["server"] == {**sample["server"], **ours}  # type: ignore[dict-item]
    assert made["paths"] == sample["paths"]
    assert read_json(emission, "conf/net/ext_service/push.json")["server_auth_token"] == SECRETS["PUSH_TOKEN"]
    assert (
        emission.inside("web1", "stat", "-c", "%a %U", f"{SOURCE}/conf/net/ext_service/push.json") == "640 emission\n"
    )
    intake = read_json(emission, "conf/log/intake.conf")
    assert intake["handlers"]["file"]["filename"] == "/srv/emission/logs/intake.log"  # type: ignore[index]


def test_the_samples_of_settings_are_listed(emission: Fleet) -> None:
    said = emission.fab("-H", "emission", "config.samples").stdout
    for path in ("conf/net/api/webserver.conf", "conf/net/ext_service/push.json", "conf/storage/db.conf"):
        assert re.search(rf"{re.escape(path)}\.sample +used by \[\[settings\]\]", said), path
    assert re.search(r"conf/net/keys\.json\.sample +not used", said)


def test_a_settings_file_without_a_key_of_its_sample_stops_the_deploy(emission: Fleet) -> None:
    templates = emission.hosts / "conf_templates"
    templates.mkdir(exist_ok=True)
    (templates / "webserver.conf").write_text(
        '{"paths": {"static_path": "", "python_path": "", "log_base_dir": "", "log_file": ""},'
        ' "server": {"host": "127.0.0.1", "port": "8081", "timeout": "3600"}}'
    )
    values = table(emission, "[settings.values.server]")
    path = 'path = "conf/net/api/webserver.conf"'
    with changed(emission, (values, ""), (path, path + '\ntemplate = "webserver.conf"')):
        said = emission.fab("-H", "emission", "deploy", code=1).stdout
    assert "server.auth is in the sample and not in the file" in said, said
    assert ask(emission, "somebody@example.org")[0] == 403


def test_a_value_that_the_sample_does_not_know_stops_the_deploy(emission: Fleet) -> None:
    with changed(emission, ('auth = "token_list" ', 'auht = "token_list" ')):
        said = emission.fab("-H", "emission", "deploy", code=1).stdout
    assert "server.auht is not in the sample (did you mean auth?)" in said


def test_the_environment_has_both_parts_of_condas_file(emission: Fleet) -> None:
    code = "import geojson, pytz, dateutil; print(geojson.__version__, pytz.__version__, dateutil.__version__)"
    said = emission.inside("web1", "/srv/emission/env/bin/python", "-c", code)
    assert said == "3.1.0 2020.1 2.8.1\n"
    wrapper = "cd /srv/emission/source && /srv/emission/current/run bash e-mission-py.bash -m geojson._version"
    emission.inside("web1", "sh", "-c", wrapper)


@pytest.mark.slow
def test_the_web_server_runs_under_supervisor_and_is_started_again_when_it_dies(emission: Fleet) -> None:
    definition = emission.inside("web1", "cat", "/etc/supervisor/conf.d/emission-emissionpy.conf")
    keys = dict(line.split("=", 1) for line in definition.splitlines() if "=" in line and not line.startswith(";"))
    assert keys["autostart"] == keys["autorestart"] == "true"
    assert re.search(r"/releases/[^/]+/env/bin/python emission/net/api/cfc_webapp\.py$", keys["command"])
    pid = emission.inside("web1", "supervisorctl", "pid", "emission-emissionpy").strip()
    assert emission.inside("web1", "ps", "-o", "user=", "-p", pid).strip() == "emission"
    # What the program says from now on; the logs may have more, of settings before.
    logs = {
        "log/emissionpy.out.log": "Using auth method token_list",
        "log/emissionpy.err.log": "POST /profile/create",
        "logs/webserver.log": "profile of",
    }
    before = {path: emission.inside("web1", "cat", f"/srv/emission/{path}").count(text) for path, text in logs.items()}
    emission.inside("web1", "kill", "-KILL", pid)
    wait_for("an answer", lambda: ask(emission, TOKENS[0])[0] == 200)
    assert emission.inside("web1", "supervisorctl", "pid", "emission-emissionpy").strip() != pid
    for path, text in logs.items():
        assert emission.inside("web1", "cat", f"/srv/emission/{path}").count(text) > before[path], path
    assert "webserver" not in emission.inside("web1", "ls", "/var/tmp")


def test_the_database_is_on_another_host_and_open_to_the_web_server_alone(emission: Fleet) -> None:
    ask(emission, TOKENS[1])
    peers = emission.inside("db1", "journalctl", "--quiet", "--output=cat", "--unit=database").split("\n")
    assert {line.split()[0] for line in peers if line.endswith(" connected")} == {emission.address("web1")}
    with pytest.raises(OSError):
        socket.create_connection((emission.address("db1"), 27017), timeout=2)


def test_the_clock_is_kept_and_its_offset_shown(emission: Fleet) -> None:
    for host in ("web1", "db1"):
        said = emission.inside(host, "chronyd", "-p", "-f", "/etc/chrony/chrony.conf")
        assert "pool 2.debian.pool.ntp.org iburst" in said or "pool 2.ubuntu.pool.ntp.org iburst" in said
        assert emission.inside(host, "systemctl", "is-enabled", "chrony") == "enabled\n"
    # Its unit does not start in a container, whose clock is the machine's. It can ask for the time there, and does.
    emission.inside(
        "db1", "systemd-run", "--quiet", "--unit=clock", "chronyd", "-x", "-d", "local stratum 1", "allow all"
    )
    source, addition = f"server {emission.address('db1')} iburst", "/etc/chrony/sources.d/db1.sources"
    try:
        emission.inside("web1", "sh", "-c", 'echo "$1" >"$2"', "sh", source, addition)
        said = emission.inside("web1", "sh", "-c", "chronyd -Q -t 30 -f /etc/chrony/chrony.conf 2>&1")
    finally:
        emission.inside("web1", "rm", "-f", addition)
        emission.inside("db1", "systemctl", "stop", "clock", check=False)
    assert re.search(r"System clock wrong by -?0\.0\d+ seconds", said), said
    said = emission.fab("-H", "emission", "status").stdout
    assert len(re.findall(r"[+-]0\.\d s", said)) == 2
    assert re.search(r"web1 +emissionpy +supervisor +running .* ok +127\.0\.0\.1:8081", said)
    assert "nobody listens" not in said


def test_settings_of_the_phone_are_made_without_asking_a_host(emission: Fleet, tmp_path: Path) -> None:
    # The keys of the sample that goes with this method of authentication in github.com/e-mission/e-mission-phone.
    auth = {"auth": {"method": "prompted-auth", "prompt": "?"}}
    folder = tmp_path / "www/json"
    folder.mkdir(parents=True)
    sample = json.dumps({"connectUrl": "?", "android": auth, "ios": auth})
    (folder / "connectionConfig.token_list.json.sample").write_text(sample)
    emission.fab("-H", "emission", "config.render", "--to", str(tmp_path))
    made = json.loads((folder / "connectionConfig.json").read_text())
    assert made["connectUrl"] == "https://emission.example.org:8080"
    assert made["android"]["auth"]["method"] == made["ios"]["auth"]["method"] == "prompted-auth"


def test_headers_of_phones_and_websockets_pass_through_apache(emission: Fleet) -> None:
    emission.fab("-H", "emission", "stop", "--process", "emissionpy")
    start(emission, "web1", "probe", PROBE)
    try:
        wait_for("the probe", lambda: ask(emission, None, "/")[0] == 200)
        said = ask(emission, None, "/a%2Fb?c=%20", **{"X-Forwarded-For": "192.0.2.1"})[1]
        path, _, headers = said.partition("\n")
        found = dict(line.split(": ", 1) for line in headers.splitlines() if ": " in line)
        me = found["X-Real-IP"]
        assert path == "/a%2Fb?c=%20"
        assert found["Host"] == "emission.example.org:8080"
        assert (found["X-Forwarded-Proto"], found["X-Forwarded-For"]) == ("https", f"192.0.2.1, {me}")
        assert echo_of(emission, b"\x81\x02hi") == b"\x81\x02hi"
    finally:
        emission.inside("web1", "systemctl", "stop", "probe")
        emission.fab("-H", "emission", "start", "--process", "emissionpy")


def echo_of(fleet: Fleet, frame: bytes) -> bytes:
    """Send a frame over a WebSocket through the site, and return what comes back."""
    context = context_of("emission.example.org")
    plain = socket.create_connection((fleet.address("web1"), 8080), timeout=10)
    with context.wrap_socket(plain, server_hostname="emission.example.org") as line:
        key = base64.b64encode(os.urandom(16)).decode()
        line.sendall(
            f"GET /ws HTTP/1.1\r\nHost: emission.example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert line.recv(1000).startswith(b"HTTP/1.1 101 ")
        line.sendall(frame)
        return line.recv(100)


def test_a_site_that_apache_refuses_never_stays(emission: Fleet) -> None:
    with changed(emission, ("tls_port = 8080\n", 'tls_port = 8080\nextra = "NoSuchDirective on"\n')):
        said = emission.fab("-H", "emission", "deploy", code=1).stdout
    assert "Apache refuses /etc/apache2/sites-enabled/emission.conf" in said and "NoSuchDirective" in said, said
    emission.inside("web1", "apache2ctl", "configtest")
    assert ask(emission, TOKENS[0])[0] == 200


PATCH = '[[patches]]\npath = "emission/net/api/cfc_webapp.py"\nold = "skipAuth = {}"\nnew = "skipAuth = False"\n\n'


@pytest.mark.slow
def test_a_file_of_the_code_is_edited_and_an_edit_that_does_not_fit_stops_the_deploy(emission: Fleet) -> None:
    # As older versions have it: the choice is in the code.
    path = "emission/net/api/cfc_webapp.py"
    code = (emission.repository / path).read_text()
    chosen = 'auth_method = config.get("WEBSERVER_AUTH", "skip")'
    emission.commit({path: code.replace(chosen, 'skipAuth = True\nauth_method = "skip" if skipAuth else "token_list"')})
    before = emission.file.read_text()
    try:
        emission.file.write_text(before.replace("[[local]]", PATCH.format("Yes") + "[[local]]"))
        said = emission.fab("-H", "emission", "deploy", code=1).stdout
        assert "cfc_webapp.py" in said and "skipAuth = Yes" in said
        emission.file.write_text(before.replace("[[local]]", PATCH.format("True") + "[[local]]"))
        emission.fab("-H", "emission", "deploy")
        assert [ask(emission, user)[0] for user in ("somebody@example.org", TOKENS[0])] == [403, 200]
    finally:
        emission.file.write_text(before)
        emission.commit({path: code})


# Of the server's own name for its address, which it forgets to import.
NAMED = """old = "run(host=server_host,"
new = "run(host=WEBSERVER_HOST,"
groups = ["web"]"""
BY_ITSELF = """
[certificates.emission]
names = ["emission.example.org"]
certificate = "emission.pem"
key = "emission.key"
fallback = "self-signed"
restart = ["emissionpy"]
groups = ["web"]

[[settings]]
path = "conf/net/keys.json"
groups = ["web"]

[settings.values]
host_certificate = "{{ certificates.emission.certificate }}"
chain_certificate = "{{ certificates.emission.chain }}"
private_key = "{{ certificates.emission.key }}"
"""
HEALTH = 'tls = true, ca = "{{ certificates.emission.chain }}", name = "emission.example.org"'


def table(fleet: Fleet, head: str) -> str:
    """Return a table of the environment file, up to the next empty line."""
    return fleet.text[fleet.text.index(head) :].partition("\n\n")[0]


@pytest.mark.slow
def test_apache_gives_the_site_to_nginx_then_to_the_application_itself_and_gets_it_back(emission: Fleet) -> None:
    with changed(emission, ('server = "apache"', 'server = "nginx"')):
        emission.fab("-H", "emission", "bootstrap", "deploy")
        assert ask(emission, TOKENS[0])[0] == 200
        assert "nginx" in emission.inside("web1", "ss", "-lntp", "sport = :8080")
        assert emission.inside("web1", "systemctl", "is-active", "apache2", check=False) == "inactive\n"
        left = emission.inside("web1", "ls", "/etc/apache2/sites-enabled", "/etc/apache2/conf-enabled")
        assert "emission" not in left
    process, extra, site = (
        table(emission, head) for head in ("[processes.emissionpy]", "[processes.emissionpy.extra]", "[site]")
    )
    own = process.replace("port = 8081", "port = 443").replace('"supervisor"', '"systemd"')
    own = own.replace("status = [301],", f"status = [301], {HEALTH},")
    values = [
        (table(emission, "old = 'WEBSERVER_HOST=\"0.0.0.0\"'"), NAMED),
        ("port = 8081                                     # b", "port = 443  # b"),
    ]
    capability = '[processes.emissionpy.extra]\nAmbientCapabilities = "CAP_NET_BIND_SERVICE"'
    with changed(emission, (process, own), (extra, capability), (site, BY_ITSELF), *values):
        emission.fab("-H", "emission", "bootstrap", "deploy")
        assert read_json(emission, "conf/net/api/webserver.conf")["server"]["port"] == "443"  # type: ignore[index]
        keys = read_json(emission, "conf/net/keys.json")
        assert set(keys) == {"host_certificate", "chain_certificate", "private_key"}
        assert emission.inside("web1", "stat", "-c", "%a %U", str(keys["private_key"])) == "600 emission\n"
        assert emission.visit("web1", "/", domain="emission.example.org").status == 301
        assert "apache2" not in emission.inside("web1", "ss", "-lntp")
        # A reload of nginx gives its ports away some time later.
        wait_for("nginx to let go", lambda: "nginx" not in emission.inside("web1", "ss", "-lntp"))
        assert emission.inside("web1", "ls", "/etc/supervisor/conf.d") == ""
    emission.fab("-H", "emission", "bootstrap", "deploy")
    assert ask(emission, TOKENS[0])[0] == 200
    assert "apache2" in emission.inside("web1", "ss", "-lntp", "sport = :8080")
    assert "emission" not in emission.inside("web1", "ls", "/etc/nginx/sites-enabled")
    assert "python" not in emission.inside("web1", "ss", "-lntp", "sport = :443")


VOLUME = """
[volumes.logs]
device = "/var/lib/logs.luks"
mount = "/mnt/logs"
passphrase = "{{ secrets.LOGS_PASSPHRASE }}"
groups = ["web"]

"""


def test_an_encrypted_volume_is_made_when_asked_twice_and_nothing_starts_without_it(emission: Fleet) -> None:
    device, unit = "/var/lib/logs.luks", "/etc/systemd/system/mnt-logs.mount"
    emission.inside("web1", "sh", "-c", f"rm -f {device}; truncate -s 64M {device}")
    listed = 'required = ["USER_TOKENS", "PUSH_TOKEN", "PUSH_APP", "PUSH_PROJECT", "PUSH_ACCOUNT"]'
    with changed(emission, (listed, listed.replace("]", ', "LOGS_PASSPHRASE"]')), ("[[local]]", VOLUME + "[[local]]")):
        command = ("-H", "emission/web1", "volumes.format", "--volume", "logs")
        said = emission.fab("-H", "emission/web1", "bootstrap", code=1).stdout
        assert (
            f"{device} holds no LUKS volume; the host advises: fab -H emission/web1 volumes.format --volume logs"
            in said
        )
        assert "nobody is there to confirm it" in emission.fab(*command, code=2).stderr
        assert f"that is not {device}" in emission.fab(*command, "--destroy", "/dev/xvdc", code=2).stderr
        assert not encrypted(emission, device, PASSPHRASE)

        # Encrypted for real; to open it, this kernel has nothing.
        assert "this host's kernel has no device-mapper" in emission.fab(*command, "--destroy", device, code=1).stdout
        assert encrypted(emission, device, PASSPHRASE) and not encrypted(emission, device, "another one")
        made = emission.inside("web1", "cryptsetup", "luksUUID", device)
        emission.fab(*command, "--destroy", device, code=1)
        assert emission.inside("web1", "cryptsetup", "luksUUID", device) == made
        emission.inside("web1", "systemd-analyze", "verify", unit)

        said = emission.fab("-H", "emission", "deploy", code=1).stdout
        assert "/mnt/logs is not mounted; the host advises: fab -H emission/web1 volumes.open" in said
        assert ask(emission, TOKENS[0])[0] == 200

        # Another mount stands in for the open volume.
        emission.inside("web1", "mkdir", "-p", "/mnt/logs")
        emission.inside("web1", "mount", "-t", "tmpfs", "tmpfs", "/mnt/logs")
        emission.fab("-H", "emission", "deploy")
        emission.inside("web1", "umount", "/mnt/logs")
        said = emission.inside("web1", "sh", "-c", "/srv/emission/current/run true 2>&1 || true")
        assert said == "/mnt/logs is not mounted\n"
        emission.inside("web1", "systemctl", "restart", "supervisor", check=False)
        assert emission.inside("web1", "systemctl", "is-active", "supervisor", check=False) in (
            "inactive\n",
            "failed\n",
        )
        assert ask(emission, TOKENS[0])[0] == 503
        assert "the volume logs is not open at /mnt/logs" in emission.fab("-H", "emission/web1", "check", code=1).stdout
        emission.inside("web1", "mount", "-t", "tmpfs", "tmpfs", "/mnt/logs")
        emission.inside("web1", "systemctl", "start", "supervisor")
        wait_for("an answer", lambda: ask(emission, TOKENS[0])[0] == 200)
        emission.inside("web1", "umount", "/mnt/logs")
        # As if it was the open volume.
        emission.inside("web1", "mount", "-t", "tmpfs", "/dev/mapper/emission-logs", "/mnt/logs")
    emission.fab("-H", "emission", "bootstrap", "deploy")
    assert emission.inside("web1", "findmnt", "/mnt/logs", check=False) == ""
    left = emission.inside("web1", "sh", "-c", f"ls {unit} /etc/systemd/system/supervisor.service.d 2>&1 || true")
    assert "No such file" in left and "volumes.conf" not in left
    emission.inside("web1", "systemctl", "restart", "supervisor")


def encrypted(fleet: Fleet, device: str, passphrase: str) -> bool:
    """Whether a device is encrypted, and a passphrase opens it."""
    script = 'printf %s "$1" | cryptsetup open --test-passphrase --key-file - "$2" && echo yes'
    return fleet.inside("web1", "sh", "-c", script, "sh", passphrase, device, check=False) == "yes\n"


def test_the_five_cron_lines_run_and_nobody_elses_line_is_touched(emission: Fleet) -> None:
    crontab = emission.inside("web1", "cat", "/etc/cron.d/emission")
    schedules = re.findall(r"^(@\w+|\*\S*(?: \S+){4}) emission ", crontab, re.M)
    assert sorted(schedules) == [
        "* * * * *".replace("*", "*/1", 1),
        "*/10 * * * *",
        "*/30 * * * *",
        "@daily",
        "@hourly",
    ]
    log = "/srv/emission/log/silent_ios_push.stdinoutlog.log"
    wait_for("a push", lambda: "interval 60\n" in emission.inside("web1", "cat", log), 90)
    assert "complaints go to standard error" in emission.inside("web1", "cat", log)

    line = next(line for line in crontab.splitlines() if line.startswith("@daily"))
    said = ("grep", "-c", "intake with 3 workers", "/srv/emission/log/intake.stdinout.log")
    before = int(emission.inside("web1", *said, check=False) or 0)
    emission.inside("web1", "su", "-s", "/bin/sh", "-c", line.split(None, 2)[2], "emission")
    assert int(emission.inside("web1", *said)) == before + 1
    assert "lists for 3 workers" in emission.inside("web1", "cat", "/srv/emission/logs/intake_launcher.log")

    with changed(emission, (table(emission, "[cron.push-hour]"), "")):
        emission.fab("-H", "emission", "cron.install")
        assert "3600" not in emission.inside("web1", "cat", "/etc/cron.d/emission")
    emission.fab("-H", "emission", "cron.install")
    assert emission.inside("web1", "cat", "/etc/cron.d/emission") == crontab
    assert emission.inside("web1", "cat", "/etc/cron.d/somebody-else") == "5 5 * * * root true\n"


def test_a_second_run_changes_nothing(emission: Fleet) -> None:
    emission.fab("-H", "emission", "bootstrap", "deploy")
    assert "nothing changed" in emission.fab("-H", "emission", "bootstrap", "deploy").stdout


def test_everything_comes_back_by_itself_after_a_reboot(emission: Fleet) -> None:
    sandbox.reboot("emission-web1")
    wait_for("an answer", lambda: answers(emission))
    emission.fab("-H", "emission", "status")


def answers(fleet: Fleet) -> bool:
    try:
        return ask(fleet, TOKENS[0])[0] == 200
    except OSError:
        return False
