"""Connections: what they share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric.config import Config

from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import KnownHosts


def test_a_connection_leaves_the_configuration_alone_that_other_threads_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = Connector(Config(), KnownHosts(tmp_path / "known_hosts"))

    def merge(self: Config) -> None:
        raise AssertionError("the shared configuration is empty while it is merged anew")

    monkeypatch.setattr(Config, "merge", merge)
    assert connector.connection(Address("web1", "web1.example.org", 22, "root")).host == "web1.example.org"
    assert connector.bastion("admin@bastion.example.org:2222").port == 2222
