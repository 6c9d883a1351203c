"""A person at a terminal: what they type, and what they see."""

from __future__ import annotations

import os
import pty
import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Person:
    """Somebody who has typed a command into a terminal of 100 columns and 30 lines."""

    def __init__(self, argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.seen = b""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(argv[0], list(argv), {**env, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"})

    def types(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def sees(self, text: str, seconds: float = 30) -> None:
        """Wait until a text shows up after what was seen before."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"not within {seconds} s: {text}\n{self.seen.decode()}"
            try:
                self.seen += os.read(self.terminal, 65536)
            except OSError:
                # What Linux says when the other side of a terminal has gone.
                raise AssertionError(f"ended without {text}\n{self.seen.decode()}") from None

    def ends(self) -> int:
        """Wait for the command's end; returns its exit status."""
        try:
            while part := os.read(self.terminal, 65536):
                self.seen += part
        except OSError:
            pass
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
