"""The work of each host right now, as text that fits the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from .text import duration, shorten

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SECOND = 10
LEAST_WIDTH = 20
SHORTEST_LABEL = 8
SEPARATOR = " › "
BEFORE_WORDS = " | "
# Seconds from which on what a host does has a clock of its own.
LONG = 2.0

State = Literal["busy", "done", "failed"]
MARKS = {"done": ("✓", "green"), "failed": ("✗", "bold red")}


@dataclass
class Now:
    """Where a host is.

    :ivar began: when its phase did, and
    :ivar since: when the resource did that it is at.
    :ivar said: the last line of a program that takes long there.
    """

    began: float
    since: float = 0.0
    state: State = "busy"
    step: str = ""
    label: str = ""
    said: str = ""
    ended: float | None = None


class Board:
    """One line a host while a phase lasts.

    :param clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.phase = ""
        self.hosts: dict[str, Now] = {}

    def begin(self, phase: str, hosts: Sequence[str]) -> None:
        self.phase = phase
        self.hosts = {host: Now(self._clock()) for host in hosts}

    def at(self, host: str, step: str, label: str = "") -> None:
        """Note the work of a host."""
        now = self.hosts.setdefault(host, Now(self._clock()))
        now.state, now.step, now.label = "busy" if now.state == "done" else now.state, step, label
        now.since, now.said = self._clock(), ""

    def says(self, host: str, text: str) -> None:
        """Note what a program of a host has said last."""
        if host in self.hosts:
            self.hosts[host].said = text

    def end(self, host: str, state: State) -> None:
        now = self.hosts.setdefault(host, Now(self._clock()))
        if now.state == "busy":
            now.state, now.ended = state, self._clock()

    def busy(self) -> bool:
        return any(now.state == "busy" for now in self.hosts.values())

    def render(self, width: int, height: int) -> Text:
        """Draw the hosts that fit: those at work first when they are too many."""
        shown = list(self.hosts)
        rest = 0
        if len(shown) > height:
            shown.sort(key=lambda host: self.hosts[host].state != "busy")
            rest = len(shown) - height + 1
            shown = shown[: height - 1]
        hosts = max((len(host) for host in shown), default=0)
        lines = [self._line(host, hosts, width) for host in shown]
        if rest:
            done = sum(now.state == "done" for now in self.hosts.values())
            lines.append(Text(f"and {rest} more; {done} of {len(self.hosts)} are done", style="dim", no_wrap=True))
        return Text("\n").join(lines)

    def _what(self, now: Now, room: int) -> str:
        """Phase, step and label, and the time of what takes long; the label gives way first."""
        place = SEPARATOR.join(part for part in (self.phase, now.step) if part)
        took = self._clock() - now.since
        clock = f" {duration(took)}" if now.label and took >= LONG else ""
        left = room - len(place) - len(SEPARATOR) - len(clock)
        fits = now.label and left >= SHORTEST_LABEL
        return f"{place}{SEPARATOR}{shorten(now.label, left)}{clock}" if fits else place

    def _line(self, host: str, host_width: int, width: int) -> Text:
        now = self.hosts[host]
        frame = FRAMES[int(self._clock() * FRAMES_PER_SECOND) % len(FRAMES)]
        mark, style = MARKS.get(now.state, (frame, "cyan"))
        elapsed = duration((self._clock() if now.ended is None else now.ended) - now.began)
        room = max(width - host_width - len(elapsed) - 6, LEAST_WIDTH)
        what = self.phase if now.state == "done" else self._what(now, room)
        left = room - len(what) - len(BEFORE_WORDS)
        if now.state == "busy" and now.said and left >= SHORTEST_LABEL:
            what += BEFORE_WORDS + now.said[:left]
        return Text.assemble(
            (f"{host:{host_width}}", "bold"),
            (f" {mark} ", style),
            (f"{shorten(what, room):{room}}", "dim" if now.state == "done" else ""),
            (f"  {elapsed}", "dim"),
            no_wrap=True,
            overflow="crop",
        )
