"""For tests of what a run does with several hosts."""

from __future__ import annotations

import functools
import hashlib
import socket
import socketserver
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from hawser import installed
from hawser.host.release import Release
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.signatures import RELEASE
from hawser.templates.compiled import COMPILED

from .simulated_hosts import COMMITS, NAME, ROOT, World

KEPT = "1.0-12345678"
TEXT = """\
[app]
name = "pier"
{app}
[release]
unreachable = "{unreachable}"
[processes.web]
groups = ["web"]
command = "web"
port = 8001
[hosts]
{hosts}
"""
FETCHED = 'repo = "ssh://git@example.test/pier.git"\nrepo_host_keys = []\nagent = true'
PACKAGE = 'package = "pier"\nversion = "1.0"'

# Slow on purpose, and a function of what it is given: hundreds of runs here have the same few secrets.
hashlib.scrypt = functools.cache(hashlib.scrypt)

# Seconds that a server here waits for a connection which has ended since it was announced; whoever shuts it down waits
# as long, and without an end it would be for ever.
GONE = 0.2


def get_request(server: socketserver.TCPServer) -> tuple[socket.socket, object]:
    """Take the connection that was announced.

    :raises TimeoutError: it has ended; the server goes on.
    """
    server.socket.settimeout(GONE)
    return server.socket.accept()


socketserver.TCPServer.get_request = get_request  # type: ignore[method-assign]

# The user's own cache is none of the tests'.
COMPILED.folder = None
installed.own_folder = lambda name: None


@pytest.fixture
def own_time(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what gives one module a clock of its own: the process's belongs to threads of other tests too."""

    def give(module: ModuleType, **functions: Callable[..., object]) -> None:
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), **functions}))

    return give


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Three hosts that keep one release, which none of them serves; those that do not answer may be left out."""
    world = World(monkeypatch, tmp_path, TEXT, app=FETCHED, unreachable="skip")
    (tmp_path / f"{NAME}.env").write_text(f"{SIGNING_KEY}={'A' * 43}\n")
    (tmp_path / f"{NAME}.env").chmod(0o600)
    world.fleet(web1="web", web2="web", web3="web")
    session = world.fleet_of().session
    kept = Release(KEPT, COMMITS["a"], session.environment, session.templates).signed(session.secrets.signer, RELEASE)
    for host in world.hosts.values():
        host.files[f"{ROOT}/releases/{KEPT}/release.json"] = kept
    return world
