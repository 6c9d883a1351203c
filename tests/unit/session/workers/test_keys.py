"""Logins from a worker, with keys that stay here."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from hawser.errors import HawserError
from hawser.session.workers.keys import Lent, LentKey, LentLogin, Ring, is_login
from hawser.ssh.login import Login
from hawser.ssh.options import Options

KEY, OTHER = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()


def login(user: str = "root", service: str = "ssh-connection", key: paramiko.PKey = KEY, kind: int = 50) -> bytes:
    """Return what is signed to log in (RFC 4252, section 7)."""
    message = paramiko.Message()
    message.add_string(b"session")
    message.add_byte(bytes([kind]))
    for text in (user, service, "publickey"):
        message.add_string(text)
    message.add_boolean(True)
    message.add_string(key.get_name())
    message.add_string(key.asbytes())
    return bytes(message.asbytes())


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    KEY.write_private_key_file(str(tmp_path / "ours"))
    return Ring(Login(Options("web1", "web1", 22, "root"), str(tmp_path / "ours"), {"passphrase": "hidden"}))


def test_a_login_of_ours_is_signed(ring):
    signature = ring.sign(0, login(), "", {"root"})
    assert KEY.verify_ssh_sig(login(), paramiko.Message(signature))


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        pytest.param(0, {"user": "admin"}, id="another user"),
        pytest.param(0, {"service": "ssh-userauth"}, id="another service"),
        pytest.param(0, {"key": OTHER}, id="another key"),
        pytest.param(0, {"kind": 51}, id="another kind of message"),
        pytest.param(1, {}, id="a key that is not there"),
        pytest.param(-1, {}, id="a key counted from the end"),
    ],
)
def test_no_login_but_ours_is_signed(ring, number, changed):
    with pytest.raises(HawserError, match="no login of ours"):
        ring.sign(number, login(**changed), "", {"root"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda ours: ours + b"x", id="a byte more"),
        pytest.param(lambda ours: ours[:-1], id="a byte less"),
        pytest.param(lambda ours: b"", id="nothing"),
        pytest.param(lambda ours: b"any other text, as one signs a commit", id="a text"),
    ],
)
def test_nothing_but_a_login_is_signed(ring, change):
    with pytest.raises(HawserError, match="no login of ours"):
        ring.sign(0, change(login()), "", {"root"})


def test_a_worker_knows_no_private_key_and_no_passphrase(ring, tmp_path):
    said = repr(Lent.of(ring.keys[0]).to_json())
    private = (tmp_path / "ours").read_text().splitlines()[1:-1]
    assert KEY.get_base64()[:40] in said
    assert not [line for line in private if line in said] and "hidden" not in said


def test_a_lent_key_signs_as_the_key_itself(ring):
    key = LentKey(Lent.of(KEY), lambda data, algorithm: ring.sign(0, data, algorithm, {"root"}))
    assert key.asbytes() == KEY.asbytes() and key.get_name() == KEY.get_name()
    assert KEY.verify_ssh_sig(login(), paramiko.Message(key.sign_ssh_data(login())))


def test_a_certificate_goes_along_with_its_key():
    key = paramiko.ECDSAKey.generate()
    key.public_blob = paramiko.pkey.PublicBlob("ecdsa-sha2-nistp256-cert-v01@openssh.com", b"signed by somebody")
    lent = LentKey(Lent.of(key), lambda data, algorithm: b"")
    assert (lent.public_blob.key_type, lent.public_blob.key_blob) == (key.public_blob.key_type, b"signed by somebody")
    assert is_login(login(key=key), {"root"}, key)


def test_nobody_at_a_worker_is_asked_for_a_second_factor():
    lent = LentLogin(Options("web1", "web1", 22, "root"), [], [], None, lambda number, data, algorithm: b"")
    with pytest.raises(paramiko.AuthenticationException, match="nobody is at its worker"):
        lent.give_second(None)  # type: ignore[arg-type]
