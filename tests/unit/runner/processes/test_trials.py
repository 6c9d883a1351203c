"""A new process is tried on another port beside the one that it shall replace, under a real supervisord."""

from __future__ import annotations

import hashlib
import socket
import sys

import pytest

from hawser.runner.processes.health import ask
from hawser.runner.processes.trials import Tried, free_port
from hawser.runner.system import Failure

from ..conftest import whole
from ..daemons import until

SERVER = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]))
        self.end_headers()

if sys.argv[2] == "1":
    sys.exit("ModuleNotFoundError: No module named 'cart'")
if sys.argv[2] == "2":
    import socket
    other = socket.socket()
    other.bind(("127.0.0.1", int(sys.argv[3])))
if sys.argv[2] == "4":
    import socket, time
    early = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    time.sleep(1)
    sys.exit("ModuleNotFoundError: No module named 'cart'")
if sys.argv[2] == "3":
    sys.exit("sqlite3.OperationalError: database is locked")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
MARK = "65535"


@pytest.fixture
def served(supervisor, tmp_path):
    """A web server that runs on one port, and what it takes to start another one like it."""
    (tmp_path / "server.py").write_text(SERVER)

    class Served:
        port = free_port()

        def line(self, port, *words):
            return " ".join([sys.executable, f"{tmp_path}/server.py", str(port), *map(str, words)])

        def tried(self, system, *words, becomes="", **changes):
            log = {"stdout_logfile": f"{tmp_path}/log", "redirect_stderr": "true"}
            supervisor.define("demo-api.trial", self.line(MARK, *words), **log)
            path = supervisor.folder / "demo-api.trial.conf"
            text = path.read_text()
            path.unlink()
            spec = {
                "address": f"127.0.0.1:{MARK}",
                "unit": "demo-api.trial",
                "manager": "supervisor",
                "path": "/",
                "host": "demo.test",
                "statuses": [[200, 399]],
                "timeout": 5.0,
                "log": str(tmp_path / "log"),
                "serves": "demo-api",
                "serves_under": "supervisor",
                "port": self.port,
                "path_of_definition": str(path),
                "definition": text,
                "becomes": becomes or "0" * 64,
                "placeholder": MARK,
            }
            return Tried(whole("tried", {**spec, **changes}), system)

        def answers(self):
            return ask(f"127.0.0.1:{self.port}", "/", "x")[0]

    made = Served()
    supervisor.run("demo-api", made.line(made.port, 200))
    until(lambda: made.answers() == 200)
    return made


def nothing_is_left(supervisor):
    assert not supervisor.manager.state("demo-api.trial").known
    assert [path.name for path in supervisor.folder.iterdir()] == ["demo-api.conf"]


def test_a_new_process_that_is_healthy_has_run_beside_the_other_and_has_ended(served, supervisor, system):
    pid = supervisor.manager.state("demo-api").pid
    tried = served.tried(system, 204)
    tried.apply(tried.check())
    assert tried.spec["address"] != f"127.0.0.1:{MARK}"
    assert ask(tried.spec["address"], "/", "x")[0] is None
    assert (served.answers(), supervisor.manager.state("demo-api").pid) == (200, pid)
    nothing_is_left(supervisor)


@pytest.mark.parametrize(("code", "said"), [(500, "answers / with 500"), (1, "has ended")])
def test_one_that_is_not_fails_with_its_last_words_and_the_other_goes_on(served, supervisor, system, code, said):
    tried = served.tried(system, code, timeout=2.0)
    with pytest.raises(Failure) as caught:
        tried.apply(tried.check())
    assert said in caught.value.message and "tried beside demo-api, which goes on serving" in caught.value.message
    assert code != 1 or "No module named 'cart'" in caught.value.output
    assert served.answers() == 200
    nothing_is_left(supervisor)


def test_one_that_listens_before_it_has_loaded_and_then_ends_is_found_out(served, supervisor, system):
    tried = served.tried(system, 4, path="")
    with pytest.raises(Failure) as caught:
        tried.apply(tried.check())
    assert "does not stay up" in caught.value.message and "No module named 'cart'" in caught.value.output
    nothing_is_left(supervisor)


@pytest.mark.parametrize("code", [2, 3])
def test_one_that_wants_what_the_other_has_is_not_judged(served, supervisor, system, code):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        tried = served.tried(system, code, other.getsockname()[1], timeout=2.0)
        tried.apply(tried.check())
    (warning,) = system.warnings
    assert warning.startswith("demo-api was not tried before it was replaced, for two cannot run side by side: ")
    assert warning.endswith(("Address already in use", "database is locked"))
    nothing_is_left(supervisor)


def test_nothing_is_tried_where_the_other_does_not_run_or_goes_on_as_it_is(served, supervisor, system):
    text = (supervisor.folder / "demo-api.conf").read_bytes()
    assert served.tried(system, 200, becomes=hashlib.sha256(text).hexdigest()).check() is None
    supervisor.manager.stop("demo-api")
    assert served.tried(system, 200).check() is None


def test_nothing_is_tried_where_the_other_listens_on_one_more_port(served, system, monkeypatch):
    tried = served.tried(system, 200)
    assert tried.check() is not None
    assert served.tried(system, 200, port=served.port + 1).check() is not None, "it may get another port"
    monkeypatch.setattr(tried, "ports_of", lambda pid: {served.port, 9999})
    assert tried.check() is None


def test_a_process_that_gets_another_name_is_tried_beside_the_one_that_has_its_port(served, system):
    assert served.tried(system, 200, unit="demo-new.trial").check() is not None
    assert served.tried(system, 200, unit="demo-new.trial", port=served.port + 1).check() is None


def test_a_trial_that_was_broken_off_is_ended_by_the_next_one(served, supervisor, system):
    supervisor.run("demo-api.trial", "sleep 1000")
    pid = supervisor.manager.state("demo-api.trial").pid
    tried = served.tried(system, 204)
    (supervisor.folder / "demo-api.trial.conf").write_text("")
    tried.apply(tried.check())
    assert pid and supervisor.command_line("demo-api.trial") == ""
    nothing_is_left(supervisor)
