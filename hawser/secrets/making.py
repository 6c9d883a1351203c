"""Secrets that Hawser makes, and how a person makes one of the same kind."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets as random
import string
import uuid
from collections.abc import Callable, Mapping

# What a generated secret may look like, by the name of `env.formats`; each has at least 122 random bits.
FORMATS: Mapping[str, Callable[[], str]] = {
    "token": lambda: random.token_urlsafe(48),
    "hex": lambda: random.token_hex(32),
    "sha256": lambda: hashlib.sha256(os.urandom(2048)).hexdigest(),
    "uuid": lambda: str(uuid.uuid4()),
    "base64": lambda: base64.b64encode(random.token_bytes(32)).decode(),
    "alphanumeric": lambda: "".join(random.choice(string.ascii_letters + string.digits) for _ in range(50)),
}
# How a person makes one of the same kind, to be put where Hawser cannot write; nothing is shown but the lines.
RECIPES: Mapping[str, str] = {
    "token": "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
    "hex": "openssl rand -hex 32",
    "sha256": "openssl rand -hex 32",
    "uuid": "python3 -c 'import uuid; print(uuid.uuid4())'",
    "base64": "openssl rand -base64 32",
    "alphanumeric": "python3 -c 'import secrets, string; "
    'print("".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(50)))\'',
}
# Of the key that signs: `hawser.signatures` reads these 43 characters.
KEY_RECIPE = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
