"""The mask that hides secrets in every shown text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Sequence, Tuple

MASK = "********"


def mask(text: str, values: Sequence[str]) -> str:
    """Replace everything in a text that is, or overlaps with, one of some values by asterisks."""
    spans = [span for value in values if value for span in covered(text, value)]
    pieces: List[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            pieces += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def covered(text: str, value: str) -> Iterator[Tuple[int, int]]:
    """Yield from where to where a value covers a text, in time that grows with the text alone."""
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        again = text.find(value, start + 1, end + len(value) - 1)
        if again >= 0:
            # It overlaps itself, and goes on for as long as what follows repeats its end.
            turn, end = value[start - again :], again + len(value)
            while text.startswith(turn, end):
                end += len(turn)
        yield start, end
        start = text.find(value, end - len(value) + 1)
