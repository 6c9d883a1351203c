"""Names of hosts, and names on the machine that are derived from them."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hawser.errors import HawserError
from hawser.sandbox import SandboxSpec
from hawser.sandbox.model import DEFAULT_FOLDER, Address, Instance, current_instance

DEFAULT = Instance(DEFAULT_FOLDER, DEFAULT_FOLDER)
OTHER = Instance(Path("/srv/other"), DEFAULT_FOLDER)


@pytest.mark.parametrize("name", ["", "-web", "web-", "Web1", "web_1", "web.1", "../web", "a" * 41])
def test_a_name_that_cannot_be_a_hostname_is_refused(name: str) -> None:
    with pytest.raises(HawserError, match="no host name"):
        SandboxSpec(name)


@pytest.mark.parametrize(
    "spec",
    [
        SandboxSpec("web1"),
        SandboxSpec("db-2", python=False),
        SandboxSpec("app", release="trixie"),
        SandboxSpec("app", python=False, release="noble"),
    ],
)
def test_a_wanted_host_survives_being_written_and_read(spec: SandboxSpec) -> None:
    assert SandboxSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("word", ["web1=Trixie", "web1=trixie,noble", "web1=../x", "web1=12"])
def test_what_is_no_code_name_is_refused(word: str) -> None:
    with pytest.raises(HawserError, match="no code name of a release"):
        SandboxSpec.parse(word)


def test_two_sandboxes_share_no_name() -> None:
    assert DEFAULT.bridge == "hawser0"
    assert DEFAULT.bridge != OTHER.bridge
    assert DEFAULT.table != OTHER.table
    assert not OTHER.prefix.startswith(DEFAULT.prefix)
    assert DEFAULT.place("web1").machine != OTHER.place("web1").machine


def test_the_bridges_name_is_short_enough_for_linux() -> None:
    assert len(OTHER.bridge) <= 15


def test_the_state_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAWSER_SANDBOX", str(tmp_path))
    monkeypatch.delenv("HAWSER_SANDBOX_BASE", raising=False)
    assert current_instance() == Instance(tmp_path, tmp_path)


def test_images_may_be_shared_by_sandboxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAWSER_SANDBOX", str(tmp_path))
    monkeypatch.setenv("HAWSER_SANDBOX_BASE", "/srv/images")
    assert current_instance().shared == Path("/srv/images")


def test_hosts_are_numbered_after_the_machine() -> None:
    address = Address(IPv4Network("10.213.7.0/24"), 2)
    assert (address.gateway, address.host) == ("10.213.7.1", "10.213.7.2")
