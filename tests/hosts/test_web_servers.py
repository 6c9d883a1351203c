"""What every web server does for a site: here Caddy, for which no other module is; all of them in `tests/slow`."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage

import pytest

from .conftest import Answer, Fleet, own_environment, wait_for

APPLICATION = """
import time

from flask import Flask, Response, request

app = Flask(__name__)
VERSION = "one"


@app.get("/health/")
def health():
    return "well"


@app.get("/stream")
def stream():
    more = " " * int(request.args.get("more", 0))

    def parts():
        for number in range(3):
            yield f"data: {number}{more}\\n\\n"
            time.sleep(0.7)

    return Response(parts(), mimetype=request.args.get("kind", "text/event-stream"))


@app.get("/slow")
def slow():
    time.sleep(7)
    return "at last"


@app.get("/text")
@app.get("/static/made/long.0123456789ab.css")
def text():
    own = {"Strict-Transport-Security": "max-age=5", "ETag": '"0123"'} if "own" in request.args else {}
    return Response("<p>text</p>" * 500, headers=own)


@app.route("/", methods=["GET", "POST"])
def home():
    request.get_data()
    names = ("X-Forwarded-Proto", "X-Real-IP", "X-Forwarded-For")
    told = [request.scheme, request.host, *(request.headers[name] for name in names)]
    return " ".join([VERSION, *told])
"""

SETTINGS = """
[app]
name = "quay"
repo = "{repository}"

[processes.web]
command = "gunicorn app:app --bind unix:{{{{ socket }}}}"
health = {{ path = "/health/" }}

[processes.clock]
port = 8077
command = "python -m http.server {{{{ port }}}} --bind 127.0.0.1"

[release]
build = ["cp static/style.css {{{{ app.root }}}}/assets/"]

[persistent]
folders = ["assets", "media"]
collected = ["assets"]

[site]
server = "{server}"
domains = ["quay.test", "www.quay.test"]
static = {{ "/static/" = "static", "/assets/" = "assets", "/media/" = "media" }}
proxy = {{ "/" = "web", "/clock/" = "clock", "/static/made/" = "web" }}
extra_ports = [8088]
max_body = "10k"

