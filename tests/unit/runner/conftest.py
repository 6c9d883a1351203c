"""What the tests of the runner share: a host of their own in a temporary folder."""

from __future__ import annotations

import dataclasses
import functools
import grp
import io
import json
import os
import pwd
import uuid
from pathlib import Path

import pytest

from hawser import resources
from hawser.runner.lock import end_leftovers, marked
from hawser.runner.processes.supervisor import Supervisor
from hawser.runner.system import System
from hawser.ssh.protocol import Exchange, Reader

from .daemons import Supervisord, WebServer, say_and_close

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name


def validated(answer, function, **arguments):
    """Return an answer as the controlling machine takes it.

    :raises ProtocolBreach: it gives the host up.
    """
    line = json.dumps({"t": "done", "id": 1, "ok": True, "answer": answer}).encode() + b"\n"
    reader = Reader("web1", functools.partial(io.BytesIO(line).read, 65536), str)
    exchange = Exchange(reader, 1, "ask", {"function": function, "arguments": arguments})
    return exchange.listen(lambda _said: None)["answer"]


RESOURCES = {each.kind: each for each in vars(resources).values() if hasattr(each, "kind")}


def whole(kind, fields):
    """Return the fields of a resource as they are sent: what a test does not give has its default."""
    found = dict(fields)
    for each in dataclasses.fields(RESOURCES[kind]):
        if each.default_factory is not dataclasses.MISSING:
            found.setdefault(each.name, each.default_factory())
        elif each.default is not dataclasses.MISSING and each.default is not None:
            found.setdefault(each.name, list(each.default) if isinstance(each.default, tuple) else each.default)
    return found


def whole_row(row):
    """Return a row of a catalog with all its resource's fields; one of no known kind is left as it is."""
    return whole(row["kind"], row) if row["kind"] in RESOURCES else row


def names(folder):
    """List what lies in a folder, hidden files too."""
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture
def system(tmp_path):
    """A host whose state lies in a temporary folder; whatever a test starts through it ends with the test."""
    (tmp_path / "state").mkdir()
    system = System(str(tmp_path / "state"), uuid.uuid4().hex)
    yield system
    if marked(system.token):
        end_leftovers(system.token)


@pytest.fixture(scope="session")
def supervisord(tmp_path_factory):
    daemon = Supervisord(tmp_path_factory.mktemp("s"))
    yield daemon
    daemon.stop()


@pytest.fixture
def supervisor(supervisord, system, monkeypatch):
    """A real supervisord without any programs, which the runner takes for the host's."""
    monkeypatch.setattr(Supervisor, "config", str(supervisord.config))
    monkeypatch.setattr(Supervisor.traits, "folder", str(supervisord.folder))
    supervisord.use(system)
    yield supervisord
    supervisord.forget_all()


@pytest.fixture
def web(tmp_path):
    """A web server on a Unix socket, and the socket's path."""
    with WebServer(tmp_path / "web.sock") as server:
        yield server
        server.shutdown()


@pytest.fixture
def serve(tmp_path):
    """Serve the same bytes to whoever asks; the socket's path comes back."""
    servers = []

    def serve(answer):
        servers.append(say_and_close(tmp_path / "serve.sock", answer))
        return str(tmp_path / "serve.sock")

    yield serve
    for server in servers:
        server.close()
