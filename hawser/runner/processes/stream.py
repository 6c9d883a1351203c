"""The output of a program, passed on while it runs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict

    from ..system import System

# Characters without a line end after which a line is passed on in parts.
LONGEST_LINE = 64 * 1024


class Lines:
    """Passes on whole lines, so that lines of several hosts do not mix and no secret is cut in two.

    :param tell: called with the stream's name (``out`` or ``err``) and the masked text.
    """

    def __init__(self, system: System, tell: Callable[[str, str], None]) -> None:
        self.system = system
        self.tell = tell
        self.rest: Dict[str, bytes] = {}

    def add(self, name: str, data: bytes) -> None:
        """Take new bytes; pass on the complete lines."""
        rest = self.rest.get(name, b"") + data
        end = rest.rfind(b"\n") + 1
        if not end and len(rest) > LONGEST_LINE:
            end = self.border(rest)
        self.rest[name] = rest[end:]
        self.say(name, rest[:end])

    def border(self, rest: bytes) -> int:
        """Return where a line that does not end can be cut: before anything that may be a secret or its beginning."""
        masks = [mask.encode() for mask in self.system.masks]
        # A character has up to four bytes, and is not parted either.
        border = max(0, len(rest) - max([4, *map(len, masks)]))
        while border and rest[border] & 0xC0 == 0x80:
            border -= 1
        moved = True
        while moved:
            moved = False
            for mask in masks:
                start = rest.find(mask, max(0, border - len(mask) + 1), border + len(mask) - 1)
                if 0 <= start < border:
                    border, moved = start, True
        return border

    def close(self) -> None:
        """Pass on the rest after the last line end."""
        for name, rest in self.rest.items():
            self.say(name, rest)
        self.rest = {}

    def say(self, name: str, data: bytes) -> None:
        if data:
            self.tell(name, self.system.mask(data.decode("utf-8", "replace")))
