"""Public keys that people log in with, as a line of ``authorized_keys`` has them, without options."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from ..base import InvalidValue, Shape
from .types import Line, some

# Bits; what NIST SP 800-57 gives no time beyond 2030.
SHORTEST_RSA = 2048
CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
HINT = 'the one line of the file that ends with .pub: "ssh-ed25519 AAAA… ann@desk"'


def _is_edwards(parts: list[bytes]) -> bool:
    return len(parts) == 1 and len(parts[0]) == 32


def _is_rsa(parts: list[bytes]) -> bool:
    if len(parts) != 2:
        return False
    bits = int.from_bytes(parts[1], "big").bit_length()
    if bits < SHORTEST_RSA:
        raise InvalidValue(
            f"is an RSA key of {bits} bits", f"at least {SHORTEST_RSA}; `ssh-keygen -t ed25519` makes one"
        )
    return True


def _is_point(parts: list[bytes]) -> bool:
    if len(parts) != 2:
        return False
    length = CURVES.get(parts[0].decode("ascii", "replace"))
    return length == len(parts[1]) and parts[1][:1] == b"\x04"


# By type, whether the parts behind its name are those of such a key. Sources: RFC 4253, 5656, 8709; for keys on a token
# OpenSSH's PROTOCOL.u2f.
KINDS: dict[str, Callable[[list[bytes]], bool]] = {
    "ssh-ed25519": _is_edwards,
    "ssh-rsa": _is_rsa,
    **{f"ecdsa-sha2-{curve}": _is_point for curve in CURVES},
    "sk-ssh-ed25519@openssh.com": lambda parts: len(parts) == 2 and _is_edwards(parts[:1]),
    "sk-ecdsa-sha2-nistp256@openssh.com": lambda parts: len(parts) == 3 and _is_point(parts[:2]),
}


def _parts(blob: bytes) -> list[bytes]:
    """Part a key into the strings that it is made of (RFC 4251, section 5)."""
    found = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError
        found.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return found


def _login_key(text: str) -> str:
    words = text.split()
    known = [position for position, word in enumerate(words[:-1]) if word in KINDS]
    if not known:
        raise InvalidValue("is no public key that people log in with", f"{HINT}; types: {', '.join(KINDS)}")
    if known[0]:
        raise InvalidValue("has options before the key", f"write the key alone; {HINT}")
    try:
        kind, *parts = _parts(base64.b64decode(words[1], validate=True))
        right = kind == words[0].encode() and KINDS[words[0]](parts)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, InvalidValue):
            raise
        right = False
    if not right:
        raise InvalidValue(f"is no whole key: its data is not that of a {words[0]}", HINT)
    return " ".join(words)


def _not_private(value: object) -> object:
    """Refuse a private key before anything is said of it that would show it."""
    if isinstance(value, str) and "PRIVATE KEY" in value:
        raise InvalidValue(
            "is a private key, and whoever can read this file can log in with it",
            f"take it out, make another pair, and write {HINT}",
        )
    return value


def _listed(value: object) -> object:
    if isinstance(value, str):
        _not_private(value)
        raise InvalidValue("must be a list", 'as in keys = ["ssh-ed25519 AAAA… ann@desk"]')
    return value


def blob_of(key: str) -> str:
    """Return a key without its comment: what tells it from others."""
    return " ".join(key.split()[:2])


def _different(keys: tuple[str, ...]) -> tuple[str, ...]:
    for position, key in enumerate(keys):
        if blob_of(key) in map(blob_of, keys[:position]):
            raise InvalidValue(f"the key {position + 1} stands here twice")
    return keys


LoginKey = Annotated[Line, BeforeValidator(_not_private), AfterValidator(_login_key), Shape("public key")]
LoginKeys = Annotated[
    tuple[LoginKey, ...],
    BeforeValidator(_listed),
    AfterValidator(some),
    AfterValidator(_different),
    Shape("list: public key"),
]