[hosts.solo]
sandbox = true
"""
LONG = "a { color: red }\n" * 200
# Two that a build has given a hash, and some that only look so.
HASHED = ("long.0123456789ab.css", "assets/index-BxYz12_3.js")
OTHERS = ("long.css", "photo.deadbeefcafe.jpg", "report.20240101.css", "assets/jquery-datetime.js")
KEPT = "public, max-age=31536000, immutable"
# A certificate that somebody else has signed.
AUTHORITY = """
mkdir -p /tmp/authority && cd /tmp/authority
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 400 -subj /CN=Authority
openssl req -newkey rsa:2048 -nodes -keyout site.key -out site.csr -subj /CN=quay.test
echo subjectAltName=DNS:quay.test,DNS:www.quay.test > names
openssl x509 -req -in site.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 300 -extfile names -out site.crt
"""
PAGES = {"nginx": "/etc/nginx", "apache": "/etc/apache2", "caddy": "/etc/caddy"}


@pytest.fixture(scope="module")
def bare() -> Iterator[Fleet]:
    """A Flask site in a repository of its own, and one bare host."""
    requirements = "flask==3.1.2\ngunicorn==23.0.0\n"
    files = {f"static/{name}": LONG for name in (*HASHED, *OTHERS)}
    code = {"app.py": APPLICATION, "requirements.txt": requirements, "static/style.css": "a {}\n", **files}
    with own_environment("quay", SETTINGS, code, server="nginx") as fleet:
        yield fleet


@pytest.fixture(scope="module", params=["caddy"])
def server(bare: Fleet, request: pytest.FixtureRequest) -> str:
    """The web server that the site has now; it takes over from the one before."""
    bare.file.write_text(SETTINGS.format(repository=bare.repository, server=request.param))
    bare.fab("-H", "quay", "bootstrap", "deploy")
    return str(request.param)


def balanced(fleet: Fleet, sent: bytes | None = None) -> Answer:
    """Ask for the start page through a load balancer, which ends TLS and goes by the host's address."""
    address = f"http://{fleet.address('solo')}:8088/"
    request = urllib.request.Request(address, sent, {"X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), dict(error.headers))


def tls_line(fleet: Fleet, protocols: Sequence[str] = ()) -> ssl.SSLSocket:
    """Return a connection of a visitor of the site, who speaks some protocols, the first one best."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    plain = socket.create_connection((fleet.address("solo"), 443), timeout=30)
    return context.wrap_socket(plain, server_hostname="quay.test")


def sent(fleet: Fleet, path: str, **headers: str) -> tuple[int, HTTPMessage, bytes]:
    """Return the status, the headers and the bytes that a visitor gets, as they were sent."""
    link = HTTPConnection("quay.test")
    with tls_line(fleet) as link.sock:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()


def over_http2(fleet: Fleet, path: str) -> tuple[int, bytes]:
    """Ask for a page over HTTP/2 (RFC 9113), and return its status, 200 or 0 for another one, and its bytes."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    # GET and https by their numbers, the path and the name as plain texts (RFC 7541).
    names = b"".join(
        bytes([0x40 | number, len(text)]) + text for number, text in ((4, path.encode()), (1, b"quay.test"))
    )
    with tls_line(fleet, ["h2", "http/1.1"]) as line, line.makefile("rb") as said:
        assert line.selected_alpn_protocol() == "h2"
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
        line.sendall(preface + frame(1, 5, 1, b"\x82\x87" + names))
        status, body = 0, b""
        while True:
            head = said.read(9)
            payload = said.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if stream == 1 and kind == 1:
                # The status stands first, but for a word about the size of a table.
                status = 200 if payload.lstrip(bytes(range(0x20, 0x40)))[:1] == b"\x88" else 0
            if stream == 1 and kind == 0:
                body += payload
            if stream == 1 and (kind == 3 or (kind in (0, 1) and flags & 1)):
                return status, body


def findings(fleet: Fleet) -> list[str]:
    """Return what `check` finds about what visitors get."""
    tables = [each for each in fleet.events("-H", fleet.name, "check", code=None) if each["t"] == "table"]
    rows = [row for table in tables for row in table["rows"]]  # type: ignore[attr-defined]
    return [finding for _host, about, _bad, finding, _next in rows if about == "visitors"]


@contextmanager
def visiting(fleet: Fleet) -> Iterator[list[str]]:
    """Visit the site again and again; yields what each visitor got."""
    seen: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.05):
            try:
                answer = fleet.visit("solo", domain="quay.test")
                seen.append(answer.body if answer.status == 200 else str(answer.status))
            except OSError as error:
                seen.append(repr(error))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_each_web_server_has_the_ports_alone_and_a_second_deploy_finds_nothing_to_do(bare: Fleet, server: str) -> None:
    listening = bare.inside("solo", "ss", "-Hlntp", "sport = :443 or sport = :80 or sport = :8088")
    assert all(f'"{PAGES[server].rpartition("/")[2]}"' in line for line in listening.splitlines())
    assert bare.drifted() == []
    events = bare.events("-H", "quay", "bootstrap", "deploy")
    assert {event["status"] for event in events if event["t"] == "event"} == {"ok"}
    found = [PAGES[name] for name in PAGES if "quay" in bare.inside("solo", "ls", "-R", PAGES[name], check=False)]
    assert found == [PAGES[server]]


def test_visitors_of_the_site_get_pages_files_and_redirects(bare: Fleet, server: str) -> None:
    for domain in ("quay.test", "www.quay.test"):
        told = bare.visit("solo", domain=domain).body.split()
        assert told[2:4] == [domain, "https"]
    answer = bare.visit("solo", "/a%20b?c=d", "http", "quay.test")
    assert (answer.status, answer.headers["Location"]) == (301, "https://quay.test/a%20b?c=d")
    assert bare.visit("solo", "/static/style.css", domain="quay.test").body == "a {}\n"
    assert bare.visit("solo", "/static/none.css", domain="quay.test").status == 404
    assert bare.visit("solo", "/static/../app.py", domain="quay.test").status in (400, 404)
    assert "Error code: 404" in bare.visit("solo", "/clock/none", domain="quay.test").body
    assert balanced(bare).body.split()[3] == "https"


def test_names_that_no_site_claims_do_not_reach_the_application(bare: Fleet, server: str) -> None:
    for scheme in ("http", "https"):
        try:
            answer = bare.visit("solo", scheme=scheme, domain="evil.example")
        except OSError:
            continue
        assert (answer.status, server) == (421, "apache"), answer


def test_what_is_streamed_arrives_part_by_part(bare: Fleet, server: str) -> None:
    with tls_line(bare) as line:
        line.sendall(b"GET /stream HTTP/1.1\r\nHost: quay.test\r\nConnection: close\r\n\r\n")
        began, arrived = time.monotonic(), {}
        text = b""
        while part := line.recv(65536):
            text += part
            arrived.update(
                {n: time.monotonic() - began for n in range(3) if b"data: %d" % n in text and n not in arrived}
            )
    assert arrived[0] < arrived[1] - 0.3 < arrived[2] - 0.6, arrived


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_streamed_texts_arrive_part_by_part_also_where_texts_are_compressed(
    bare: Fleet, server: str, kind: str
) -> None:
    with tls_line(bare) as line:
        line.sendall(
            f"GET /stream?more=3000&kind={kind} HTTP/1.1\r\nHost: quay.test\r\n"
            "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
        )
        began, arrived = time.monotonic(), []
        while line.recv(65536):
            arrived.append(time.monotonic() - began)
    assert any(0.4 < each < 1.0 for each in arrived) and any(1.1 < each < 1.7 for each in arrived), arrived


def test_visitors_who_can_speak_http2_and_others_do_not(bare: Fleet, server: str) -> None:
    assert over_http2(bare, "/health/") == (200, b"well")
    assert over_http2(bare, "/static/style.css") == (200, b"a {}\n")
    for offered, spoken in ((["http/1.1"], "http/1.1"), ([], None)):
        with tls_line(bare, offered) as line:
            assert line.selected_alpn_protocol() == spoken


def test_texts_are_compressed_for_those_who_take_it(bare: Fleet, server: str) -> None:
    bare.inside("solo", "sh", "-c", f"printf '%s' '{LONG}' > /srv/quay/media/long.0123456789ab.css")
    for path in ("/static/long.css", "/media/long.0123456789ab.css", "/text"):
        status, headers, body = sent(bare, path, **{"Accept-Encoding": "gzip"})
        assert (status, headers["Content-Encoding"]) == (200, "gzip"), (path, headers)
        assert "Accept-Encoding" in headers["Vary"]
        plain_status, plain, plain_body = sent(bare, path)
        assert plain_status == 200 and "Content-Encoding" not in plain
        assert gzip.decompress(body) == plain_body and len(body) < 500 < len(plain_body)
    for path in ("/static/photo.deadbeefcafe.jpg", "/stream"):
        assert "Content-Encoding" not in sent(bare, path, **{"Accept-Encoding": "gzip"})[1]
    # Whoever has it already gets it no second time, and a part is a part.
    headers = sent(bare, "/static/long.css", **{"Accept-Encoding": "gzip"})[1]
    again = {"Accept-Encoding": "gzip", "If-None-Match": headers["ETag"]}
    assert sent(bare, "/static/long.css", **again)[0] == 304
    part, told, some = sent(bare, "/static/long.css", Range="bytes=2-8")
    assert (part, told["Content-Range"], some) == (206, f"bytes 2-8/{len(LONG)}", LONG[2:9].encode())


def test_files_with_a_hash_in_their_names_are_kept_and_those_of_users_are_not(bare: Fleet, server: str) -> None:
    bare.inside("solo", "sh", "-c", f"printf '%s' '{LONG}' > /srv/quay/media/long.0123456789ab.css")
    for name in HASHED:
        assert sent(bare, f"/static/{name}")[1]["Cache-Control"] == KEPT, name
    # A file that is there no more is not kept as such, and what the application makes is its own.
    none = ("/static/none.0123456789ab.css", "/static/made/long.0123456789ab.css", "/media/long.0123456789ab.css")
    for path in (*(f"/static/{name}" for name in OTHERS), *none, "/"):
        assert "Cache-Control" not in sent(bare, path)[1], path


def test_browsers_are_told_to_use_https_alone_and_check_says_what_a_site_lacks(bare: Fleet, server: str) -> None:
    text, certificates = bare.text, bare.hosts / "certs"
    certificates.mkdir(exist_ok=True)
    bare.inside("solo", "sh", "-ec", AUTHORITY)
    for name in ("site.crt", "site.key"):
        (certificates / name).write_text(bare.inside("solo", "cat", f"/tmp/authority/{name}"))
        (certificates / name).chmod(0o600)
    files = 'tls = "files"\ncertificate = "certs/site.crt"\nkey = "certs/site.key"\n'
    wanted = f'{files}hsts = {{ days = 7 }}\ncompression = "static"\nread_timeout = 3\n'
    assert findings(bare) == []
    bare.file.write_text(text.replace("[hosts.solo]", f"{wanted}\n[hosts.solo]"))
    header = "max-age=604800"
    try:
        # Settings that no deploy has brought yet.
        assert findings(bare) == [f"Strict-Transport-Security is to be {header}, and the web server says nothing"]
        bare.fab("-H", "quay", "deploy")
        for path in ("/", "/static/style.css", "/static/none.css", "/clock/none"):
            assert sent(bare, path)[1].get_all("Strict-Transport-Security") == [header], path
        assert sent(bare, "/text?own=1")[1].get_all("Strict-Transport-Security") == ["max-age=5"]
        for answer in (balanced(bare), bare.visit("solo", "/", "http", "quay.test")):
            assert "Strict-Transport-Security" not in answer.headers
        began = time.monotonic()
        assert sent(bare, "/slow")[0] in (502, 504) and 2.5 < time.monotonic() - began < 6.5
        assert "Content-Encoding" not in sent(bare, "/text", **{"Accept-Encoding": "gzip"})[1]
        assert sent(bare, "/static/long.css", **{"Accept-Encoding": "gzip"})[1]["Content-Encoding"] == "gzip"
        assert findings(bare) == []
        bare.fab("-H", "quay", "maintenance.on")
        status, headers, _body = sent(bare, "/static/long.0123456789ab.css")
        assert (status, headers["Cache-Control"]) == (503, "no-store")
        assert headers.get_all("Strict-Transport-Security") == [header]
        assert findings(bare) == []
    finally:
        bare.file.write_text(text)
        bare.fab("-H", "quay", "maintenance.off")
        bare.fab("-H", "quay", "deploy")


def test_a_process_on_a_socket_is_not_told_what_visitors_say_of_themselves(bare: Fleet, server: str) -> None:
    told = bare.visit("solo", domain="quay.test", **{"X-Forwarded-For": "192.0.2.1"}).body.split()
    assert told[4:] == [told[4], told[4]]


def test_requests_to_a_web_server_are_bounded(bare: Fleet, server: str) -> None:
    assert balanced(bare, b"x" * 9000).status == 200
    assert balanced(bare, b"x" * 11000).status == 413


def test_no_visitor_notices_a_deploy_and_files_of_the_release_before_are_still_there(bare: Fleet, server: str) -> None:
    app, file = bare.repository / "app.py", f"only-{server}.css"
    bare.commit({f"static/{file}": "b {}\n", "app.py": app.read_text().replace('"one"', f'"{server}"')})
    bare.fab("-H", "quay", "deploy")
    (bare.repository / "static" / file).unlink()
    with visiting(bare) as seen:
        bare.commit({"app.py": app.read_text().replace(f'"{server}"', '"one"')})
        bare.fab("-H", "quay", "deploy")
        wait_for("the new release", lambda: seen[-1].startswith("one "))
    assert len(seen) > 10 and {each.split()[0] for each in seen} == {server, "one"}, set(seen)
    assert bare.visit("solo", f"/static/{file}", domain="quay.test").body == "b {}\n"


def test_files_that_a_build_has_collected_go_with_the_release_that_serves(bare: Fleet, server: str) -> None:
    assert bare.visit("solo", "/assets/style.css", domain="quay.test").body == "a {}\n"
    bare.commit({"static/style.css": "a { color: red }\n"})
    bare.fab("-H", "quay", "deploy")
    assert bare.visit("solo", "/assets/style.css", domain="quay.test").body == "a { color: red }\n"
    bare.fab("-H", "quay", "rollback")
    assert bare.visit("solo", "/assets/style.css", domain="quay.test").body == "a {}\n"
    bare.commit({"static/style.css": "a {}\n"})


def test_a_page_closes_the_site_for_everybody_but_health_checks(bare: Fleet, server: str) -> None:
    bare.fab("-H", "quay", "maintenance.on", "--message", "Moving.")
    try:
        for path in ("/", "/static/style.css"):
            answer = bare.visit("solo", path, domain="quay.test")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "300")
            assert answer.headers["Cache-Control"] == "no-store" and "Moving." in answer.body
        posted = balanced(bare, b"a=1")
        assert (posted.status, posted.headers["Retry-After"]) == (503, "300") and "Moving." in posted.body
        assert bare.visit("solo", "/health/", domain="quay.test").status == 200
        bare.fab("-H", "quay", "deploy")
    finally:
        bare.fab("-H", "quay", "maintenance.off")
    assert bare.visit("solo", domain="quay.test").status == 200


