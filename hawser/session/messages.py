"""The messages of runners before their answers: all go to the report, the last ones are kept to explain a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from ..answers.messages import Message
from ..report import Event, Report

# Lines of a program's output that are looked through when it fails, and how much of each.
LAST_LINES, LAST_LENGTH = 100, 4096


class Messages:
    """The messages of all hosts in one run."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._failures: dict[str, Event] = {}
        self._last_lines: dict[str, deque[str]] = {}

    def handler(self, name: str, books: Collection[int] = ()) -> Callable[[Message], None]:
        """Return the function that takes the messages of one host's runner.

        :param books: the positions in the catalog under way that are nothing but book-keeping.
        """

        def on_message(message: Message) -> None:
            if message["t"] == "start":
                self.report.start(name, str(message["step"]), str(message["label"]))
            elif message["t"] == "progress":
                self.report.progress(name, str(message["text"]))
            elif message["t"] == "event":
                event = Event.from_wire(message, books)
                if event.status == "failed":
                    self._failures[name] = event
                self.report.event(name, event)
                if message.get("warning"):
                    self.report.note(name, str(message["warning"]), "warning")
            elif message["t"] == "log":
                self.report.log(name, str(message["source"]), float(message["time"]), str(message["text"]))
            elif message["t"] == "output":
                for line in str(message["text"]).splitlines():
                    self._last_lines.setdefault(name, deque(maxlen=LAST_LINES)).append(line[:LAST_LENGTH])
                    self.report.output(name, line, str(message["stream"]))

        return on_message

    def take_failures(self, names: Iterable[str]) -> dict[str, Event]:
        """Return the last failure of each of some hosts, once."""
        return {name: self._failures.pop(name) for name in names if name in self._failures}

    def last_output(self, name: str) -> str:
        """Return the last lines that a program on a host has written."""
        return "\n".join(self._last_lines.get(name, ()))
