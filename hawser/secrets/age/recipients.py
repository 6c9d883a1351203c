"""The keys for which a file is encrypted: a list beside it, for git as well, in the form that ``age -R`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hawser.errors import InputErrors, Problem
from hawser.inventory.documents import label, read_file

_SSH = ("ssh-ed25519", "ssh-rsa")
HINT = "a line of `ssh-ed25519 …` or `ssh-rsa …`, as in ~/.ssh/id_ed25519.pub, or `age1…`"


@dataclass(frozen=True)
class Recipient:
    """A public key.

    :param key: type and data of an SSH key, or a key of age's own.
    :param name: whose it is, as far as somebody has said so.
    """

    key: str
    name: str = ""

    @property
    def short(self) -> str:
        """The key as people tell one from another."""
        kind, _, data = self.key.partition(" ")
        return f"{kind} …{data[-8:]}" if data else f"{kind[:8]}…{kind[-6:]}"

    def __str__(self) -> str:
        return f"{self.name} ({self.short})" if self.name else self.short


def recipient(text: str) -> Recipient:
    """Return the public key that a line holds.

    :raises ValueError: age encrypts for no such key.
    """
    words = text.split()
    key = " ".join(words[:2]) if words and words[0] in _SSH else (words or [""])[0]
    _parsed(key)
    rest = words[2:] if words[0] in _SSH else words[1:]
    name = "".join(each for each in " ".join(rest).removeprefix("#").strip() if each.isprintable())
    return Recipient(key, name)


def for_pyrage(readers: Iterable[Recipient]) -> list[Any]:
    """Return public keys as pyrage takes them."""
    return [_parsed(each.key) for each in readers]


def read_list(path: Path) -> tuple[Recipient, ...]:
    """Return the keys of a list; none where there is no list.

    :raises InputErrors: it cannot be read.
    """
    name = label(path)
    found: list[Recipient] = []
    above = ""
    try:
        if path.is_symlink():
            raise InputErrors([Problem(name, "", "is a link; what git keeps lies in the folder itself")])
        text = read_file(path)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise InputErrors([Problem(name, "", f"cannot be read: {error}")]) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("#"):
            above = line.strip().lstrip("# ")
        elif not line.strip():
            above = ""
        else:
            try:
                each = recipient(line)
            except ValueError:
                message = "is no key that age encrypts for"
                raise InputErrors([Problem(f"{name}:{number}", "", message, HINT)]) from None
            found.append(each if each.name else Recipient(each.key, above))
            above = ""
    return tuple({each.key: each for each in found}.values())


def list_text(readers: Sequence[Recipient], environment: str) -> str:
    """Return the text of a list.

    :param environment: what is typed after ``-H`` for whom changes it.
    """
    lines = [f"# Who can read the file beside this one; changed by: fab -H {environment} secrets.recipients\n\n"]
    for each in readers:
        if each.key.startswith("age1"):
            lines.append(f"# {each.name}\n{each.key}\n" if each.name else f"{each.key}\n")
        else:
            lines.append(f"{each.key} {each.name}".rstrip() + "\n")
    return "".join(lines)


def _parsed(key: str) -> Any:
    import pyrage

    try:
        kind = pyrage.ssh.Recipient if key.startswith("ssh-") else pyrage.x25519.Recipient
        return kind.from_str(key)
    except pyrage.RecipientError as error:
        raise ValueError(str(error)) from None
