"""Siegetank on four hosts: hosts/siegetank.toml with a stand-in for its code, and every need that its document has."""

from __future__ import annotations

import ast
import datetime
import json
import re
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hawser import sandbox

from ..conftest import PROJECT, Fleet, system, wait_for

APPLICATION = PROJECT / "tests" / "hosts" / "apps" / "siegetank"
PACKAGES = 'packages = ["tornado>=3.2,<5", "redis>=2.10,<3", "pymongo>=2.7,<3", "bcrypt<3.2", "requests", "nose"]'
INTERPRETER = "/opt/python/bin/python3"
CENTERS, WORKERS = ("cc1", "cc2"), ("ws1", "ws2")
HOSTS = CENTERS + WORKERS
# One has a name for its certificate, as the document's hosts do; others are known by their addresses.
NAMES = {"ws1": "flash.test"}
SOURCE = "/srv/siegetank/current/source"

# Stands in for MongoDB, and writes down who connects.
MONGO = PROJECT / "tests" / "real" / "mongo.py"
MONGO_NAME = "mongod.example.org"

# Says to the redis of a work server what somebody without its password would.
PING = r"""
import socket
link = socket.create_connection(("127.0.0.1", 4740))
link.sendall(b"*1\r\n$4\r\nPING\r\n")
print(link.recv(99).decode())
"""

# Asks over TLS; a host that asks itself checks the certificate with the authority that it was given.
ASK = """
import http.client, json, socket, ssl, sys
address, name, port, check, path, body = sys.argv[1:]
context = ssl.create_default_context(cafile="/srv/siegetank/certs/incommon_ca.pem")
context.verify_flags |= 0x80000
if not check:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
link = http.client.HTTPSConnection(address, int(port), context=context, timeout=20)
link.sock = context.wrap_socket(socket.create_connection((address, int(port)), 20), server_hostname=name)
link.request("POST" if body else "GET", path, body or None)
answer = link.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


@dataclass
class Tank:
    """The fleet, and what was said while it was set up.

    :param refused: by the deploy whose interpreter the service user could not reach, and
    :param deployed: by the next one.
    """

    fleet: Fleet
    refused: str = ""
    deployed: str = ""

    def fab(self, *words: str, code: int | None = 0) -> str:
        said = self.fleet.fab("-H", "siegetank", *words, code=code)
        return said.stdout + said.stderr

    def on(self, host: str, script: str, check: bool = True) -> str:
        """Run a shell script on a host."""
        return self.fleet.inside(host, "sh", "-c", script, check=check).strip()

    def ask(self, host: str, path: str = "/", port: int = 443, asker: str = "", body: str = "") -> tuple[int, str]:
        """Ask a host's server over TLS, from another host or from itself."""
        words = [self.fleet.address(host), self.url(host), str(port), "" if asker else "check", path, body]
        status, text = json.loads(self.fleet.inside(asker or host, "python3", "-c", ASK, *words))
        return int(status), str(text)

    def url(self, host: str) -> str:
        """Return what a host's certificate is for."""
        return NAMES.get(host) or self.fleet.address(host)

    def registered(self, center: str = "cc1") -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = json.loads(self.ask(center, "/ws/status")[1])
        return found

    def settings(self, host: str) -> dict[str, object]:
        """Read a host's settings file as the program does."""
        module = ast.parse(self.on(host, f"cat {SOURCE}/{host[:2]}.conf"))
        return {each.targets[0].id: ast.literal_eval(each.value) for each in module.body}  # type: ignore[attr-defined]

    def show(self, host: str, what: str) -> str:
        """Return a property of the host's own program, as systemd knows it."""
        return self.on(host, f"systemctl show -P {what} siegetank-{host[:2]}.service")

    def release(self, host: str = "cc1") -> str:
        return self.on(host, "readlink /srv/siegetank/current")


