"""The helper as a deploy user's session starts it: it does what is signed for this greeting, and nothing else."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from hawser.runner.helper import entry
from hawser.signatures import Signer, make_key
from hawser.ssh import loader

KEY = make_key()


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "root").mkdir()
    found = {
        "application": "yard",
        "environment": "harbour",
        "host": "one",
        "root": str(tmp_path / "root"),
        "state": str(tmp_path / "state"),
        "key": Signer("harbour", KEY).public,
        **{name: [] for name in ("users", "groups", "own", "logs", "lines", "databases", "vhosts")},
    }
    (tmp_path / "state").mkdir()
    (tmp_path / "rules.json").write_text(json.dumps(found))
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return str(tmp_path_factory.mktemp("kept") / "runners")


@pytest.fixture
def helper(rules, tmp_path, kept):
    """Return the program as `bootstrap` places it, with folders of its own."""
    source = loader.Source(loader.modules(), kept)
    (tmp_path / "runner").write_bytes(source.compressed)
    program = source.helper("yard", str(tmp_path / "runner"), str(tmp_path / "rules.json"))

    @contextmanager
    def started(**environment):
        argv = [sys.executable, "-IBc", program]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as child:
            watchdog = threading.Timer(30, child.kill)
            watchdog.start()
            try:
                greeting = json.loads(child.stdout.readline())
                assert greeting["t"] == "helper" and greeting["runner"] == source.digest
                yield Session(child, greeting["nonce"], rules)
            finally:
                child.kill()
                watchdog.cancel()

    return started


class Session:
    def __init__(self, child, nonce, rules):
        self.child, self.nonce, self.rules = child, nonce, rules
        self.signed = Signer("harbour", KEY).for_helper("one", nonce)

    def line(self, **message):
        return self.signed.line(json.dumps(message).encode()) + b"\n"

    def hello(self, **changes):
        told = {name: self.rules[name] for name in ("application", "root", "state")}
        return self.line(**{**told, "token": "0" * 32, **changes})

    def says(self, *data):
        """Send some bytes and return what it says until the end, and on standard error."""
        output, errors = self.child.communicate(b"".join(data), timeout=30)
        return [json.loads(line) for line in output.splitlines()], errors.decode()

    def answers(self, *data):
        said, _errors = self.says(*data, self.line(op="bye"))
        return [each for each in said if each["t"] != "beat"]


def test_it_does_what_is_signed(helper):
    with helper() as session:
        hello, done = session.answers(session.hello(), session.line(op="holder", id=1, arguments={}))
    assert hello["t"] == "hello" and done == {"t": "done", "id": 1, "ok": True, "holder": None}


def test_it_refuses_in_words_what_no_deploy_needs(helper):
    with helper() as session:
        ask = {"argv": ["id"], "user": "root"}
        _hello, done = session.answers(session.hello(), session.line(op="stream", id=1, arguments=ask))
    assert not done["ok"] and done["error"] == "needs an administrator (--as-admin): the request `stream`"


def test_variables_of_whoever_starts_it_count_for_nothing(helper, tmp_path):
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "sitecustomize.py").write_text("open('/tmp/never', 'w')")
    for name in ("json.py", "systemctl"):
        (evil / name).write_text("raise SystemExit('taken over')")
    with helper(PATH=str(evil), PYTHONPATH=str(evil), PYTHONSTARTUP=str(evil / "json.py"), HOME=str(evil)) as session:
        hello, _done = session.answers(session.hello(), session.line(op="facts", id=1, arguments={}))
    assert hello["t"] == "hello"


WRONG = {
    "without a signature": lambda session, line: b" " + line.partition(b" ")[2],
    "no line at all": lambda session, line: b"id\n",
    "of another key": lambda session, line: (
        Signer("harbour", make_key()).for_helper("one", session.nonce).line(line.partition(b" ")[2][:-1]) + b"\n"
    ),
    "for another greeting": lambda session, line: (
        Signer("harbour", KEY).for_helper("one", "0" * 32).line(line.partition(b" ")[2][:-1]) + b"\n"
    ),
    "for another host": lambda session, line: (
        Signer("harbour", KEY).for_helper("two", session.nonce).line(line.partition(b" ")[2][:-1]) + b"\n"
    ),
    "for another environment": lambda session, line: (
        Signer("staging", KEY).for_helper("one", session.nonce).line(line.partition(b" ")[2][:-1]) + b"\n"
    ),
    "of another text": lambda session, line: line.replace(b"}", b', "more": 1}'),
    "that is no base64": lambda session, line: b"\xff\xfe" + line,
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_not_signed_as_it_should_be_ends_it(helper, how):
    with helper() as session:
        said, errors = session.says(WRONG[how](session, session.hello()))
    assert said == [] and "without the signature of HAWSER_SIGNING_KEY" in errors


def test_no_message_counts_twice_and_none_can_be_left_out(helper):
    with helper() as session:
        hello, first, second = session.hello(), session.line(op="holder", id=1, arguments={}), session.line(op="bye")
        said, errors = session.says(hello, first, first, second)
    assert len([each for each in said if each["t"] == "done"]) < 2 and "without the signature" in errors
    with helper() as session:
        hello, _left_out, second = (
            session.hello(),
            session.line(op="ping"),
            session.line(op="holder", id=2, arguments={}),
        )
        said, errors = session.says(hello, second)
    assert not [each for each in said if each["t"] == "done"] and "without the signature" in errors


def test_what_is_sent_ahead_is_what_was_signed(helper):
    def is_taken(data, **digest):
        with helper() as session:
            lines = [session.hello(), session.line(op="blob", id="b", size=len(data), **digest) + data]
            lines += [session.line(op="holder", id=1, arguments={}), session.line(op="bye")]
            said, _errors = session.says(*lines)
        return any(each["t"] == "done" for each in said)

    digest = hashlib.sha256(b"right").hexdigest()
    assert is_taken(b"right", sha256=digest)
    assert not is_taken(b"wrong", sha256=digest)
    assert not is_taken(b"right")


def test_it_is_of_one_application(helper):
    with helper() as session:
        said, errors = session.says(session.hello(application="other"))
    assert said == [] and "this helper is of yard" in errors


def test_a_token_is_no_path(helper):
    with helper() as session:
        said, errors = session.says(session.hello(token="../../x"))
    assert said == [] and "without a token" in errors


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(entry, "LONGEST", 1000)
    source = entry.SignedSource(
        io.BytesIO(bytes(200_000)), base64.urlsafe_b64decode(Signer("x", KEY).public + "="), b"x"
    )
    with pytest.raises(EOFError):
        source.message()
    assert len(source.buffer) < 100_000


def test_a_runner_that_was_altered_is_not_run(helper, tmp_path, kept):
    shutil.rmtree(kept, ignore_errors=True)
    (tmp_path / "runner").write_bytes(loader.Source({"x": ("x.py", "")}).compressed)
    with pytest.raises(json.JSONDecodeError), helper():
        pass
