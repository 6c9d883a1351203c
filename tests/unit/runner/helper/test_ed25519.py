import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hawser.runner.helper.ed25519 import ORDER, P, verifies

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_signatures_of_the_standard_are_right(public, message, signature):
    assert verifies(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@pytest.fixture
def signed():
    key, message = Ed25519PrivateKey.generate(), os.urandom(100)
    return key.public_key().public_bytes_raw(), message, key.sign(message)


def test_a_signature_is_right_for_its_own_message_and_key_alone(signed):
    public, message, signature = signed
    assert verifies(public, message, signature)
    assert not verifies(public, message + b"\n", signature)
    assert not verifies(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), message, signature)
    for position in range(64):
        wrong = bytearray(signature)
        wrong[position] ^= 1
        assert not verifies(public, message, bytes(wrong))


def test_a_signature_has_one_form_only(signed):
    public, message, signature = signed
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not verifies(public, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "public", [b"", bytes(31), P.to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little"), b"\2" + bytes(31)]
)
def test_what_is_no_key_has_no_signatures(public, signed):
    _public, message, signature = signed
    assert not verifies(public, message, signature)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), b"\xff" * 64])
def test_what_is_no_signature_is_none(signature, signed):
    public, message, _signature = signed
    assert not verifies(public, message, signature)
