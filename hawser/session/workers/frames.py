"""What goes between this machine and a worker: pieces that belong to a line each, in bytes that nobody else reads.

No object of Python's travels: what a worker says becomes text, numbers and errors of ours alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from ...errors import HawserError, ProtocolBreach, Unreachable
from ...ssh.hostkeys import HostKeyRefused

HEAD = struct.Struct("!IBI")
ERRORS: dict[str, type[HawserError]] = {
    each.__name__: each for each in (HawserError, Unreachable, ProtocolBreach, HostKeyRefused)
}


class Kind(IntEnum):
    """What a piece is.

    Towards the worker: OPEN, INSTALL, SIGNED, DATA and WHOLE (the end of a message), STORED (a blob that several lines
    get), TAKEN, CUT, CLOSE; and of no line, with the number of such a blob, STORE (a part of it). From there: DATA,
    TAKEN, NO_PYTHON (may it be installed?), SIGN, LOST, CLOSED.
    """

    OPEN = 1
    INSTALL = 2
    SIGNED = 3
    DATA = 4
    WHOLE = 5
    TAKEN = 6
    CUT = 7
    CLOSE = 8
    NO_PYTHON = 9
    SIGN = 10
    LOST = 11
    CLOSED = 12
    STORE = 13
    STORED = 14


class Frame(NamedTuple):
    """A piece.

    :param line: the number of the line.
    """

    line: int
    kind: Kind
    data: bytes = b""

    @property
    def size(self) -> int:
        return HEAD.size + len(self.data)


def pack(frames: Iterable[Frame]) -> bytes:
    """Return pieces as bytes."""
    return b"".join(part for each in frames for part in (HEAD.pack(each.line, each.kind, len(each.data)), each.data))


def unpack(data: bytes) -> Iterator[Frame]:
    """Yield the pieces of some bytes.

    :raises ValueError: these are none.
    """
    at = 0
    while at < len(data):
        if len(data) - at < HEAD.size:
            raise ValueError("half a piece")
        line, kind, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        if len(data) - at < size:
            raise ValueError("half a piece")
        yield Frame(line, Kind(kind), data[at : at + size])
        at += size


def pack_error(error: HawserError) -> bytes:
    """Return an error as bytes: its kind and its words."""
    message = error.without_host.removesuffix(f"\n  next: {error.next}").removesuffix(f" next: {error.next}")
    kind = type(error).__name__ if type(error).__name__ in ERRORS else HawserError.__name__
    said = {"kind": kind, "message": message, "code": error.code, "host": error.host, "next": error.next}
    return json.dumps(said).encode()


def unpack_error(data: bytes) -> HawserError:
    """Return the error that a worker tells.

    :raises ValueError: it is none.
    """
    said = json.loads(data)
    if not isinstance(said, Mapping) or said.get("kind") not in ERRORS:
        raise ValueError("no error")
    kind = ERRORS[said["kind"]]
    # Some of them make their words themselves.
    error = kind.__new__(kind)
    code = said.get("code")
    HawserError.__init__(
        error,
        str(said.get("message")),
        code if isinstance(code, int) else 1,
        str(said.get("host") or ""),
        str(said.get("next") or ""),
    )
    return error