@pytest.fixture(scope="module")
def tank() -> Iterator[Tank]:
    center, worker = (f'[hosts.{host}]\ngroups = ["{host[:2]}"]\nsandbox = true\n' for host in ("cc1", "ws1"))
    changes = {
        'branch = "94e48f8a68ae39d812213ab530b996c15fb8ab63"': 'branch = "main"',
        # The stand-in runs on the host's own Python, with the versions of today.
        'interpreter = "/opt/python3.6/bin/python3.6"': f'interpreter = "{INTERPRETER}"',
        PACKAGES: 'packages = ["tornado>=6.3,<7", "redis>=4,<5", "pynose"]',
        # Two command centers, and after the work servers: what starts when is told by `after`, not by this order.
        center: center + "\n" + center.replace("cc1", "cc2"),
        worker: worker + f'vars = {{ url = "{NAMES["ws1"]}" }}\n',
    }
    with system("siegetank", APPLICATION, changes) as fleet:
        shutil.rmtree(fleet.hosts / "certs", ignore_errors=True)
        tank = Tank(fleet)
        certificate = f"openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN={MONGO_NAME}"
        tank.on("ws2", f"{certificate} -keyout /etc/mongo.pem -out /tmp/crt && cat /tmp/crt >> /etc/mongo.pem")
        tank.on("ws2", "systemctl stop mongo.service", check=False)
        sandbox.copy_in("siegetank-ws2", MONGO, "/opt/mongo.py")
        start = (
            "systemd-run",
            "--quiet",
            "--unit=mongo",
            "python3",
            "/opt/mongo.py",
            "--certificate",
            "/etc/mongo.pem",
        )
        fleet.inside("ws2", *start)
        for host in HOSTS:
            line = f"{fleet.address('ws2')} {MONGO_NAME}"
            tank.on(host, f"grep -q {MONGO_NAME} /etc/hosts || echo {line} >> /etc/hosts")
        for host in HOSTS:
            tank.on(host, f"mkdir -p /opt/python/bin && cp --no-clobber $(readlink -f /usr/bin/python3) {INTERPRETER}")
            tank.on(host, "chmod 700 /opt/python")
        tank.refused = tank.fab("bootstrap", "deploy", code=None)
        for host in HOSTS:
            tank.on(host, "chmod 755 /opt/python")
        tank.deployed = tank.fab("deploy")
        yield tank


def test_nothing_has_drifted_after_a_deploy(tank: Tank) -> None:
    assert tank.fleet.drifted() == []


def test_the_chosen_python_runs_it_and_one_that_the_user_cannot_reach_is_refused(tank: Tank) -> None:
    why = f"the user siegetank cannot run the interpreter {INTERPRETER}: the folder /opt/python is closed to it"
    assert why in tank.refused
    for host in HOSTS:
        assert tank.on(host, "readlink -f /srv/siegetank/env/bin/python") == INTERPRETER
        assert tank.show(host, "ActiveState") == "active"


def test_work_servers_register_at_command_centers_that_are_up_already(tank: Tank) -> None:
    for center in CENTERS:
        found = tank.registered(center)
        assert found == {host: {"url": f"{tank.url(host)}:443", "online": True} for host in WORKERS}
    # All hosts have the clock of one kernel.
    started = {host: int(tank.show(host, "ExecMainStartTimestampMonotonic")) for host in HOSTS}
    assert max(started[host] for host in CENTERS) < min(started[host] for host in WORKERS), f"not after: {started}"
    # One that cannot register ends, and is started again.
    assert [tank.show(host, "NRestarts") for host in WORKERS] == ["0", "0"]


def test_one_password_was_made_and_stands_in_all_settings(tank: Tank) -> None:
    password = tank.fleet.secrets["CC_PASS"]
    assert re.fullmatch("[0-9a-f]{64}", password)
    assert {tank.settings(center)["cc_pass"] for center in CENTERS} == {password}
    for host in WORKERS:
        assert tank.settings(host)["command_centers"] == {
            center: {"url": tank.url(center), "pass": password} for center in CENTERS
        }
    assert tank.settings("ws1")["redis_options"] == {
        "bind": "127.0.0.1",
        "port": 4740,
        "appendfilename": "aof_",
        "requirepass": tank.fleet.secrets["WS_REDIS_PASS"],
        "logfile": "db_log_",
    }
    assert tank.fleet.inside("ws1", "python3", "-c", PING).startswith("-NOAUTH")


