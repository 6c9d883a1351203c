"""The way to a host, as it travels."""

from __future__ import annotations

import json
from pathlib import Path

import paramiko
import pytest
from fabric.config import Config

from hawser.errors import HawserError
from hawser.session.workers import route
from hawser.session.workers.keys import Ring
from hawser.ssh.connect import Address, Connector
from hawser.ssh.hostkeys import HostKeyRefused, KnownHosts

KEY, HOST_KEY, AUTHORITY, OTHER = (paramiko.ECDSAKey.generate() for _ in range(4))
HELLO = {"application": "shop"}


@pytest.fixture
def connector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connector:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    KEY.write_private_key_file(str(tmp_path / "ours"))
    lines = [f"{name} {HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n" for name in ("web1.example.org", "gate")]
    lines.append(f"@cert-authority *.example.org {AUTHORITY.get_name()} {AUTHORITY.get_base64()}\n")
    (tmp_path / "known_hosts").write_text("".join(lines))
    overrides = {"connect_kwargs": {"passphrase": "a passphrase", "timeout": 7, "password": "a password"}}
    return Connector(Config(overrides=overrides), KnownHosts(tmp_path / "known_hosts"))


def address(jump: str | None = None, **more: object) -> Address:
    own = {"key": str(Path.home() / "ours"), "sudo_password": "let me", "target": "shop/web1", **more}
    return Address("web1", "web1.example.org", 0, "deploy", jump=jump, **own)  # type: ignore[arg-type]


def travelled(connector: Connector, where: Address) -> tuple[bytes, route.Route]:
    way, _rings = route.plan(connector, where, HELLO, lambda each: Ring(connector.login(each)))
    data = route.to_bytes(way)
    return data, route.from_bytes(data)


def test_a_worker_goes_by_what_is_written_here(connector):
    (Path.home() / ".ssh" / "config").write_text("Host gate\n  HostName 192.0.2.7\n  Port 2222\n  User me\n")
    _data, found = travelled(connector, address("gate"))
    assert [(hop.options.host, hop.options.port, hop.options.user) for hop in found.hops] == [
        ("192.0.2.7", 2222, "me"),
        ("web1.example.org", 22, "deploy"),
    ]
    assert found.host.address.sudo_password == "let me" and found.hello == HELLO
    assert found.host.address.connect_timeout == found.given["timeout"] == 7
    assert [lent.blob for lent in found.host.keys] == [KEY.asbytes()]


def test_a_worker_trusts_the_keys_that_are_trusted_here_and_no_other(connector):
    trust = travelled(connector, address())[1].host.trust
    trust.check(HOST_KEY)
    assert [line.marker for line in trust.lines] == ["", "@cert-authority"] and trust.lines[1].key == AUTHORITY
    assert trust.transport is not None and trust.kinds() == connector.trust(address()).kinds()
    with pytest.raises(HostKeyRefused, match="HAS CHANGED") as refused:
        trust.check(OTHER)
    assert str(refused.value).endswith("fab -H shop/web1 trust")


def test_a_pinned_key_is_the_only_one_there_too(connector):
    trust = travelled(connector, address(host_key=f"{OTHER.get_name()} {OTHER.get_base64()}"))[1].host.trust
    trust.check(OTHER)
    with pytest.raises(HostKeyRefused):
        trust.check(HOST_KEY)


def test_revoked_keys_go_along(connector):
    (Path.home() / "revoked").write_text(f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n")
    (Path.home() / ".ssh" / "config").write_text("Host web1.example.org\n  RevokedHostKeys ~/revoked\n")
    assert travelled(connector, address())[1].host.revoked == (Path.home() / "revoked").read_bytes()


def test_no_private_key_travels_and_no_passphrase_nor_a_path_of_this_machine(connector):
    data, _found = travelled(connector, address("gate"))
    private = (Path.home() / "ours").read_text().splitlines()[1:-1]
    assert not [line for line in [*private, "a passphrase", str(Path.home() / "ours")] if line in data.decode()]
    assert json.loads(data)["hops"][0]["address"]["sudo_password"] == ""


def test_a_program_of_this_machine_is_no_way_for_a_worker(connector):
    (Path.home() / ".ssh" / "config").write_text("Host web1.example.org\n  ProxyCommand nc %h %p\n")
    with pytest.raises(HawserError, match=r"(?s)ProxyCommand.*program of this machine.*without HAWSER_ENGINE"):
        travelled(connector, address())


def test_the_agent_of_this_machine_is_none_of_a_worker(connector):
    with pytest.raises(HawserError, match=r"`app.agent`.*a worker has not got; next: a deploy key"):
        travelled(connector, address(forward_agent=True))


def test_a_helper_is_spoken_with_from_the_machine_that_signs(connector):
    told = r"by no worker; next: the same command without HAWSER_ENGINE, or with --as-admin"
    with pytest.raises(HawserError, match=told):
        travelled(connector, address(helper="/usr/local/sbin/hawser-shop"))
