"""A process is well when it answers on its own socket or port as it should."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import ssl
import sys
import textwrap
import threading
import time

import pytest

from hawser.runner.processes.health import Healthy, ask, health
from hawser.runner.system import Failure

from ..conftest import whole

SERVER = """
import http.server, os, socketserver, sys, time
path, delay, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(code)
        self.end_headers()
    def address_string(self):
        return "unix"
print("waiting", flush=True)
time.sleep(delay)
if code < 100:
    sys.exit(code)
socketserver.UnixStreamServer(path, Handler).serve_forever()
"""


@pytest.fixture
def healthy(system, tmp_path):
    def healthy(**changes):
        spec = {
            "address": str(tmp_path / "web.sock"),
            "unit": "demo-web",
            "manager": "supervisor",
            "path": "/",
            "host": "demo.test",
            "statuses": [[200, 399]],
            "timeout": 5.0,
        }
        return Healthy(whole("healthy", {**spec, **changes}), system)

    return healthy


@pytest.fixture
def start(supervisor, tmp_path):
    """Start a web server that listens after some seconds and answers with one status, or ends with a small one."""
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVER))

    def start(delay, code):
        command = f"{sys.executable} {tmp_path}/server.py {tmp_path}/web.sock {delay} {code}"
        supervisor.run("demo-web", command, stdout_logfile=f"{tmp_path}/log", redirect_stderr="true")

    return start


class TestAsking:
    def test_health_is_asked_as_a_visitor_would_through_nginx(self, web):
        assert ask(web.server_address, "/204", "demo.test") == (204, "")
        path, headers = web.asked[0]
        assert path == "/204"
        assert headers["Host"] == "demo.test"
        assert headers["X-Forwarded-Proto"] == "https"

    def test_a_process_without_a_path_of_health_is_only_connected_to(self, web):
        assert ask(web.server_address, "", "demo.test") == (0, "")
        assert web.asked == []

    def test_a_port_is_asked_as_well_as_a_socket(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            assert ask(address, "", "x") == (0, "")
        answer, why = ask(address, "/", "x")
        assert answer is None
        assert why.startswith("ConnectionRefusedError")

    def test_an_address_of_the_new_kind_is_asked_too(self):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            assert ask(f"[::1]:{server.getsockname()[1]}", "", "x") == (0, "")

    @pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
    def test_nonsense_is_no_answer(self, serve, answer):
        assert ask(serve(answer), "/", "x")[0] is None

    def test_a_process_that_does_not_answer_for_its_health_is_given_up(self, tmp_path):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{tmp_path}/silent.sock")
            server.listen()
            began = time.monotonic()
            answer, why = ask(f"{tmp_path}/silent.sock", "/", "x", 0.2)
            assert answer is None
            assert "timed out" in why or why == "no whole answer within 0.2 s"
            assert time.monotonic() - began < 2

    def test_an_answer_without_an_end_is_an_answer(self, serve):
        assert ask(serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"), "/", "x") == (200, "")


class TestChecking:
    def test_a_good_answer_is_as_wanted(self, web, healthy):
        assert healthy().check() is None

    def test_another_status_has_to_be_waited_for(self, web, healthy):
        assert healthy(path="/503").check().note == "waits until it is healthy"
        assert healthy(path="/503", statuses=[[200, 200], [500, 599]]).check() is None

    def test_a_missing_socket_has_to_be_waited_for(self, healthy):
        assert healthy().check() is not None


class TestWaiting:
    def test_a_process_that_starts_slowly_is_waited_for_until_healthy(self, start, healthy):
        start(0.3, 200)
        resource = healthy()
        resource.apply(resource.check())
        assert resource.check() is None

    def test_a_wrong_status_fails_when_the_time_is_over(self, start, healthy, tmp_path):
        start(0, 500)
        # However long it takes to start here: this is about what it answers then.
        while ask(f"{tmp_path}/web.sock", "/", "demo.test")[0] != 500:
            time.sleep(0.05)
        with pytest.raises(Failure, match=r"demo-web answers / with 500; \d+ (?:try|tries) in \d+ s") as caught:
            healthy(timeout=0.6, log=f"{tmp_path}/log").apply(None)
        assert caught.value.output.startswith("waiting\n")

    def test_somebody_else_on_the_port_of_a_process_does_not_count_for_it(self, start, healthy, system):
        start(60, 200)
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            resource = healthy(address=address, path="", timeout=0.3)
            assert resource.check() is not None
            with pytest.raises(Failure, match=rf"demo-web is not who answers on {address}: python.* \(pid \d+\) does"):
                resource.apply(None)

    def test_a_port_counts_whoever_of_the_children_of_a_process_listens(self, supervisor, healthy, tmp_path):
        program = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
        program += f"open('{tmp_path}/port', 'w').write(str(s.getsockname()[1])); time.sleep(60)"
        supervisor.run("demo-web", f'sh -c "{sys.executable} -c \\"{program}\\"; true"')
        deadline = time.monotonic() + 10
        while not (tmp_path / "port").exists() or not (tmp_path / "port").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert healthy(address=f"127.0.0.1:{(tmp_path / 'port').read_text()}", path="").check() is None

    def test_a_process_that_never_listens_fails_when_the_time_is_over(self, start, healthy):
        start(60, 200)
        with pytest.raises(Failure, match=r"demo-web does not answer \(FileNotFoundError: .*\); \d+ tries in 0 s"):
            healthy(timeout=0.3).apply(None)

    def test_a_process_that_has_ended_fails_at_once_instead_of_being_waited_for(self, start, healthy, tmp_path):
        start(0.2, 7)
        began = time.monotonic()
        with pytest.raises(Failure, match=r"demo-web has ended") as caught:
            healthy(timeout=30.0, log=f"{tmp_path}/log").apply(None)
        assert time.monotonic() - began < 5
        assert caught.value.output.startswith("waiting\n")

    def test_a_process_that_nobody_has_started_fails_at_once(self, supervisor, healthy):
        with pytest.raises(Failure, match=r"demo-web has ended \(unknown\); 1 try in 0 s"):
            healthy(timeout=30.0).apply(None)


REQUEST = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@pytest.fixture
def secure(tmp_path, system):
    """A server that speaks TLS with a certificate of its own for shop.test, and its address."""
    argv = [*REQUEST, "-x509", "-days", "9", "-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test"]
    system.run([*argv, "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/crt"])
    with served(tmp_path) as address:
        yield address


@contextlib.contextmanager
def served(tmp_path):
    """Serve with the certificate of a folder; yields the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tmp_path}/crt", f"{tmp_path}/key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_health_with_a_trigger_is_asked_only_when_that_is_due(healthy):
    kind = healthy(when=[0])
    assert kind.check() is None
    kind.due = True
    assert kind.check().note == "waits until it is healthy"