def test_settings_are_python_files_with_the_types_that_the_program_wants(tank: Tank) -> None:
    settings = tank.settings("ws1")
    assert settings["external_options"] == {"external_url": tank.url("ws1"), "external_http_port": "443"}
    assert settings["internal_http_port"] == 8960
    assert tank.on("ws1", f"stat -c '%a %U' {SOURCE}/ws.conf") == "600 siegetank"
    # They lie over what git has, and only they do.
    assert tank.on("ws1", f"git -c safe.directory='*' -C {SOURCE} status --short") == "M ws.conf"


def test_every_program_says_that_it_is_well_in_its_own_way(tank: Tank) -> None:
    assert statuses(tank) == [404, 404, 200, 200]
    assert tank.ask("ws1", port=8960, asker="ws2")[0] == 200
    rows = [line for line in tank.fab("status").splitlines() if "siegetank" in line or " ok" in line]
    assert sum(" ok" in line for line in rows) == len(HOSTS)
    # With the chain of somebody else, its certificate is worth nothing.
    tank.on("ws2", "cd /srv/siegetank/certs && cp -p incommon_ca.pem /tmp/chain && cp /tmp/crt incommon_ca.pem")
    try:
        assert "ws is not healthy" in tank.fab("status", code=1)
    finally:
        tank.on("ws2", "cp -p /tmp/chain /srv/siegetank/certs/incommon_ca.pem")


def statuses(tank: Tank) -> list[int]:
    return [tank.ask(host)[0] for host in HOSTS]


def test_the_database_is_reached_over_tls_on_another_host(tank: Tank) -> None:
    for host in HOSTS:
        # By the program that runs now.
        since = tank.show(host, "ExecMainStartTimestamp").split(" ", 1)[1]
        said = tank.on("ws2", f"journalctl -q -o cat -u mongo --since '{since}'")
        assert f"{tank.fleet.address(host)} connected" in said
        assert "speaks no TLS" not in said


def test_there_are_enough_open_files_and_a_stop_leaves_nothing_behind(tank: Tank) -> None:
    pid = tank.show("ws1", "MainPID")
    # Where the machine below the sandbox allows less, systemd gives what it may.
    most = "awk '/open files/ { print $5 }' /proc/1/limits"
    mine = f"awk '/open files/ {{ print $4, $5 }}' /proc/{pid}/limits"
    allowed = min(64000, int(tank.on("ws1", most)))
    assert tank.on("ws1", mine) == f"{allowed} {allowed}"
    mine = "ps -o pid= -u siegetank | wc -l"
    # The program, one for each CPU, and its redis.
    assert int(tank.on("ws1", mine)) >= int(tank.on("ws1", "nproc")) + 2
    tank.on("ws1", f"kill -9 {pid}")
    wait_for("it runs again", lambda: tank.show("ws1", "MainPID") not in ("0", pid), seconds=60)
    wait_for("it is well", lambda: reached(tank, "ws1"), seconds=60)
    tank.fab("stop", "--process", "ws")
    assert tank.on("ws1", mine) == "0"
    assert tank.on("ws1", "ss -Hlnt 'sport = :8960 or sport = :4740'") == ""
    tank.fab("start", "--process", "ws")
    assert tank.ask("ws1")[0] == 200


def test_a_stopped_work_server_is_offline_at_the_command_centers(tank: Tank) -> None:
    """It is not the program itself that says goodbye, but the first of its children."""
    tank.fleet.fab("-H", "siegetank/ws2", "stop", "--process", "ws")
    try:
        known = {center: tank.registered(center)["ws2"]["online"] for center in CENTERS}
    finally:
        tank.fleet.fab("-H", "siegetank/ws2", "start", "--process", "ws")
    assert known == {"cc1": False, "cc2": False}, f"still online: {known}"
    assert tank.registered()["ws2"]["online"] is True


def test_the_store_of_a_program_is_open_to_its_own_host_alone(tank: Tank) -> None:
    for host, port in {"cc1": 4776, "ws1": 4740}.items():
        assert tank.on(host, f"ss -Hlnt 'sport = :{port}'").split()[3] == f"127.0.0.1:{port}"
    assert "every address" not in tank.fab("status")


