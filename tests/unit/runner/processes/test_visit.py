"""The site is asked as a visitor would ask it."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from hawser.runner.processes.visit import Visited
from hawser.runner.system import Failure, System

from ..conftest import whole


class Site(http.server.BaseHTTPRequestHandler):
    status = 200
    seen: ClassVar[list[tuple[str, str]]] = []
    log: ClassVar[Path | None] = None

    def do_GET(self):
        if self.log is not None:
            with self.log.open("a") as stream:
                stream.write("connect() failed\n")
        type(self).seen.append((self.headers["Host"], self.path))
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def site():
    handler = type("Handler", (Site,), {"seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def visited(site, tmp_path):
    (tmp_path / "nginx-error.log").write_text("bind() to 0.0.0.0:80 failed (98: Address already in use)\n")

    def visited(**more):
        spec = {
            "url": "https://demo.test/health/",
            "path": "/health/",
            "domain": "demo.test",
            "port": site[0].server_port,
            "tls": False,
            "statuses": [[200, 200]],
            "timeout": 0.2,
            "page": str(tmp_path / "maintenance.html"),
            "server_log": str(tmp_path / "nginx-error.log"),
        }
        return Visited(whole("visited", {**spec, **more}), System(str(tmp_path)))

    return visited


def test_an_expected_answer_is_in_order_and_the_domain_was_named(site, visited):
    assert visited().check() is None
    assert site[1].seen == [("demo.test", "/health/")]


def test_another_answer_fails_with_what_the_web_server_logged_of_this_visit(site, visited, tmp_path):
    site[1].status, site[1].log = 502, tmp_path / "nginx-error.log"
    resource = visited()
    assert resource.check().note == "waits until visitors are served"
    with pytest.raises(Failure) as failure:
        resource.apply(None)
    assert "https://demo.test/health/ answers visitors with 502" in failure.value.message
    assert set(failure.value.output.splitlines()) == {"connect() failed"}


def test_a_site_that_comes_up_late_is_waited_for(site, visited):
    site[1].status = 502
    timer = threading.Timer(0.3, lambda: setattr(site[1], "status", 200))
    timer.start()
    visited(timeout=20).apply(None)
    timer.join()


def test_a_site_where_nobody_answers_is_told_with_the_reason(visited):
    with pytest.raises(Failure, match="does not answer"):
        visited(port=1).apply(None)


def test_a_site_that_is_closed_on_purpose_is_no_failure(site, visited, tmp_path):
    site[1].status = 503
    assert visited().check() is not None
    (tmp_path / "maintenance.html").write_text("closed")
    assert visited().check() is None


def test_a_certificate_that_nobody_has_signed_will_do(site, visited, tmp_path):
    key, certificate = tmp_path / "key", tmp_path / "crt"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=demo.test", "-days", "2"]
    subprocess.run([*words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    site[0].socket = context.wrap_socket(site[0].socket, server_side=True)
    assert visited(tls=True).check() is None
    assert names == ["demo.test"]
