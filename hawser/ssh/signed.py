"""Certificates of hosts, as authorities of OpenSSH sign them (PROTOCOL.certkeys)."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import paramiko

SUFFIX = "-cert-v01@openssh.com"
# The kind that is no user's.
OF_HOST = 2
# Fields of the public key itself, by the beginning of its type.
FIELDS = {"ssh-rsa": 2, "ecdsa-sha2-": 2, "ssh-ed25519": 1}
FOREVER = (1 << 64) - 1


@dataclass(frozen=True)
class Certificate:
    """What an authority has signed about a key.

    :param authority: the key that has signed.
    :param names: the hosts that it is good for, which may hold wildcards; empty: any.
    :param begins, ends: seconds since 1970.
    :param critical: options that nobody may pass over.
    """

    authority: paramiko.PKey
    kind: int
    title: str
    names: tuple[str, ...]
    begins: int
    ends: int
    critical: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, blob: bytes) -> Certificate:
        """Read a certificate.

        :raises ValueError: it is none, or of a kind that is not known.
        """
        message = paramiko.Message(blob)
        kind = message.get_text().removesuffix(SUFFIX)
        fields = next((count for start, count in FIELDS.items() if kind.startswith(start)), 0)
        if not fields:
            raise ValueError(f"a certificate of the kind {kind}")
        # The nonce, and the key.
        for _ in range(1 + fields):
            message.get_string()
        message.get_int64()
        of, title = message.get_int(), message.get_text()
        names = tuple(_texts(message.get_binary()))
        begins, ends = message.get_int64(), message.get_int64()
        critical = message.get_binary()
        # Extensions, and what is reserved.
        message.get_string(), message.get_string()
        authority = message.get_binary()
        signed, signature = message.get_so_far(), message.get_binary()
        if paramiko.Message(authority).get_text().endswith(SUFFIX) or message.get_remainder():
            raise ValueError("a certificate that is not well formed")
        return cls(public_key(authority), of, title, names, begins, ends, critical, signed, signature)

    def problem(self, name: str) -> str:
        """Return why it does not prove that a host is the one of this name; empty: it does.

        Its authority is one that counts for this name.
        """
        now = time.time()
        if not self.authority.verify_ssh_sig(self.signed, paramiko.Message(self.signature)):
            return "its signature is wrong"
        if self.kind != OF_HOST:
            return "it is no host's"
        if self.critical:
            return "it has options that are not known here"
        if self.names and not any(fits(each, name) for each in self.names):
            return f"it is for {', '.join(self.names)}"
        if now < self.begins:
            return f"it begins on {_day(self.begins)}"
        if self.ends != FOREVER and now >= self.ends:
            return f"it has ended on {_day(self.ends)}"
        return ""


def fits(pattern: str, name: str) -> bool:
    """Tell whether a name is one of a pattern with ``*`` and ``?``, as OpenSSH has them."""
    return bool(_expression(pattern.lower()).fullmatch(name.lower()))


@functools.lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each) or re.escape(each) for each in pattern))


def public_key(blob: bytes) -> paramiko.PKey:
    """Return the key of a blob, which may be a certificate.

    :raises ValueError: it is none, or of a kind that is not known.
    """
    try:
        return paramiko.PKey.from_type_string(paramiko.Message(blob).get_text().removesuffix(SUFFIX), blob)
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError) as error:
        raise ValueError(f"no public key: {error}") from None


def _texts(data: bytes) -> Iterator[str]:
    message = paramiko.Message(data)
    while message.get_remainder():
        yield message.get_text()


def _day(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (OverflowError, ValueError):
        return "a day that no clock knows"