def test_data_survives_a_new_release_and_redis_is_built_once(tank: Tank) -> None:
    content = {"target_id": "t1", "target_files": {"a": "one"}, "stream_files": {"b": "two"}}
    status, text = tank.ask("ws1", "/streams", asker="cc1", body=json.dumps(content))
    assert status == 200, text
    stream = json.loads(text)["stream_id"]
    builds = "ls --full-time /srv/siegetank/builds"
    built = tank.on("ws1", builds)
    before = tank.release()
    path = tank.fleet.repository / "ws.conf"
    tank.fleet.commit({"ws.conf": path.read_text() + "\nnew_of_this_commit = 1\n"})
    tank.fab("deploy")
    assert tank.release() != before
    data = "/srv/siegetank/data/ws"
    assert {"aof_ws1", "db_log_ws1", "streams", "targets"} <= set(tank.on("ws1", f"ls {data}").split())
    assert tank.on("ws1", f"cat {data}/streams/{stream}/b {data}/targets/t1/a") == "twoone"
    assert json.loads(tank.ask("ws1", "/active_streams")[1]) == {stream: "t1"}
    assert set(tank.registered()) == {"ws1", "ws2"}
    assert "new_of_this_commit" not in tank.settings("ws1")
    assert tank.settings("ws1")["name"] == "ws1"
    assert tank.on("ws1", builds) == built
    assert built.count("redis-") == 1


def test_a_failing_test_of_the_code_leaves_the_old_release_serving(tank: Tank) -> None:
    before, path = tank.release(), tank.fleet.repository / "tests" / "test_apollo.py"
    text = path.read_text()
    # Another state of redis as well: it is built before the tests that want it.
    store = (tank.fleet.repository / "redis" / "src" / "store.h").read_text()
    changes = {
        "tests/test_apollo.py": text.replace('"a b")\n', '"another")\n', 1),
        "redis/src/store.h": store + "/* new */\n",
    }
    tank.fleet.commit(changes)
    try:
        said = tank.fab("deploy", code=1)
        assert "FAILED" in said
        assert "nosetests" in said
        assert tank.release() == before
        assert tank.ask("ws1")[0] == 200
        assert tank.on("ws1", "ls /srv/siegetank/builds").count("redis-") == 2
    finally:
        tank.fleet.commit({"tests/test_apollo.py": text})
    tank.fab("deploy")
    assert tank.release() != before


def test_the_port_is_redirected_for_as_long_as_the_settings_say_so(tank: Tank) -> None:
    reach = f"import socket; socket.create_connection(('{tank.fleet.address('ws1')}', 443), 5)"
    tank.fleet.inside("cc1", "python3", "-c", reach)
    text = tank.fleet.file.read_text()
    rule = re.search(r'\[\[firewall.rules\]\]\ngroups = \["ws"\]\nports = \[443\]\nto = 8960\n', text)
    assert rule
    try:
        tank.fleet.file.write_text(text.replace(rule[0], ""))
        tank.fab("firewall.install")
        assert "refused" in tank.on("cc1", f'python3 -c "{reach}" 2>&1', check=False)
    finally:
        tank.fleet.file.write_text(text)
        tank.fab("firewall.install")
    tank.fleet.inside("cc1", "python3", "-c", reach)


@dataclass
class Authority:
    """A private authority with an intermediate, which signs what it is asked to."""

    root_key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> Authority:
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = sign(name("Test Root"), root_key.public_key(), name("Test Root"), root_key, authority=True)
        middle = sign(name("Test CA"), key.public_key(), root.subject, root_key, authority=True)
        return cls(root_key, root, key, middle)

    @property
    def chain(self) -> str:
        return pem(self.certificate) + pem(self.root)

    def answer(self, request: Path, days: int = 90) -> str:
        asked = x509.load_pem_x509_csr(request.read_bytes())
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        own = sign(asked.subject, asked.public_key(), self.certificate.subject, self.key, names, days=days)
        return pem(own)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def usage(authority: bool) -> x509.KeyUsage:
    """Return what a certificate is for: to sign others, or connections."""
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


def sign(
    subject: x509.Name,
    public: object,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName | None = None,
    authority: bool = False,
    days: int = 90,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        # As real ones have them; clients of Python 3.13 want to see them.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)  # type: ignore[arg-type]
        .add_extension(issued_by, critical=False)
        .add_extension(usage(authority), critical=True)
    )
    return (builder.add_extension(names, critical=False) if names else builder).sign(key, hashes.SHA256())


