"""OpenSSH keys: the sandbox's own client key, and the host keys of each host."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def client_key(folder: Path) -> Path:
    """Return the sandbox's client key, made at first use; its public half lies beside it, with ``.pub``.

    It belongs to who uses it: the user who called sudo, where there is one.
    """
    path = folder / "key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        write_key(path, ed25519.Ed25519PrivateKey.generate(), "hawser-sandbox")
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    return path


def make_host_keys(folder: Path, name: str) -> tuple[str, ...]:
    """Write new host keys where sshd looks for them.

    :returns: the public halves as ``TYPE BASE64``.
    """
    kinds: dict[str, PrivateKey] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    }
    return tuple(write_key(folder / f"ssh_host_{kind}_key", key, f"root@{name}") for kind, key in kinds.items())


def write_key(path: Path, key: PrivateKey, comment: str) -> str:
    """Write a private key, readable by its owner alone, and its public half.

    The private half appears last and complete, so that an interrupted run never leaves half a key.

    :returns: the public half as ``TYPE BASE64``.
    """
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(f"{path.name}.pub").write_text(f"{public} {comment}\n")
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    fresh.rename(path)
    return public
