"""What an age file of secrets holds: lines of the form NAME=value, and for whom they were encrypted.

The list of keys beside the file can be changed by whoever can push to the repository. So the keys stand in the
encrypted text as well, which only somebody who can read it has written: a key in the list alone gets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .header import stanzas, tag
from .identities import Identity, identities, told, unlocked
from .recipients import Recipient, for_pyrage, recipient

# Before each key in the encrypted text; other readers take it for a comment.
_MARK = "#@ "


class Unreadable(Exception):
    """A file that cannot be decrypted here.

    :param message: why, as the end of a sentence that starts with the file.
    :param hint: what to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Content:
    """An age file, decrypted.

    :param text: the lines.
    :param readers: for whom it says that it was encrypted; empty where age itself has encrypted it.
    """

    text: str = field(default="", repr=False)
    readers: tuple[Recipient, ...] = ()


def decrypted(data: bytes) -> Content:
    """Decrypt a file, with whichever private key of this machine can; one with a passphrase is asked for it.

    :raises Unreadable: none can, or it is no whole file of age.
    """
    if b"<<<<<<< " in data and b"\n=======" in data:
        hint = "take one of the two with `git checkout --ours` or `--theirs`, then write the other's change once more"
        raise Unreadable("has two versions in it, which git could not merge", hint)
    heading = stanzas(data)
    if not heading:
        raise Unreadable("is no file that age has encrypted, or only the beginning of one", "get it from git again")
    if any(each[0] == "scrypt" for each in heading):
        raise Unreadable("is encrypted with a passphrase, not for keys", "age -d and age -R encrypt it for keys")
    mine = identities()
    data_of = _opened(data, [each for each in mine if each.key is not None])
    for number, each in enumerate(mine):
        if data_of is None and each.locked and _is_for(heading, each):
            mine[number] = unlocked(each)
            data_of = _opened(data, [mine[number]] if mine[number].key is not None else [])
    if data_of is None:
        # Those that it is not for are not asked for their passphrase, and are none of the matter.
        near = [each for each in mine if each.hint and _is_for(heading, each)]
        raise Unreadable(f"cannot be read: {told(near or mine)}", "; ".join(each.hint for each in near))
    try:
        return _parted(data_of.decode())
    except UnicodeDecodeError as error:
        raise Unreadable(f"holds no text: it is not UTF-8 (byte {error.start})") from None


def encrypted(text: str, readers: Sequence[Recipient]) -> bytes:
    """Return an age file for these keys, as text: what changes its line ends does it no harm."""
    import pyrage

    marks = "".join(f"{_MARK}{each.key} {each.name}".rstrip() + "\n" for each in readers)
    return bytes(pyrage.encrypt((marks + text).encode(), for_pyrage(readers), armored=True))


def _opened(data: bytes, mine: Sequence[Identity]) -> bytes | None:
    import pyrage

    if not mine:
        return None
    try:
        return bytes(pyrage.decrypt(data, [each.key for each in mine]))
    except pyrage.DecryptError as error:
        if "no matching keys" in str(error).lower():
            return None
        raise Unreadable(f"is damaged, or cut short: {str(error)[:200]}", "get it from git again") from None


def _is_for(heading: Sequence[Sequence[str]], identity: Identity) -> bool:
    return not identity.public or tag(identity.public) in [tuple(each[:2]) for each in heading]


def _parted(text: str) -> Content:
    readers: list[Recipient] = []
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    kept = []
    for line in lines:
        if not line.startswith(_MARK):
            kept.append(line)
            continue
        try:
            readers.append(recipient(line.removeprefix(_MARK)))
        except ValueError:
            raise Unreadable(f"holds a line {_MARK.strip()!r} without a key that age encrypts for") from None
    return Content("".join(kept), tuple(readers))