def test_certificates_are_ordered_checked_and_brought(tank: Tank) -> None:
    assert tank.deployed.count("SELF-SIGNED") >= len(HOSTS)
    assert "self-signed" in tank.fab("status")
    folder = tank.fleet.hosts / "certs" / "siegetank"
    said = tank.fab("certs.request")
    assert "made cc1.key and cc1.csr" in said
    assert {path.name for path in folder.iterdir()} == {f"{host}.{end}" for host in HOSTS for end in ("key", "csr")}
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}

    authority = Authority.make()
    (folder / "incommon_ca.pem").write_text(authority.chain)
    for host in HOSTS:
        (folder / f"{host}.crt").write_text(authority.answer(folder / f"{host}.csr"))
    kept = (folder / "ws1.key").read_text()
    release, pid = tank.release(), tank.show("ws1", "MainPID")
    said = tank.fab("deploy")
    assert "SELF-SIGNED" not in said
    assert tank.release() == release
    assert tank.show("ws1", "MainPID") != pid
    for host in HOSTS:
        shown = tank.on(host, "cd /srv/siegetank/certs && stat -c '%n %a %U' *")
        assert shown.splitlines() == [
            "incommon_ca.pem 644 root",
            "private.pem 600 siegetank",
            "public.crt 644 root",
        ]
    wait_for("all are well", lambda: statuses(tank) == [404, 404, 200, 200])
    assert "self-signed" not in tank.fab("status")
    assert tank.on("ws1", "cat /srv/siegetank/certs/private.pem") == kept.strip()

    # Without the fallback, what is wrong is an error before any host is asked.
    text = tank.fleet.file.read_text()
    strict = text.replace('fallback = "self-signed"\n', "")
    wrong = {
        "ws2.crt": ((folder / "ws1.crt").read_text(), "certificates.server.key: does not belong"),
        "incommon_ca.pem": (pem(authority.certificate), "certificates.server.chain: does not complete"),
    }
    try:
        tank.fleet.file.write_text(strict)
        for file, (content, message) in wrong.items():
            right = (folder / file).read_text()
            (folder / file).write_text(content)
            assert message in tank.fab("certs.install", code=2)
            (folder / file).write_text(right)
    finally:
        tank.fleet.file.write_text(text)


def test_a_second_run_changes_nothing(tank: Tank) -> None:
    for line in tank.fleet.events("-H", "siegetank", "bootstrap", "deploy"):
        assert line["t"] != "event" or line["status"] in ("ok", "skipped"), line


def test_everything_is_back_after_a_reboot(tank: Tank) -> None:
    stream = json.loads(tank.ask("ws1", "/active_streams")[1])
    for host in ("cc1", "ws1"):
        boot = tank.on(host, "cat /proc/sys/kernel/random/boot_id; systemctl show -P UserspaceTimestampMonotonic")
        sandbox.reboot(f"siegetank-{host}")
        wait_for(f"{host} is well", lambda: reached(tank, host), seconds=120)  # noqa: B023
        assert boot is not None
    assert tank.registered().keys() == {"ws1", "ws2"}
    assert json.loads(tank.ask("ws1", "/active_streams")[1]) == stream
    assert "nothing changed" in tank.fab("bootstrap")


def reached(tank: Tank, host: str) -> bool:
    """Whether a host's server answers on the redirected port, asked from another host."""
    try:
        return tank.ask(host, asker="ws2")[0] in (200, 404)
    except AssertionError:
        return False


def test_a_wrong_password_keeps_a_work_server_out(tank: Tank) -> None:
    """The stand-in means it: what the settings say is what counts."""
    script = textwrap.dedent(
        f"""
        cd /tmp && rm -rf wrong && cp -rL {SOURCE} wrong && chown -R siegetank wrong
        sed -i "s/'pass': '[0-9a-f]*'/'pass': 'wrong'/; s/4740/4741/; s/8960/8961/" wrong/ws.conf
        cd /srv/siegetank/data/ws && runuser -u siegetank -- timeout 30 /srv/siegetank/env/bin/python /tmp/wrong/ws
        """
    )
    assert "401" in tank.on("ws2", script, check=False)
