"""A log, read back: bounded and typed, for somebody may have written into it, and hosts have had their word in it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from ...errors import HawserError
from ..events import STATUSES
from ..jsonlines import FORMAT
from ..text import clean
from .account import Account, Commits, Happened, Note, Phase

# Bytes of a line, and of a log; lines of it; characters of a text, and of one that stands in a table.
LONGEST_LINE, MOST_BYTES, MOST_LINES = 4 * 2**20, 512 * 2**20, 2_000_000
LONGEST, LONGEST_WORD = 200_000, 500
# Hosts that a log may name, and what else is counted.
MOST_HOSTS, MOST_NOTES, MOST_SUBJECTS = 5000, 2000, 200
# Seconds of a rollout, and milliseconds of a resource, beyond which nobody believes them.
LONGEST_RUN = 30 * 86400.0


def lines(stream: IO[bytes]) -> Iterator[Mapping[str, object] | None]:
    """Yield the rows of a log; None in the place of a line that is none."""
    total = 0
    for _number in range(MOST_LINES):
        line = stream.readline(LONGEST_LINE)
        total += len(line)
        if not line or total > MOST_BYTES:
            return
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            # The rest of it goes unread.
            while total <= MOST_BYTES and line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
                total += len(line)
            yield None
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield row if isinstance(row, dict) and isinstance(row.get("t"), str) else None


class Reader:
    """Takes the rows of a log one by one."""

    def __init__(self, name: str) -> None:
        self.account = Account(name=name)
        self._known: dict[str, str] = {}
        self._hosts: dict[str, None] = {}
        self._now = 0.0
        self._began: float | None = None
        # By host, when the resource that it is at began, and when the last one was settled.
        self._starts: dict[str, float] = {}
        self._ends: dict[str, float] = {}

    def take(self, row: Mapping[str, object]) -> None:
        """Take a row; one of a kind that nobody knows is passed over.

        :raises HawserError: the log is of a version that is read otherwise.
        """
        self._tick(row)
        kind = row["t"]
        taker = getattr(self, f"take_{kind}", None) if kind in TAKEN else None
        if taker is not None:
            taker(row)

    def end(self) -> Account:
        """Return the account, when all rows are taken."""
        account = self.account
        account.hosts = tuple(self._hosts)
        account.seconds = max(account.seconds, self._now)
        if account.phases:
            account.phases[-1].ended = self._now
        if account.ok is not None:
            account.at_work.clear()
        return account

    # What the rows say.

    def take_begin(self, row: Mapping[str, object]) -> None:
        form = row.get("format")
        if form != FORMAT:
            raise HawserError(
                f"{self.account.name} is a log of the format {word(form)}; this Hawser reads {FORMAT}",
                next="read it with the Hawser that wrote it",
            )
        account = self.account
        for name in ("command", "application", "environment", "file", "who", "hawser"):
            setattr(account, name, word(row.get(name)))
        account.place, account.dry = word(row.get("from")), row.get("dry") is True
        self._hosts_of(row)

    def take_release(self, row: Mapping[str, object]) -> None:
        self.account.release, self.account.commit = word(row.get("id")), word(row.get("commit"))

    def take_commits(self, row: Mapping[str, object]) -> None:
        subjects = [word(each) for each in listed(row.get("subjects"))[:MOST_SUBJECTS]]
        former, commit, text = word(row.get("former")), word(row.get("commit")), self._text(row.get("text"))
        if len(self.account.commits) < MOST_NOTES:
            hosts = self._hosts_of(row)
            subject = word(row.get("subject"))
            self.account.commits.append(Commits(former, commit, hosts, text, tuple(subjects), subject))

    def take_phase(self, row: Mapping[str, object]) -> None:
        phases, name, hosts = self.account.phases, word(row.get("name")), self._hosts_of(row)
        if phases:
            phases[-1].ended = self._now
            if (phases[-1].name, phases[-1].hosts) == (name, hosts):
                return
        if len(phases) < MOST_NOTES:
            phases.append(Phase(name, hosts, self._now, self._now, row.get("bookkeeping") is True))

    def take_start(self, row: Mapping[str, object]) -> None:
        host = self._host(row)
        if host:
            self._starts[host] = self._now
            self.account.at_work[host] = (word(row.get("step")), word(row.get("label")))

    def take_event(self, row: Mapping[str, object]) -> None:
        host, status = self._host(row), row.get("status")
        if not host or status not in STATUSES:
            self.account.unread += 1
            return
        self.account.at_work.pop(host, None)
        seconds = number(row.get("ms"), LONGEST_RUN * 1000) / 1000
        began = max(self._starts.pop(host, self._now - seconds), self._ends.get(host, 0.0), 0.0)
        self._ends[host] = self._now
        words = {name: self._text(row[name]) for name in ("diff", "note", "output", "error") if name in row}
        step, label = self._shared(word(row.get("step"))), self._shared(word(row.get("label")))
        place, books = max(len(self.account.phases) - 1, 0), row.get("bookkeeping") is True
        happened = Happened(host, place, step, label, status, began, seconds, **words, bookkeeping=books)
        self.account.events.append(happened)

    def take_note(self, row: Mapping[str, object]) -> None:
        self._note(self.account.notes, row, word(row.get("level")) or "info")

    def take_explained(self, row: Mapping[str, object]) -> None:
        self._note(self.account.explained, row, "explained")

    def take_host_failed(self, row: Mapping[str, object]) -> None:
        if host := self._host(row):
            self.account.broken_off[host] = self._text(row.get("message")).removeprefix(f"{host}: ")

    def take_finish(self, row: Mapping[str, object]) -> None:
        account = self.account
        account.ok, account.error = row.get("ok") is True, self._text(row.get("error"))
        account.code = int(number(row.get("code"), 255))

    # Parts of them.

    def _tick(self, row: Mapping[str, object]) -> None:
        """Take note of the time; a clock that is put back does not turn anything back."""
        try:
            moment = datetime.fromisoformat(str(row.get("at"))).timestamp()
        except (ValueError, OverflowError, OSError):
            return
        if self._began is None:
            self._began = self.account.started = moment
        self._now = min(max(self._now, moment - self._began), LONGEST_RUN)

    def _host(self, row: Mapping[str, object]) -> str:
        name = word(row.get("host"))
        if name and name not in self._hosts:
            if len(self._hosts) >= MOST_HOSTS:
                return ""
            self._hosts[name] = None
        return name

    def _hosts_of(self, row: Mapping[str, object]) -> tuple[str, ...]:
        found = (self._host({"host": each}) for each in listed(row.get("hosts"))[:MOST_HOSTS])
        return tuple(each for each in found if each)

    def _note(self, notes: list[Note], row: Mapping[str, object], level: str) -> None:
        if len(notes) < MOST_NOTES:
            notes.append(Note(self._now, self._host(row), level, self._text(row.get("text"))))

    def _text(self, value: object) -> str:
        if not isinstance(value, str) or not value:
            return ""
        return self._shared(clean(value[:LONGEST]))

    def _shared(self, text: str) -> str:
        return self._known.setdefault(text, text)


TAKEN = {name.removeprefix("take_") for name in vars(Reader) if name.startswith("take_")}


def word(value: object) -> str:
    """Return a value as one line that fits a table."""
    if isinstance(value, str):
        return one_line(value[:LONGEST_WORD])
    return one_line(str(value)[:LONGEST_WORD]) if isinstance(value, int | float) else ""


# The same ones come again and again.
@functools.lru_cache(maxsize=4096)
def one_line(value: str) -> str:
    return " ".join(clean(value).split())


def number(value: object, most: float) -> float:
    """Return a value as a number that makes sense."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return 0.0
    return float(value)


def listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def read_log(path: Path) -> Account:
    """Read a log.

    :raises HawserError: it cannot be read, is none, or is of a version that is read otherwise.
    """
    reader, unread = Reader(path.stem), 0
    try:
        with path.open("rb") as stream:
            for row in lines(stream):
                if row is None:
                    unread += 1
                else:
                    reader.take(row)
    except OSError as error:
        raise HawserError(f"{path} cannot be read: {error.strerror or error}") from None
    account = reader.end()
    account.unread += unread
    if not account.command:
        raise HawserError(f"{path} is no log of a rollout: it has no line that says what it is about")
    return account
