"""Which keys are offered, with a real agent."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from hawser.errors import HawserError
from hawser.ssh.login import Login, public_part
from hawser.ssh.options import Options

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="there is no ssh-agent")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield path
        running.terminate()


def make(path: Path, passphrase: str = "", *more: str) -> bytes:
    """Make a key; returns its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path, *more], check=True)
    return public_part(path)


def add(agent: Path, key: Path, passphrase: str = "") -> None:
    ask = key.parent / "ask"
    ask.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
    ask.chmod(0o700)
    environ = {**os.environ, "SSH_AUTH_SOCK": str(agent), "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    subprocess.run(["ssh-add", "-q", key], env=environ, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def login(agent: Path | None, *identities: Path, key: str = "", only: bool = False, **given: Any) -> Login:
    options = Options("web1", "web1", 22, "root", agent=str(agent or ""), identities=identities, only_identities=only)
    return Login(options, key, given)


def offered(one: Login) -> list[bytes]:
    with one.agent() as held:
        return [key.asbytes() for key in one.keys(held)]


def test_keys_are_offered_in_the_order_of_ssh(agent, tmp_path):
    first, second, third = (make(tmp_path / name) for name in ("a", "b", "c"))
    add(agent, tmp_path / "a")
    add(agent, tmp_path / "b")
    one = login(agent, tmp_path / "c", tmp_path / "b", tmp_path / "none")
    assert offered(one) == [second, first, third]


def test_of_nine_keys_in_the_agent_only_the_named_one_is_offered(agent, tmp_path):
    keys = [make(tmp_path / f"k{number}") for number in range(9)]
    for number in range(9):
        add(agent, tmp_path / f"k{number}")
    assert offered(login(agent, tmp_path / "k7", only=True)) == [keys[7]]
    assert len(offered(login(agent))) == 9


@pytest.mark.parametrize("form", [(), ("-m", "PEM")])
@pytest.mark.parametrize("public", [True, False])
def test_a_key_with_a_passphrase_counts_while_an_agent_has_it_open(agent, tmp_path, form, public):
    made = make(tmp_path / "locked", "secret", *form)
    if not public:
        (tmp_path / "locked.pub").unlink()
    one = login(agent, key=str(tmp_path / "locked"))
    with pytest.raises(HawserError, match=r"has a passphrase, and no agent has it open\n.*ssh-add .*locked"):
        one.require_key()
    add(agent, tmp_path / "locked", "secret")
    one.require_key()
    assert offered(one) == [made]
    assert offered(login(agent, tmp_path / "locked", only=True)) == [made]


def test_a_key_that_only_the_agent_has_is_named_by_its_public_file(agent, tmp_path):
    made = make(tmp_path / "token")
    add(agent, tmp_path / "token")
    (tmp_path / "token").unlink()
    for name in ("token", "token.pub"):
        one = login(agent, key=str(tmp_path / name))
        one.require_key()
        assert offered(one) == [made]


def test_a_passphrase_that_is_given_opens_the_keys_that_have_one(tmp_path):
    locked, plain = make(tmp_path / "locked", "secret"), make(tmp_path / "plain")
    assert offered(login(None, tmp_path / "plain", tmp_path / "locked", passphrase="secret")) == [plain, locked]
    assert offered(login(None, tmp_path / "locked", passphrase="wrong")) == []


def test_keys_of_the_command_line_come_first(tmp_path):
    first, second = make(tmp_path / "a"), make(tmp_path / "b")
    assert offered(login(None, tmp_path / "b", key_filename=[str(tmp_path / "a")])) == [first, second]


def test_a_key_that_stays_shut_is_named_after_a_refusal(tmp_path):
    make(tmp_path / "locked", "secret")
    one = login(None, tmp_path / "locked")
    assert offered(one) == [] and f"ssh-add {tmp_path}/locked, which has a passphrase" in one.advice()


def test_an_agent_that_nobody_answers_for_holds_no_key(tmp_path):
    made = make(tmp_path / "a")
    assert offered(login(tmp_path / "nobody", tmp_path / "a")) == [made]


@pytest.mark.parametrize("held", [True, False])
def test_a_key_is_offered_with_its_certificate(agent, tmp_path, held):
    make(tmp_path / "ca")
    make(tmp_path / "mine")
    sign = ["ssh-keygen", "-q", "-s", tmp_path / "ca", "-I", "me", "-n", "root", tmp_path / "mine.pub"]
    subprocess.run(sign, check=True, capture_output=True)
    if held:
        add(agent, tmp_path / "mine")
    one = login(agent, tmp_path / "mine", only=True)
    with one.agent() as keys:
        blobs = [key.public_blob for key in one.keys(keys)]
    assert blobs and all(isinstance(each, paramiko.pkey.PublicBlob) for each in blobs)
    assert {each.key_type for each in blobs if each is not None} == {"ssh-ed25519-cert-v01@openssh.com"}


def test_a_key_of_the_command_line_is_offered_before_the_only_one_of_the_settings(agent, tmp_path):
    typed, named, other = (make(tmp_path / name) for name in ("a", "b", "c"))
    add(agent, tmp_path / "c")
    options = Options("web1", "web1", 22, "root", agent=str(agent))
    one = Login(options, str(tmp_path / "b"), {"key_filename": [str(tmp_path / "a")]}, [tmp_path / "a"])
    one.require_key()
    assert offered(one) == [typed, named] and other not in offered(one)


def test_a_key_of_the_command_line_that_cannot_be_used_is_told_before_anybody_is_asked(tmp_path):
    (tmp_path / "a").write_text("no key")
    one = Login(Options("web1", "web1", 22, "root"), "", {}, [tmp_path / "a"])
    with pytest.raises(HawserError, match=f"the private key {tmp_path}/a cannot be used"):
        one.require_key()
