"""The stream that reports write to; a deploy outlives the end of its reader."""

from __future__ import annotations

import os
from contextlib import suppress
from io import TextIOWrapper
from typing import Protocol, TextIO


class Lines(Protocol):
    """Anything that takes lines, and never fails whoever writes them."""

    def write(self, text: str) -> int: ...

    def flush(self) -> None: ...


class Sink:
    """A text stream that takes any text and never fails its writer.

    ``fab … | head`` closes the pipe in the middle of a rollout: the rollout goes on, unheard.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.closed = False
        if isinstance(stream, TextIOWrapper):
            # A terminal in Latin-1 cannot show everything, and must not stop a deploy for it.
            stream.reconfigure(errors="backslashreplace")

    @property
    def encoding(self) -> str:
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    def write(self, text: str) -> int:
        if not self.closed:
            try:
                self.stream.write(text)
            except (OSError, ValueError):
                self._give_up()
        return len(text)

    def flush(self) -> None:
        if not self.closed:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def _give_up(self) -> None:
        self.closed = True
        # The interpreter flushes stdout once more when it ends, and would complain with exit status 120.
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)
