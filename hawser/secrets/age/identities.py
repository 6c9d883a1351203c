"""The private keys with which this machine reads files of age.

``HAWSER_AGE_KEY`` holds one itself, as CI has it; ``HAWSER_AGE_IDENTITY`` names a file. Without them it is what sops
looks for as well: the SSH keys in ``~/.ssh``, and its own list of keys.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hawser.children import withheld
from hawser.inventory.documents import read_file

from .. import files
from . import header

KEY, FILE = "HAWSER_AGE_KEY", "HAWSER_AGE_IDENTITY"
# Keys without their passphrase, by what stands in their files: nobody types it twice in a run.
_opened: dict[bytes, Identity] = {}
_OWN = "AGE-SECRET-KEY-1"
_SSH = "-----BEGIN"


@dataclass(frozen=True)
class Identity:
    """A private key.

    :param label: where it is from.
    :param key: what pyrage reads with; None while it needs a passphrase, or where it cannot be used.
    :param wrong: why it cannot be used.
    :param hint: what to do about that, where it may be the one that is needed.
    :param text: the key itself, with a passphrase.
    :param public: the public half of an SSH key.
    """

    label: str
    key: Any = field(default=None, repr=False)
    wrong: str = ""
    hint: str = ""
    text: bytes = field(default=b"", repr=False)
    public: str = ""

    @property
    def locked(self) -> bool:
        return bool(self.text)


def identities() -> list[Identity]:
    """Return the private keys of this machine, those that cannot be used among them."""
    if text := withheld(KEY):
        return list(_of_text(text, f"${KEY}"))
    if named := os.environ.get(FILE):
        path = Path(named).expanduser()
        return list(_of_file(path)) if path.exists() else [Identity(f"{named} (${FILE})", wrong="does not exist")]
    return [each for path in places() if path.exists() for each in _of_file(path)]


def places() -> list[Path]:
    """Return the files in which private keys are looked for."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    ssh = Path("~/.ssh").expanduser()
    return [ssh / "id_ed25519", ssh / "id_rsa", settings / "sops" / "age" / "keys.txt"]


def unlocked(locked: Identity, ask: Callable[[str], str] | None = None) -> Identity:
    """Return a private key without its passphrase, which the terminal is asked for; it stays in memory.

    :param ask: asks; default: nobody who is not at a terminal.
    """
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
        load_ssh_private_key,
    )

    if locked.text in _opened:
        return _opened[locked.text]
    if ask is None:
        if not sys.stdin.isatty():
            wrong = "has a passphrase, and there is no terminal to ask for it"
            hint = f"at a terminal it is asked for; CI has a key of its own without one, in ${KEY}"
            return Identity(locked.label, wrong=wrong, hint=hint, public=locked.public)
        ask = getpass.getpass
    passphrase = ask(f"passphrase of {locked.label}: ").encode()
    load = load_ssh_private_key if b"OPENSSH" in locked.text else load_pem_private_key
    try:
        key: Any = load(locked.text, passphrase)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    except (ValueError, TypeError):
        wrong, hint = "does not open with this passphrase", "the same command once more"
        return Identity(locked.label, wrong=wrong, hint=hint, public=locked.public)
    _opened[locked.text] = next(_of_text(plain.decode(), locked.label))
    return _opened[locked.text]


def _of_file(path: Path) -> Iterator[Identity]:
    label = _short(path)
    try:
        if problem := files.readable_by_others(path, "the key"):
            yield Identity(label, wrong="can be read by others than its owner", hint=problem.hint)
            return
        yield from _of_text(read_file(path), label)
    except UnicodeDecodeError:
        yield Identity(label, wrong="is no private key")
    except OSError as error:
        yield Identity(label, wrong=f"cannot be read: {files.words(error)}")


def _of_text(text: str, label: str) -> Iterator[Identity]:
    import pyrage

    if text.lstrip().startswith(_SSH):
        yield _ssh(text.strip().encode() + b"\n", label)
        return
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if not lines:
        yield Identity(label, wrong="holds no private key")
    for line in lines:
        if not line.startswith(_OWN):
            # What it is may be a secret all the same.
            plugin = line.startswith("AGE-PLUGIN-")
            hint = "is for a plugin of age: have secrets.command call age itself" if plugin else "holds no key of age"
            yield Identity(label, wrong=hint)
            return
        try:
            yield Identity(label, pyrage.x25519.Identity.from_str(line))
        except pyrage.IdentityError:
            yield Identity(label, wrong="holds a key of age that is damaged")


def _ssh(text: bytes, label: str) -> Identity:
    import pyrage

    public = header.public_half(text)
    try:
        return Identity(label, pyrage.ssh.Identity.from_buffer(text), public=public)
    except pyrage.IdentityError as error:
        if "decrypted first" in str(error):
            return Identity(label, text=text, public=public)
        return Identity(label, wrong="is no SSH key that age reads with: ed25519 or RSA", public=public)


def told(found: Sequence[Identity]) -> str:
    """Return in words why none of these private keys reads a file."""
    if not found:
        return f"there is no private key here: ${KEY}, ${FILE}, or {', '.join(map(_short, places()))}"
    reasons = (f"{each.label} {each.wrong or 'is none of the keys that it is encrypted for'}" for each in found)
    return "; ".join(dict.fromkeys(reasons))


def _short(path: Path) -> str:
    home = Path("~").expanduser()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
