"""Public keys that people log in with: real ones, alone on their line, and never a private one."""

from __future__ import annotations

import base64
import struct
import subprocess

import pytest
from pydantic import TypeAdapter, ValidationError

from hawser.inventory.problems import findings_of
from hawser.inventory.values.keys import KINDS, LoginKeys

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
KEYS: TypeAdapter[tuple[str, ...]] = TypeAdapter(LoginKeys)


def key_of(kind: str, *parts: bytes) -> str:
    """Return a public key of these parts (RFC 4251, section 5)."""
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (kind.encode(), *parts))
    return f"{kind} {base64.b64encode(blob).decode()}"


def made(folder, *options: str) -> str:
    """Return a public key that `ssh-keygen` has made."""
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / "key", "-C", "ann at desk", *options], check=True)
    return (folder / "key.pub").read_text().strip()


def refused(*keys: object) -> str:
    """Return what is said of keys, as the user gets it."""
    with pytest.raises(ValidationError) as caught:
        KEYS.validate_python(list(keys))
    return "; ".join(f"{each.message} | {each.hint}" for each in findings_of(caught.value))


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"),
        ("-t", "rsa", "-b", "2048"),
        *(("-t", "ecdsa", "-b", bits) for bits in ("256", "384", "521")),
    ],
    ids=" ".join,
)
def test_a_key_that_ssh_keygen_makes_is_taken_with_its_comment(tmp_path, options):
    key = made(tmp_path, *options)
    assert KEYS.validate_python([key]) == (key,)
    assert key.endswith("ann at desk") and key.split()[0] in KINDS


@pytest.mark.parametrize(
    "key",
    [
        key_of("sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:"),
        key_of("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\x04" + b"k" * 64, b"ssh:"),
    ],
    ids=lambda key: key.split()[0],
)
def test_a_key_on_a_token_is_taken(key):
    assert KEYS.validate_python([key]) == (key,)


def test_a_private_key_is_refused_and_not_shown(tmp_path):
    made(tmp_path, "-t", "ed25519")
    text = (tmp_path / "key").read_text()
    for given in ([text], [text.replace("\n", " ")]):
        said = refused(*given)
        assert "is a private key, and whoever can read this file can log in with it" in said
        assert text.splitlines()[2] not in said
    with pytest.raises(ValidationError) as caught:
        KEYS.validate_python(text)
    assert text.splitlines()[2] not in str([(each.message, each.hint) for each in findings_of(caught.value)])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (f'command="rm -rf /" {ED25519}', "has options before the key"),
        (f"restrict,port-forwarding {ED25519}", "has options before the key"),
        (ED25519[:-8], "is no whole key: its data is not that of a ssh-ed25519"),
        (f"{ED25519}AAAA", "is no whole key"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "is no whole key: its data is not that of a ssh-rsa"),
        ("ssh-ed25519 not-base64", "is no whole key"),
        (key_of("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 128), "is an RSA key of 1024 bits | at least 2048"),
        (key_of("ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"k" * 63), "is no whole key"),
        (key_of("ssh-dss", b"p", b"q", b"g", b"y"), "is no public key that people log in with"),
        (key_of("ssh-ed25519-cert-v01@openssh.com", b"x"), "is no public key that people log in with"),
        ("~/.ssh/id_ed25519.pub", "is no public key that people log in with"),
        (f"{ED25519}\n{ED25519}", "must be a single line"),
    ],
)
def test_what_is_no_plain_public_key_is_refused_with_the_reason(key, said):
    assert said in refused(key)


def test_all_wrong_keys_are_named_at_once():
    said = refused("nothing", ED25519, f'command="x" {ED25519}')
    assert "is no public key" in said and "has options" in said


def test_somebody_has_a_key_once_whatever_its_comment_is():
    assert "the key 2 stands here twice" in refused(f"{ED25519} ann@desk", f"{ED25519} ann@lap")


def test_somebody_without_a_key_is_refused():
    assert "must not be empty" in refused()
