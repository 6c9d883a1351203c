"""The real Siegetank, by the shipped file: its document statement by statement, and its job from outside.

MongoDB is the stand-in of tests/real/mongo.py, on one of the hosts, over TLS under the name that the file has.
"""

from __future__ import annotations

import ast
import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import Fleet, wait_for
from tests.real.conftest import bring_python, clone_of, real_system
from tests.real.tables import kept, sources

HOSTS = ("cc1", "ws1", "ws2")
FACTS = kept("siegetank")
SOURCE = "/srv/siegetank/current/source"
MONGO = "mongod.example.org"
EMAIL = "manager@example.org"


@dataclass
class Tank:
    """The fleet, and what was said when it was deployed."""

    fleet: Fleet
    deployed: str = ""

    def fab(self, *words: str, code: int | None = 0) -> str:
        said = self.fleet.fab("-H", "siegetank", *words, code=code, timeout=3600)
        return said.stdout + said.stderr

    def on(self, host: str, script: str, check: bool = True) -> str:
        return self.fleet.inside(host, "sh", "-c", script, check=check).strip()

    def ask(self, url: str, method: str = "GET", body: object = None, token: str = "") -> tuple[int, dict[str, object]]:
        """Ask as a core or a manager on another machine would."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Authorization": token} if token else {}, method=method)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            return error.code, {"error": text}

    def url(self, host: str, path: str) -> str:
        return f"https://{self.fleet.address(host)}{path}"

    def online(self) -> dict[str, object]:
        """Return which work servers the command center takes for online."""
        _status, known = self.ask(self.url("cc1", "/ws/status"))
        return {name: each["online"] for name, each in known.items()}  # type: ignore[index]


def bring_mongo(tank: Tank, host: str) -> None:
    """Start the stand-in for MongoDB on a host, and have all hosts find it under its name."""
    name, program = f"siegetank-{host}", Path(__file__).parent / "mongo.py"
    sandbox.exec_in(name, ["sh", "-c", "cat > /opt/mongo.py"], program.read_bytes())
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN={MONGO} -keyout /tmp/key -out /tmp/crt"
    tank.on(host, f"test -e /etc/mongo.pem || ({made} && cat /tmp/key /tmp/crt > /etc/mongo.pem)")
    start = "systemd-run --unit=mongo python3 /opt/mongo.py --certificate /etc/mongo.pem"
    tank.on(host, f"systemctl is-active -q mongo || {start}")
    line = f"{tank.fleet.address(host)} {MONGO}"
    for each in HOSTS:
        tank.on(each, f"grep -q {MONGO} /etc/hosts || echo {line} >> /etc/hosts")


@pytest.fixture(scope="module")
def tank(clones: Path) -> Iterator[Tank]:
    clone = clone_of(clones, "siegetank")
    with real_system("siegetank", {sources("siegetank")[0].url: clone}, {}) as fleet:
        tank = Tank(fleet)
        bring_python(fleet, list(HOSTS), "3.6.15", "/opt/python3.6")
        bring_mongo(tank, "ws2")
        tank.deployed = tank.fab("bootstrap", "deploy")
        yield tank


def test_the_python_of_the_document_runs_the_commit_of_the_document(tank: Tank) -> None:
    for host in HOSTS:
        said = tank.on(host, "/srv/siegetank/env/bin/python --version")
        assert said == "Python 3.6.15"
        assert tank.on(host, f"git -c safe.directory='*' -C {SOURCE} rev-parse HEAD") == sources("siegetank")[0].commit


def test_packages_were_installed_and_redis_was_built(tank: Tank) -> None:
    packages = FACTS["needs"]["packages"]
    assert isinstance(packages, list)
    for host in HOSTS:
        tank.on(host, f"cd / && /srv/siegetank/env/bin/python -c 'import {', '.join(packages)}'")
        tank.on(host, f"{SOURCE}/redis/src/redis-server --version")


def test_the_unit_tests_ran_before_anything_switched(tank: Tank) -> None:
    assert "nosetests" in tank.deployed


def test_the_settings_are_those_that_the_code_reads(tank: Tank) -> None:
    for program, host in (("cc", "cc1"), ("ws", "ws1")):
        body = ast.parse(tank.on(host, f"cat {SOURCE}/{program}.conf")).body
        given = {each.targets[0].id: ast.literal_eval(each.value) for each in body}  # type: ignore[attr-defined]
        options = FACTS["options"][program]
        assert isinstance(options, list)
        assert set(given) - set(options) == set()
        assert given["mongo_options"] == {"host": f"{MONGO}:27017"}


def test_one_password_lets_the_work_servers_register(tank: Tank) -> None:
    wait_for("both work servers", lambda: tank.online() == {"ws1": True, "ws2": True})
    _status, known = tank.ask(tank.url("cc1", "/ws/status"))
    assert {each["url"] for each in known.values()} == {  # type: ignore[index]
        f"{tank.fleet.address(host)}:443" for host in ("ws1", "ws2")
    }


def test_the_external_port_leads_to_the_internal_one(tank: Tank) -> None:
    assert tank.ask(tank.url("ws1", "/"))[0] == 200
    assert tank.ask(tank.url("cc1", "/"))[0] == 404


def test_three_files_of_certificates_lie_in_certs(tank: Tank) -> None:
    assert tank.on("ws1", "ls /srv/siegetank/certs").split() == ["incommon_ca.pem", "private.pem", "public.crt"]
    assert "SELF-SIGNED" in tank.deployed


def test_the_database_is_reached_over_tls(tank: Tank) -> None:
    said = tank.on("ws2", "journalctl -q -o cat -u mongo")
    for host in HOSTS:
        assert f"{tank.fleet.address(host)} connected" in said
    assert "speaks no TLS" not in said


def test_a_core_gets_a_stream_and_posts_a_frame(tank: Tank) -> None:
    wait_for("a work server", lambda: True in tank.online().values())
    # Managers are made on the command center itself.
    manager = {"email": EMAIL, "password": "secret", "role": "admin"}
    ask = (
        "import json, ssl, urllib.request\n"
        f"request = urllib.request.Request('https://127.0.0.1:8980/managers', json.dumps({manager!r}).encode())\n"
        "print(urllib.request.urlopen(request, context=ssl._create_unverified_context()).read().decode())"
    )
    kept_token = tank.fleet.folder / "token"
    if not kept_token.exists():
        kept_token.write_text(json.loads(tank.fleet.inside("cc1", "python3", "-c", ask))["token"])
    token = kept_token.read_text()
    packed = base64.b64encode(b"a file of the simulation").decode()
    files = {"system.xml.gz.b64": packed, "integrator.xml.gz.b64": packed}
    target = {
        "description": "a trial",
        "engine": "openmm",
        "engine_versions": ["6.0"],
        "stage": "public",
        "files": files,
    }
    status, made = tank.ask(tank.url("cc1", "/targets"), "POST", target, token)
    assert status == 200, made
    stream = {"target_id": made["target_id"], "files": {"state.xml.gz.b64": packed}}
    status, posted = tank.ask(tank.url("cc1", "/streams"), "POST", stream, token)
    assert status == 200, posted

    core = {"engine": "openmm", "engine_version": "6.0", "target_id": made["target_id"]}
    status, assigned = tank.ask(tank.url("cc1", "/core/assign"), "POST", core)
    assert status == 200, assigned
    uri, right = str(assigned["uri"]), str(assigned["token"])
    assert uri.endswith(":443/core/start")
    status, started = tank.ask(uri, token=right)
    assert status == 200 and started["stream_files"] == {"state.xml.gz.b64": packed}
    assert started["target_files"] == files
    assert tank.ask(uri, token="wrong")[0] == 401

    worker = uri.removesuffix("/core/start")
    frame = {"files": {"frames.xtc.b64": base64.b64encode(b"one frame").decode()}, "frames": 1}
    assert tank.ask(f"{worker}/core/frame", "PUT", frame, right)[0] == 200
    checkpoint = {"files": {"state.xml.gz.b64": packed}}
    assert tank.ask(f"{worker}/core/checkpoint", "PUT", checkpoint, right)[0] == 200
    name = started["stream_id"]
    status, info = tank.ask(f"{worker}/streams/info/{name}")
    assert (status, info["frames"], info["status"]) == (200, 1, "OK")
    host = next(host for host in ("ws1", "ws2") if tank.fleet.address(host) in worker)
    assert tank.on(host, f"cat /srv/siegetank/data/ws/streams/{name}/1_frames.xtc") == "one frame"


def test_a_stopped_work_server_is_offline_at_the_command_center(tank: Tank) -> None:
    wait_for("both work servers", lambda: tank.online() == {"ws1": True, "ws2": True})
    tank.fleet.fab("-H", "siegetank/ws1", "stop", "--process", "ws")
    try:
        assert tank.online() == {"ws1": False, "ws2": True}
        assert tank.on("ws1", "ss -Hlnt 'sport = :8960 or sport = :4740'") == ""
    finally:
        tank.fleet.fab("-H", "siegetank/ws1", "start", "--process", "ws")
    assert tank.online() == {"ws1": True, "ws2": True}


def test_nothing_but_the_programs_themselves_is_open(tank: Tank) -> None:
    ports = {f"{host}:{FACTS['ports'][f'{host[:2]}-redis']}" for host in HOSTS}
    for each in ports:
        host, port = each.split(":")
        assert tank.on(host, f"ss -Hlnt 'sport = :{port}'").split()[3].startswith("127.0.0.1:")
    # `status` has nothing to say about the store.
    assert "every address" not in tank.fab("status")


def test_the_gate_leaves_nothing_behind(tank: Tank) -> None:
    left = FACTS["tests"]["leave redis on"]
    assert isinstance(left, list)
    for port in {each.split()[1] for each in left}:
        assert [tank.on(host, f"ss -Hlnt 'sport = :{port}'") for host in HOSTS] == ["", "", ""]


def test_a_second_run_changes_nothing(tank: Tank) -> None:
    for line in tank.fleet.events("-H", "siegetank", "bootstrap", "deploy"):
        assert line["t"] != "event" or line["status"] in ("ok", "skipped"), line


def test_data_survives_a_reboot(tank: Tank) -> None:
    streams = tank.on("ws1", "ls /srv/siegetank/data/ws/streams")
    sandbox.reboot("siegetank-ws1")
    wait_for("ws1", lambda: reached(tank), seconds=120)
    assert tank.on("ws1", "ls /srv/siegetank/data/ws/streams") == streams
    wait_for("both work servers", lambda: tank.online() == {"ws1": True, "ws2": True})


def reached(tank: Tank) -> bool:
    try:
        return tank.ask(tank.url("ws1", "/"))[0] == 200
    except OSError:
        return False
