"""The part of an age file that is not encrypted: for which keys it is.

The format is that of age-encryption.org/v1. A stanza for an SSH key has a tag, the beginning of a digest of the public
key; one for a key of age itself says nothing of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

BEGIN, END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
_MAGIC = b"openssh-key-v1\0"
# Of a header: far more keys than any team has.
_MOST = 1 << 18


def stanzas(data: bytes) -> tuple[tuple[str, ...], ...]:
    """Return the words behind ``->`` of each stanza; none of what is no file of age."""
    lines = _binary(data)[:_MOST].split(b"\n")
    found = []
    for line in lines[1:] if lines[0] == b"age-encryption.org/v1" else ():
        if line.startswith(b"---"):
            break
        if line.startswith(b"-> "):
            found.append(tuple(line[3:].decode("ascii", "replace").split(" ")))
    return tuple(found)


def tag(public: str) -> tuple[str, str]:
    """Return type and tag of the stanzas for an SSH key; empty texts for what is no public key.

    :param public: type and data, as in ``authorized_keys``.
    """
    kind, _, data = public.strip().partition(" ")
    try:
        blob = base64.b64decode(data.split()[0], validate=True)
    except (binascii.Error, IndexError, ValueError):
        return "", ""
    return kind, base64.b64encode(hashlib.sha256(blob).digest()[:4]).decode().rstrip("=")


def public_half(private: bytes) -> str:
    """Return the public half that a private key of OpenSSH shows, also one with a passphrase; empty for others."""
    body = b"".join(line for line in private.split(b"\n") if not line.startswith(b"-----"))
    try:
        rest = base64.b64decode(body)
    except (binascii.Error, ValueError):
        return ""
    if not rest.startswith(_MAGIC):
        return ""
    rest = rest[len(_MAGIC) :]
    for _part in ("cipher", "kdf", "options of the kdf"):
        rest = _after(rest)
    # How many keys there are: one.
    blob = _first(rest[4:])
    kind = _first(blob).decode("ascii", "replace")
    return f"{kind} {base64.b64encode(blob).decode()}" if kind else ""


def _binary(data: bytes) -> bytes:
    if not data.lstrip().startswith(BEGIN):
        return data
    body = data.strip().removeprefix(BEGIN).removesuffix(END)
    try:
        return base64.b64decode(b"".join(body.split()))
    except (binascii.Error, ValueError):
        return b""


def _first(data: bytes) -> bytes:
    """Return the text at the beginning (RFC 4251, 5), as far as there is one."""
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def _after(data: bytes) -> bytes:
    return data[4 + int.from_bytes(data[:4], "big") :]