class TestTls:
    def test_a_certificate_of_a_private_authority_is_trusted_when_it_is_named(self, secure, tmp_path):
        assert ask(secure, "/missing", "shop.test", tls=True, ca=f"{tmp_path}/crt") == (404, "")

    def test_a_certificate_of_a_private_authority_is_not_trusted_otherwise(self, secure):
        status, why = ask(secure, "/", "shop.test", tls=True)
        assert status is None
        assert "certificate verify failed" in why

    def test_the_name_of_a_certificate_is_checked_when_health_is_asked(self, secure, tmp_path):
        status, why = ask(secure, "/", "other.test", tls=True, ca=f"{tmp_path}/crt")
        assert status is None
        assert "other.test" in why

    def test_a_certificate_that_names_no_key_of_its_authority_is_good_for_every_python(
        self, tmp_path, system, monkeypatch
    ):
        """Python 3.13 would not take it by itself."""
        bare = ["-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none"]
        root = [*REQUEST, "-x509", "-days", "9", "-subj", "/CN=root", *bare]
        system.run([*root, "-keyout", f"{tmp_path}/root.key", "-out", f"{tmp_path}/root.crt"])
        asked = [*REQUEST, "-subj", "/CN=shop.test", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/csr"]
        system.run(asked)
        (tmp_path / "names").write_text("subjectAltName=DNS:shop.test\n")
        signing = ["-CA", f"{tmp_path}/root.crt", "-CAkey", f"{tmp_path}/root.key", "-extfile", f"{tmp_path}/names"]
        system.run(
            ["openssl", "x509", "-req", "-in", f"{tmp_path}/csr", "-days", "9", *signing, "-out", f"{tmp_path}/crt"]
        )
        usual = ssl.create_default_context

        def strict(**options):
            context = usual(**options)
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            return context

        monkeypatch.setattr(ssl, "create_default_context", strict)
        with served(tmp_path) as address:
            assert ask(address, "/missing", "shop.test", tls=True, ca=f"{tmp_path}/root.crt") == (404, "")

    def test_a_server_without_tls_does_not_count(self, web, tmp_path, secure):
        status, _why = ask(web.server_address, "/", "shop.test", timeout=2, tls=True, ca=f"{tmp_path}/crt")
        assert status is None

    def test_a_file_that_holds_no_certificate_is_told(self, secure, tmp_path):
        (tmp_path / "none").write_text("")
        assert ask(secure, "/", "shop.test", tls=True, ca=f"{tmp_path}/none")[0] is None
        assert ask(secure, "/", "shop.test", tls=True, ca=f"{tmp_path}/nowhere")[0] is None


class TestSurvey:
    def test_a_survey_says_of_each_process_how_it_is(self, web, system, tmp_path):
        check = {"address": web.server_address, "path": "/", "host": "x", "statuses": [[200, 399]]}
        checks = [
            {**check, "name": "good"},
            {**check, "name": "bad", "path": "/503"},
            {**check, "name": "open", "path": ""},
            {**check, "name": "gone", "address": f"{tmp_path}/no.sock"},
        ]
        found = health(system, checks)
        assert list(found.values())[:3] == ["ok", "answers 503", "ok"]
        assert found["gone"].startswith("FileNotFoundError")


def test_a_process_that_answers_a_byte_at_a_time_keeps_nobody_waiting(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/slow.sock")
        server.listen()

        def drip():
            link, _address = server.accept()
            with link, contextlib.suppress(OSError):
                link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    link.sendall(b"x")
                    time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        assert ask(f"{tmp_path}/slow.sock", "/", "demo.test", timeout=0.5) == (None, "no whole answer within 0.5 s")
        assert time.monotonic() - began < 5
        thread.join(10)


@pytest.mark.skipif(os.getuid() != 0, reason="makes another user's link")
def test_a_socket_of_somebody_else_in_place_of_a_process_is_not_asked(web, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "web.sock").symlink_to(tmp_path / "web.sock")
    os.lchown(folder / "web.sock", 65534, 65534)
    status, why = ask(f"{folder}/web.sock", "/", "demo.test")
    assert status is None
    assert "is a link that root does not own" in why
    (folder / "file.sock").write_text("")
    assert "is no socket" in ask(f"{folder}/file.sock", "/", "demo.test")[1]


class TestAnApplicationThatCanSayWhetherItWorks:
    def test_a_command_of_health_is_asked_after_the_process_has_answered(self, web, healthy, tmp_path):
        resource = healthy(command=["sh", "-c", "test -e found-its-master"], cwd=str(tmp_path))
        assert resource.ask(5.0) == (False, "health.command `test -e found-its-master` exited with 1")
        assert resource.check() is not None
        (tmp_path / "found-its-master").touch()
        assert resource.ask(5.0) == (True, "")
        assert resource.check() is None

    def test_a_command_of_health_is_not_asked_while_the_process_does_not_answer(self, healthy, tmp_path):
        healthy(command=["touch", str(tmp_path / "asked")]).check()
        assert not (tmp_path / "asked").exists()

    def test_a_process_with_a_command_of_health_need_not_listen(self, healthy):
        well, said = healthy(address="", command=["sh", "-c", "echo no master >&2; exit 3"]).ask(5.0)
        assert not well and said.endswith("exited with 3: no master")
        assert healthy(address="", command=["true"]).check() is None

    def test_a_command_of_health_is_asked_by_status_as_well(self, system):
        check = {"name": "worker", "address": "", "path": "", "host": "", "statuses": []}
        assert health(system, [{**check, "command": ["true"]}]) == {"worker": "ok"}
        said = health(system, [{**check, "command": ["sh", "-c", "echo lost; exit 1"]}])["worker"]
        assert said.endswith("exited with 1: lost")

    def test_a_command_of_health_may_take_only_so_long(self, healthy):
        well, said = healthy(address="", command=["sleep", "600"]).ask(0.2)
        assert not well and "not done after" in said


COLD = """
import http.server, os, socketserver, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    cold = True
    def do_GET(self):
        if Handler.cold:
            time.sleep(seconds)
            Handler.cold = False
        self.send_response(200)
        self.end_headers()
    def address_string(self):
        return "unix"
    def log_message(self, *arguments):
        # In one piece, for others write there, too.
        os.write(1, b"%d\\n" % os.getpid())
server = socketserver.UnixStreamServer(path, Handler)
for _ in range(2):
    if not os.fork():
        break
server.serve_forever()
"""


class TestSuccesses:
    @pytest.fixture
    def workers(self, supervisor, tmp_path):
        """Start a server of three workers of which each takes some seconds for its first answer."""

        def workers(seconds):
            (tmp_path / "cold.py").write_text(COLD)
            command = f"{sys.executable} {tmp_path}/cold.py {tmp_path}/web.sock {seconds}"
            supervisor.run("demo-web", command, stdout_logfile=f"{tmp_path}/log", redirect_stderr="true")

        return workers

    def test_every_worker_has_answered_before_a_process_counts_as_healthy(self, workers, healthy, tmp_path):
        workers(1.5)
        resource = healthy(successes=6, fast=0.5, timeout=20.0)
        resource.apply(resource.check())
        assert len(set((tmp_path / "log").read_text().split())) == 3
        assert max(timed(lambda: ask(f"{tmp_path}/web.sock", "/", "x")) for _ in range(10)) < 1

    def test_a_process_that_stays_slow_fails_with_the_setting_that_says_so(self, start, healthy):
        start(0, 200)
        resource = healthy(successes=2, fast=0.0, timeout=3.0)
        with pytest.raises(Failure, match=r"takes 0\.0 s for an answer, where health\.fast allows 0 \(answer 1 of 2\)"):
            resource.apply(resource.check())

    def test_a_process_whose_good_answers_do_not_come_in_a_row_is_not_healthy(self, healthy, monkeypatch):
        told = iter([(True, ""), *[(True, "")] * 3, (True, ""), (False, "answers / with 500")])
        resource = healthy(successes=3)
        monkeypatch.setattr(resource, "answers", lambda timeout: next(told))
        assert resource.ask_often(time.monotonic() + 5) == (False, "answers / with 500")

    def test_one_success_is_one_question(self, web, healthy):
        assert healthy().check() is None
        assert len(web.asked) == 1


def timed(work):
    """Return how many seconds some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
