"""The start of the helper: a greeting that nobody can replay, and requests that carry a signature each."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys

from ..files.disk import read
from ..main import Source, events, run
from .ed25519 import verifies
from .policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict

# Bytes of a request's line at most; an attacker without the key may send what he likes.
LONGEST = 1 << 26
TOKEN = re.compile("[0-9a-f]{32}")
SIGNATURE = re.compile(b"[A-Za-z0-9_-]{86}")


class SignedSource(Source):
    """Messages, each on a line of its own: its signature, a space, and itself.

    What is signed says for which environment it is, for which greeting, and which message of the session it is.

    :param public: the key, 32 bytes.
    :param context: what is signed before each message's number.
    """

    def __init__(self, stream: BinaryIO, public: bytes, context: bytes) -> None:
        super().__init__(stream)
        self.public = public
        self.context = context
        self.number = 0

    def fill(self) -> None:
        if len(self.buffer) > LONGEST:
            raise EOFError
        super().fill()

    def message(self) -> Dict[str, Any]:
        """Return the next message.

        :raises EOFError: it is not signed as it should be; nothing that follows counts.
        """
        signature, _, message = self.line().partition(b" ")
        signed = b"%s %d %s" % (self.context, self.number, hashlib.sha256(message).hexdigest().encode())
        self.number += 1
        value = base64.urlsafe_b64decode(signature + b"==") if SIGNATURE.fullmatch(signature) else b""
        if not verifies(self.public, signed, value):
            sys.stderr.write("hawser: a request without the signature of HAWSER_SIGNING_KEY\n")
            raise EOFError
        found: Dict[str, Any] = json.loads(message.decode())
        return found


def main(path: str, digest: str) -> None:
    """Serve a deploy user.

    :param path: the rules that `bootstrap` has written; see `Policy`.
    :param digest: of this runner.
    """
    rules = json.loads(read(path) or b"")
    nonce = os.urandom(16).hex()
    sink = events()
    sink.write(json.dumps({"t": "helper", "nonce": nonce, "runner": digest}).encode() + b"\n")
    sink.flush()
    context = " ".join(["hawser helper 1", rules["environment"], rules["host"], nonce]).encode()
    public = base64.urlsafe_b64decode(rules["key"] + "=")
    source = SignedSource(sys.stdin.buffer, public, context)
    try:
        hello = source.message()
    except EOFError:
        sys.exit(1)
    for name in ("application", "root", "state"):
        if hello.get(name) != rules[name]:
            sys.exit("hawser: this helper is of %s in %s" % (rules["application"], rules["root"]))
    # Names of folders are made of it.
    if not TOKEN.fullmatch(str(hello.get("token"))):
        sys.exit("hawser: a run without a token")
    run(hello, source, sink, Policy(rules))
