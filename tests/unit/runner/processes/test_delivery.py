"""What visitors of a site get is measured on the wire."""

from __future__ import annotations

import gzip
import http.server
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from hawser.runner.processes import delivery
from hawser.runner.processes.delivery import candidates, measured, protocol

KEPT = "public, max-age=31536000, immutable"
TEXT = "a { color: red }\n" * 200


@pytest.fixture
def folder(tmp_path):
    """Static files: two texts, one of them hashed; what is too short, binary, or behind a link."""
    static = tmp_path / "static"
    (static / "css").mkdir(parents=True)
    for name in ("css/style.css", "css/base.0123456789ab.css", "photo.png"):
        (static / name).write_text(TEXT)
    (static / "short.css").write_text("a {}")
    (tmp_path / "elsewhere.0123456789ab.css").write_text(TEXT)
    (static / "linked.0123456789ab.css").symlink_to(tmp_path / "elsewhere.0123456789ab.css")
    (static / "above").symlink_to(tmp_path)
    return static


@pytest.fixture
def server():
    """A web server that sends what a test writes down: status and headers by path; the port, and what was asked."""
    answers, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Accept-Encoding")))
            status, headers = answers.get(self.path, (404, []))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            body = gzip.compress(b"x")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_port, answers, asked
    running.shutdown()
    running.server_close()


def test_texts_and_hashed_files_are_found_and_no_link_is_followed(folder):
    texts, hashed = candidates([("/static/", str(folder))])
    assert texts == ["/static/css/base.0123456789ab.css", "/static/css/style.css"]
    assert hashed == ["/static/css/base.0123456789ab.css"]


def test_a_folder_without_end_is_not_read_to_its_end(folder, monkeypatch):
    monkeypatch.setattr(delivery, "MOST_FILES", 2)
    assert candidates([("/static/", str(folder)), ("/none/", f"{folder}/none")]) == ([], [])


def test_headers_of_a_text_of_a_hashed_file_and_of_the_server_are_told(system, server, folder):
    port, answers, asked = server
    file = "/static/css/base.0123456789ab.css"
    answers[file] = (200, [("Content-Encoding", "gzip"), ("Cache-Control", KEPT)])
    answers["/.hawser-site"] = (302, [("Strict-Transport-Security", "max-age=60")])
    answers["/"] = (200, [("Strict-Transport-Security", "max-age=60"), ("strict-transport-security", "max-age=5")])
    assert measured(system, "shop.test", port, False, [("/static/", str(folder))]) == {
        "why": "",
        "protocol": "",
        "text": file,
        "encoding": "gzip",
        "hashed": file,
        "cache": [KEPT],
        "hsts": [["max-age=60"], ["max-age=60", "max-age=5"]],
    }
    assert (file, "gzip") in asked


def test_a_file_that_is_for_nobody_is_passed_over(system, server, folder):
    port, answers, _asked = server
    answers["/static/css/style.css"] = (200, [])
    found = measured(system, "shop.test", port, False, [("/static/", str(folder))])
    assert (found["text"], found["encoding"], found["hashed"]) == ("/static/css/style.css", "", "")


def test_a_web_server_that_does_not_answer_is_told_as_such(system):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    found = measured(system, "shop.test", port, True, [])
    assert found["why"] and found["hsts"] == []


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize(("offered", "spoken"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], "")])
def test_the_protocol_is_the_one_that_tls_agrees_upon(tmp_path, offered, spoken):
    key, certificate = tmp_path / "key", tmp_path / "crt"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout {key} -out {certificate}"
    subprocess.run(words.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if offered:
        context.set_alpn_protocols(offered)
    running = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.handle_request)
    thread.start()
    try:
        assert protocol(running.server_port, "shop.test") == spoken
    finally:
        thread.join()
        running.server_close()
    assert protocol(running.server_port, "shop.test") == ""
