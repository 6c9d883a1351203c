"""Signatures under records that hosts keep: only those that carry one of ours are used for more than a look.

The key is Ed25519 (RFC 8032). It lies in ``NAME.env`` of those who deploy and is never on a host; its public half is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# What is signed, each for itself: nothing can be taken for something else.
RELEASE, ROLLOUT, JOURNAL, PLAN, BOOTSTRAP = "release", "rollout", "journal", "plan", "bootstrap"
_KEY = re.compile("[A-Za-z0-9_-]{43}")
# Added by the host, after the signature.
_LATER = ("signature", "since")


class Standing(Enum):
    """The worth of a signature; the value ends a sentence that begins with the name of a file."""

    OURS = "was written by us"
    ACCEPTED = "was there before it could be signed, and counts for this host alone"
    UNSIGNED = "has no signature: an older Hawser wrote it, or somebody else"
    OTHER_KEY = "was signed with another key than HAWSER_SIGNING_KEY"
    WRONG = "does not fit its signature: it was altered, or belongs elsewhere"


def make_key() -> str:
    """Return a new private key, in the form in which ``NAME.env`` holds it."""
    return _text(Ed25519PrivateKey.generate().private_bytes_raw())


def is_key(text: str) -> bool:
    """Tell whether a text is a private key."""
    return bool(_KEY.fullmatch(text))


def identity(public: str) -> str:
    """Return a short name for a public key, for messages."""
    return hashlib.sha256(public.encode()).hexdigest()[:12]


class Signer:
    """Signs the records that the hosts of one environment keep, and judges those that they show.

    :param environment: its name; what is signed for one is worth nothing in another, even with the same key.
    :param key: what `make_key` returned.
    """

    def __init__(self, environment: str, key: str) -> None:
        self.environment = environment
        self.key = key

    def __repr__(self) -> str:
        return f"Signer({self.environment}: {self.identity})"

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(self.key + "="))

    @cached_property
    def public(self) -> str:
        """The public key, as hosts keep it."""
        return _text(self._private.public_key().public_bytes_raw())

    @cached_property
    def identity(self) -> str:
        """The short name of the public key."""
        return identity(self.public)

    def signed(
        self, kind: str, content: Mapping[str, object], host: str = "", accepted: bool = False
    ) -> dict[str, object]:
        """Return some content, which JSON can hold, with its signature.

        :param kind: one of `RELEASE`, `ROLLOUT`, `JOURNAL`, `PLAN`, `BOOTSTRAP`.
        :param host: the only host for which it counts; empty: all of the environment.
        :param accepted: we have not written it, but let it count.
        """
        value = self._private.sign(self._message(kind, content, host, accepted))
        signature = {"key": self.identity, "host": host, "accepted": accepted, "value": _text(value)}
        return {**{name: each for name, each in content.items() if name not in _LATER}, "signature": signature}

    def judge(self, kind: str, content: Mapping[str, object], host: str) -> Standing:
        """Judge a record that a host keeps.

        :param content: as JSON has it; anything a host may say.
        """
        found = content.get("signature")
        if found is None:
            return Standing.UNSIGNED
        if not isinstance(found, Mapping) or found.get("key") != self.identity:
            return Standing.OTHER_KEY
        bound, accepted = found.get("host"), found.get("accepted")
        # A journal tells of one host only.
        if bound not in ((host,) if kind == JOURNAL or accepted else ("", host)) or not isinstance(accepted, bool):
            return Standing.WRONG
        try:
            value = base64.urlsafe_b64decode(str(found.get("value")) + "==")
            self._private.public_key().verify(value, self._message(kind, content, str(bound), accepted))
        except (InvalidSignature, ValueError, binascii.Error, RecursionError):
            return Standing.WRONG
        return Standing.ACCEPTED if accepted else Standing.OURS

    def digest(self, text: str) -> str:
        """Return a digest of a text by which nobody can find out the text who has not the key."""
        own = hashlib.sha256(b"hawser digest " + self.key.encode()).digest()
        return hmac.new(own, text.encode(), hashlib.sha256).hexdigest()

    def for_helper(self, host: str, nonce: str) -> SignedSession:
        """Return what signs requests to the helper of a host.

        :param nonce: what it has greeted with.
        """
        return SignedSession(self._private, f"hawser helper 1 {self.environment} {host} {nonce}".encode())

    def _message(self, kind: str, content: Mapping[str, object], host: str, accepted: bool) -> bytes:
        # The order of keys counts, for that of tables means something (which process comes first).
        body = {name: each for name, each in content.items() if name not in _LATER}
        return json.dumps(["hawser", 1, self.environment, kind, host, accepted, body], separators=(",", ":")).encode()


class SignedSession:
    """Signs the messages to one helper, in their order; see `hawser.runner.helper.entry`.

    :param context: what is signed before each message's number.
    """

    def __init__(self, private: Ed25519PrivateKey, context: bytes) -> None:
        self._private = private
        self._context = context
        self._number = 0

    def line(self, message: bytes) -> bytes:
        """Return a message with its signature before it."""
        signed = b"%s %d %s" % (self._context, self._number, hashlib.sha256(message).hexdigest().encode())
        self._number += 1
        return _text(self._private.sign(signed)).encode() + b" " + message


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Kept:
    """One thing that a host keeps.

    :param kind: `RELEASE`, `ROLLOUT`, `JOURNAL` or `BOOTSTRAP`.
    :param content: what is in it, as JSON has it; empty where it cannot be read.
    """

    host: str
    kind: str
    path: str
    release: str
    content: Mapping[str, object]
    standing: Standing

    @property
    def sentence(self) -> str:
        """A sentence about its standing."""
        return f"{self.host}: {self.path} {self.standing.value}"
