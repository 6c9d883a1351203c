"""The lines of known_hosts(5), found by the host that they are about."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

import paramiko

from .signed import fits, public_key

MARKERS = ("", "@cert-authority", "@revoked")


@dataclass(frozen=True)
class Line:
    """A line of known_hosts.

    :param hosts: patterns, or the hash of a name.
    :param place: the file, and the line in it.
    """

    marker: str
    hosts: str
    key: paramiko.PKey
    place: str

    @property
    def kind(self) -> str:
        return str(self.key.get_name())


@dataclass(frozen=True)
class Unread:
    """A line whose key nobody has asked for: a team's file has one for each of its hosts.

    :param kind: that of the key, as the line says.
    :param blob: the key, in base64.
    """

    marker: str
    hosts: str
    kind: str
    blob: str
    place: str

    @property
    def plain(self) -> bool:
        """Whether it names hosts as they are, neither by patterns nor by a hash."""
        return not any(each in self.hosts for each in "*?!|")

    def names(self, name: str) -> bool:
        """Whether it is about a host."""
        if self.hosts.startswith("|"):
            return _is_hash_of(self.hosts, name)
        patterns = self.hosts.split(",")
        if any(fits(each[1:], name) for each in patterns if each.startswith("!")):
            return False
        return any(fits(each, name) for each in patterns if not each.startswith("!"))

    def read(self) -> Line | None:
        """Read its key; None where it cannot be read: `ssh` passes over such a line."""
        try:
            key = public_key(base64.b64decode(self.blob, validate=True))
        except ValueError:
            return None
        return Line(self.marker, self.hosts, key, self.place) if key.get_name() == self.kind else None


def _is_hash_of(text: str, name: str) -> bool:
    try:
        return paramiko.HostKeys.hash_host(name.lower(), text) == text
    except (AssertionError, ValueError, IndexError):
        return False


def split(text: str, place: str) -> Unread | None:
    """Split a line of known_hosts(5); None for one that says nothing."""
    words = text.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or marker not in MARKERS:
        return None
    hosts, kind, blob = words[:3]
    return Unread(marker, hosts, kind, blob, place)


class KnownLines:
    """The lines of one file; many threads may ask at once.

    :param texts: each line, and where it stands.
    """

    def __init__(self, texts: Iterable[tuple[str, str]] = ()) -> None:
        self._lines: list[Unread] = []
        self._by_name: dict[str, list[int]] = {}
        self._others: list[int] = []
        self._lock = threading.Lock()
        self._read = functools.cache(Unread.read)
        for text, place in texts:
            self.add(text, place)

    def add(self, text: str, place: str) -> None:
        """Append a line."""
        line = split(text, place)
        if line is None:
            return
        number = len(self._lines)
        self._lines.append(line)
        if not line.plain:
            self._others.append(number)
            return
        for name in line.hosts.lower().split(","):
            self._by_name.setdefault(name, []).append(number)

    def about(self, entry: str, bare: str) -> list[Line]:
        """Return the lines about a host, in their order.

        :param entry: its name with its port, under which its keys are kept.
        :param bare: its name; authorities and what is revoked are mostly written without ports.
        """
        named = [number for name in (entry, bare) for number in self._by_name.get(name.lower(), ())]
        lines = [self._lines[number] for number in sorted({*named, *self._others})]
        found = [line for line in lines if line.names(entry) or (line.marker and line.names(bare))]
        with self._lock:
            return [line for line in map(self._read, found) if line is not None]
