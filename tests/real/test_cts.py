"""The real CTS, by the shipped file: its document statement by statement, and its job from outside.

The server of forms is a small one of this module, under the name that the file has.
"""

from __future__ import annotations

import http.server
import re
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hawser import sandbox
from tests.hosts.conftest import Answer, Fleet, wait_for
from tests.real.conftest import bring_python, clone_of, real_system
from tests.real.tables import kept, sources

ROOT = "/var/www/cts"
DOMAIN = "cts.rescue.org"
FACTS = kept("cts")
# The ports are those that its gunicorn has by turns.
INSTANCES = {"turkey": ("TR", 8001, 8011), "iraq": ("IQ", 8002, 8012), "jordan": ("JO", 8003, 8013)}
CODES = {instance: values[0] for instance, values in INSTANCES.items()}
FORMS = {"turkey": "4", "iraq": "6", "jordan": "7"}
SECRETS = {f"ONA_API_ACCESS_TOKEN_{code}": f"token-of-{code}" for code in CODES.values()}
EMAIL = "officer@example.org"


class Ona(http.server.ThreadingHTTPServer):
    """Stands in for the server of forms: every form is there, and has no submission."""

    def __init__(self, address: str, folder: Path) -> None:
        super().__init__((address, 443), Asked)
        self.asked: list[tuple[str, str]] = []
        self.certificate, key = folder / "ona.crt", folder / "ona.key"
        subject = ("-subj", "/CN=ona.io", "-addext", "subjectAltName=DNS:ona.io")
        made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", *subject)
        subprocess.run([*made, "-keyout", key, "-out", self.certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Asked(http.server.BaseHTTPRequestHandler):
    """Writes down which token asked for which path."""

    server: Ona

    def do_GET(self) -> None:
        self.server.asked.append((self.headers.get("Authorization", ""), self.path))
        text = b'{"name": "a form"}' if "/forms/" in self.path else b"[]"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        pass


@dataclass
class Cts:
    """The fleet, and what was said when it was deployed."""

    fleet: Fleet
    deployed: str = ""

    def fab(self, *words: str, code: int | None = 0) -> str:
        said = self.fleet.fab("-H", "cts", *words, code=code, timeout=3600)
        return said.stdout + said.stderr

    def on(self, host: str, script: str, check: bool = True) -> str:
        return self.fleet.inside(host, "sh", "-c", script, check=check).strip()

    def page(self, path: str, scheme: str = "https", domain: str = DOMAIN) -> Answer:
        return self.fleet.visit("web1", path, scheme, domain)

    def run(self, instance: str, script: str) -> str:
        """Run a script of Python in the settings of an instance."""
        argv = (f"{ROOT}/current/run", f"@instance.{instance}", "python", "-c", script)
        return self.fleet.inside(
            "web1", "runuser", "-u", "cts", "--", "sh", "-c", f'cd {ROOT}/source && exec "$@"', "sh", *argv
        ).strip()


@pytest.fixture
def ona(cts: Cts, tmp_path: Path) -> Iterator[Ona]:
    """The server of forms, on this machine; the web host finds it under its name, and trusts it."""
    gateway = cts.on("web1", "ip -4 route show default").split()[2]
    with Ona(gateway, tmp_path) as server:
        line = f"{gateway} ona.io"
        cts.on("web1", f"grep -q ona.io /etc/hosts || echo {line} >> /etc/hosts")
        # requests asks the authorities that it brings, or those of the host, by what supervisor found when it started.
        brought = f"{ROOT}/env/lib/python2.7/site-packages/requests/cacert.pem"
        for bundle in (brought, "/etc/ssl/certs/ca-certificates.crt"):
            sandbox.exec_in("cts-web1", ["sh", "-c", f"cat >> {bundle}"], server.certificate.read_bytes())
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def cts(clones: Path) -> Iterator[Cts]:
    clone = clone_of(clones, "cts")
    with real_system("cts", {sources("cts")[0].url: clone}, {}, SECRETS) as fleet:
        cts = Cts(fleet)
        bring_python(fleet, ["web1"], "2.7.18", "/opt/python2.7")
        cts.deployed = cts.fab("bootstrap", "deploy")
        yield cts


def test_the_python_of_the_document_runs_the_commit_of_the_table(cts: Cts) -> None:
    assert cts.on("web1", f"{ROOT}/env/bin/python --version 2>&1") == "Python 2.7.18"
    said = cts.on("web1", f"git -c safe.directory='*' -C {ROOT}/source rev-parse HEAD")
    assert said == sources("cts")[0].commit


def test_the_layout_of_the_real_cts_is_the_documents(cts: Cts) -> None:
    folders = FACTS["document"]["folders"]
    assert isinstance(folders, list)
    for folder in folders:
        inside = "public/" if folder in ("static", "media") else ""
        cts.on("web1", f"test -d {FACTS['document']['root']}/{inside}{folder}")
    cts.on("web1", f"test -s {FACTS['document']['site']}")


def test_every_page_of_every_instance_answers(cts: Cts) -> None:
    for code, *ports in INSTANCES.values():
        assert cts.page(f"/{code}/health/").status == 200
        assert cts.page(f"/{code}/instances/").status == 200
        assert cts.page(f"/{code}/login/").status == 200
        listening = cts.on("web1", f"ss -ltnH 'sport = :{ports[0]} or sport = :{ports[1]}'").splitlines()
        assert [line.split()[3] in [f"127.0.0.1:{port}" for port in ports] for line in listening] == [True]
    assert cts.page("/").headers["Location"] == f"https://{DOMAIN}/TR/instances/"
    assert cts.page("/static/css/site.css").status == 200
    assert cts.page("/robots.txt").status == 200


def test_a_visitor_who_asks_for_another_name_gets_no_answer(cts: Cts) -> None:
    with pytest.raises(OSError):
        cts.page("/TR/health/", domain="another.example.org")


@pytest.mark.parametrize("instance", INSTANCES)
def test_an_officer_logs_in(cts: Cts, instance: str) -> None:
    code = CODES[instance]
    cts.run(
        instance,
        "import cts.wsgi; from accounts.models import CtsUser as U; "
        f"U.objects.filter(email='{EMAIL}').exists() or U.objects.create_superuser('{EMAIL}', 'right')",
    )
    assert "/login/" in log_in(cts, code, "wrong")
    assert "/login/" not in log_in(cts, code, "right")


def log_in(cts: Cts, code: str, password: str) -> str:
    """Fill in the form as a browser does; returns where the answer leads."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"https://{cts.fleet.address('web1')}/{code}/login/"
    headers = {"Host": DOMAIN, "Referer": f"https://{DOMAIN}/{code}/login/"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30, context=context) as answer:
        page = answer.read().decode()
        cookies = [line.split(";")[0] for line in answer.headers.get_all("Set-Cookie") or []]
    token = re.search(r"name='csrfmiddlewaretoken' value='([^']+)'", page)
    assert token, page
    form = {"csrfmiddlewaretoken": token[1], "username": EMAIL, "password": password, "next": f"/{code}/"}
    headers["Cookie"] = "; ".join(cookies)
    return posted(urllib.request.Request(url, urllib.parse.urlencode(form).encode(), headers), context)


def posted(request: urllib.request.Request, context: ssl.SSLContext) -> str:
    """Send a form; returns where the answer leads, the form's own address when it is refused."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: object) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay)
    try:
        with opener.open(request, timeout=30) as answer:
            return str(answer.geturl())
    except urllib.error.HTTPError as error:
        assert error.code == 302, error.read().decode()
        return str(error.headers["Location"])


def test_each_instance_polls_its_own_form_with_its_own_token(cts: Cts, ona: Ona) -> None:
    for instance in INSTANCES:
        # What an earlier try took for a bad form is forgotten.
        cts.fleet.fab("-H", "cts/web1", "restart", "--process", f"celery-{instance}")
    wanted = {(f"Token token-of-{CODES[name]}", f"/api/v1/data/{form}.json") for name, form in FORMS.items()}
    # Its beat sends the task every two minutes.
    wait_for("three forms", lambda: wanted <= set(ona.asked), seconds=300, every=2)
    assert not [path for _token, path in ona.asked if "11983" in path]


def test_celery_takes_the_tasks_of_its_own_queue(cts: Cts) -> None:
    for instance in INSTANCES:
        queue = str(FACTS["uses"]["queue"]) % instance
        listed = cts.on("data1", f"rabbitmqctl -q list_queues -p cts_{instance} name consumers")
        assert re.search(rf"^{queue}\t1$", listed, re.M), listed


def test_no_migration_is_pending_in_a_second_run_which_changes_nothing(cts: Cts) -> None:
    for line in cts.fleet.events("-H", "cts", "bootstrap", "deploy"):
        assert line["t"] != "event" or line["status"] in ("ok", "skipped"), line


def test_code_that_does_not_import_is_found_before_anything_restarts(cts: Cts) -> None:
    """By the settings' own check, in the release that serves: the clone is not touched."""
    broken = "import sys; sys.modules['cts.urls'] = None\nimport cts.wsgi, cts.urls"
    with pytest.raises(AssertionError, match="ImportError"):
        cts.run("turkey", broken)


def test_a_plan_is_told_by_its_django(cts: Cts) -> None:
    assert "Django does not tell its plan" not in cts.deployed


def test_everything_comes_back_after_a_reboot(cts: Cts) -> None:
    sandbox.reboot("cts-web1")

    def healthy() -> bool:
        try:
            return all(cts.page(f"/{code}/health/").status == 200 for code in CODES.values())
        except OSError:
            return False

    wait_for("the site", healthy, seconds=180)