def test_web_servers_keep_no_site_that_they_refuse(bare: Fleet, server: str) -> None:
    page = f"{PAGES[server]}/sites-enabled/quay.conf"
    before, text = bare.inside("solo", "cat", page), bare.text
    bare.file.write_text(text.replace("[site]\n", '[site]\nextra = "NoSuchDirective here;"\n'))
    try:
        said = bare.fab("-H", "quay", "deploy", code=1).stdout
    finally:
        bare.file.write_text(text)
    assert f"refuses {page}; what was there before is back in its place" in said and "NoSuchDirective" in said
    assert bare.inside("solo", "cat", page) == before
    bare.fab("-H", "quay", "deploy")


def test_another_certificate_is_taken_up_by_the_web_server(bare: Fleet, server: str) -> None:
    shown = (
        "echo | openssl s_client -connect 127.0.0.1:443 -servername quay.test 2>/dev/null | openssl x509 -noout -serial"
    )
    before = bare.inside("solo", "sh", "-c", shown)
    bare.inside("solo", "rm", "/srv/quay/ssl/site.crt")
    bare.fab("-H", "quay", "certs.install")
    wait_for("another certificate", lambda: bare.inside("solo", "sh", "-c", shown) != before)
    assert bare.visit("solo", domain="quay.test").status == 200
    as_anybody = ("setpriv", "--reuid=quay", "--regid=quay", "--init-groups", "cat", "/srv/quay/ssl/site.key")
    assert "PRIVATE" not in bare.inside("solo", *as_anybody, check=False)


def test_logs_of_the_web_server_are_shown_and_nothing_is_found_wrong(bare: Fleet, server: str) -> None:
    mark = f"/?seen={time.time_ns()}"
    bare.visit("solo", mark, domain="quay.test")
    wait_for("the line", lambda: mark in bare.fab("-H", "quay", "logs", "--only", "site").stdout)
    rows = [line for line in bare.fab("-H", "quay", "check", code=None).stdout.splitlines() if " wrong " in line]
    assert not [row for row in rows if "web server" in row or "ports" in row or "drift" in row], rows
    assert "self-signed" in bare.fab("-H", "quay", "status").stdout


def test_nothing_of_the_site_is_left_after_the_last_server(bare: Fleet) -> None:
    bare.fab("-H", "quay", "remove", "--yes")
    for folder in PAGES.values():
        assert "quay" not in bare.inside("solo", "ls", "-R", folder, check=False)
    assert bare.inside("solo", "ss", "-Hlnt", "sport = :443 or sport = :80 or sport = :8088") == ""
