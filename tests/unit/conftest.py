"""For tests of what a run does with several hosts: a session whose hosts are no machines."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fabric.config import Config

# The steps are in the order in which `fab` knows them, whichever test comes first.
import fabfile  # noqa: F401
from hawser.errors import Unreachable
from hawser.fleet.fleet import Fleet
from hawser.host.facts import Facts
from hawser.host.release import Release
from hawser.inventory.tables.app import SIGNING_KEY
from hawser.session.connections import Connections
from hawser.session.session import Session
from hawser.signatures import JOURNAL, RELEASE

COMMIT = "c" * 40
KEPT = "1.0-12345678"
SETTINGS = """
[app]
name = "shop"
{app}
[release]
unreachable = "{unreachable}"
[processes.web]
command = "web --bind unix:{{{{ socket }}}}"
[hosts]
web1.address = "192.0.2.1"
web2.address = "192.0.2.2"
web3.address = "192.0.2.3"
"""
FETCHED = 'repo = "ssh://git@example.test/shop.git"\nrepo_host_keys = []\nagent = true'
PACKAGE = 'package = "shop"\nversion = "1.0"'


class Stage:
    """A session whose hosts are no machines; some do not answer.

    :ivar tried: the hosts to which a wire was to be opened.
    :ivar facts: what hosts say of themselves; those that say nothing keep one release.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.monkeypatch, self.folder = monkeypatch, folder
        self.tried: list[str] = []
        self.facts: dict[str, Facts] = {}
        self.inputs = ""

    def fleet(self, *silent: str, app: str = FETCHED, unreachable: str = "skip", named: str = "shop") -> Fleet:
        """Return the hosts of a new run.

        :param silent: those that do not answer.
        :param named: what stands after ``-H``.
        """
        (self.folder / "shop.toml").write_text(SETTINGS.format(app=app, unreachable=unreachable))
        (self.folder / "shop.env").write_text(f"{SIGNING_KEY}={'A' * 43}\n")
        (self.folder / "shop.env").chmod(0o600)
        self.monkeypatch.setenv("HAWSER_HOSTS", str(self.folder))

        def open_one(connections: Connections, name: str, greeting: Any, only_look: bool) -> None:
            self.tried.append(name)
            if name in silent:
                raise Unreachable(f"{name}: no answer")
            connections.wires[name] = SimpleNamespace(request=request)  # type: ignore[assignment]
            facts = self.facts.get(name, Facts(releases=(KEPT,)))
            signer = connections.run.secrets.signer  # type: ignore[attr-defined]
            if facts.journal is not None and signer is not None:
                facts = dataclasses.replace(facts, journal=signer.signed(JOURNAL, facts.journal, name))
            connections.facts[name] = facts

        def request(operation: str, arguments: Any, *more: Any) -> Any:
            return SimpleNamespace(error="", message={"answer": COMMIT, "text": self.inputs})

        self.monkeypatch.setattr(Connections, "open_one", open_one)
        session = Session(Config(), named.split(","), "deploy")
        signer = session.secrets.signer
        self.inputs = Release(KEPT, COMMIT, session.environment, session.templates).signed(signer, RELEASE)
        return Fleet(session, session.selection.hosts)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    return Stage(monkeypatch, tmp_path)
