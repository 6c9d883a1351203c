"""Logs of the application and its neighbours: from systemd's journal and from files, line by line, with times.

What a source is, `LogSource` in `hawser.runner.specs.questions` says.
"""

from __future__ import annotations

import calendar
import collections
import functools
import glob
import gzip
import itertools
import json
import os
import re
import threading
import time
import zlib

from ..files.disk import NotThere, opened
from ..system import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import (
        BinaryIO,
        Callable,
        Iterable,
        Iterator,
        List,
        Optional,
        Pattern,
        Sequence,
        Tuple,
    )

    from ..specs.messages import Log
    from ..specs.questions import LogSource
    from ..system import System

    Entry = Tuple[float, str, str]

NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(NAMES, 1)}
# Near the start of a line: 2026-11-25 15:43:01,123 or with T, a fraction and a zone; nginx's errors have slashes.
ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\s?(Z|[+-]\d\d:?\d\d)?")
# nginx's and Apache's access logs: [25/Nov/2026:15:43:01 +0000].
CLF = re.compile(r"\[(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
# How far into a line its time may begin: an access log has addresses and names before it.
REACH = 200
# Seconds: the step and the greatest difference of zones; how much earlier a line may say that it was written than its
# file changed, and how far both clocks and what follows a line may be off.
QUARTER, FARTHEST = 900, 26 * 3600
LATE, SLACK = 60.0, 5.0
# Lines at the end of a file among which one with a time is looked for.
TAIL = 500
PAUSE = 0.5
BLOCK = 1 << 16
# Bytes: of a line that is told; of lines that wait for their time, or come out of a packed file; of an answer about one
# source, and about all of them; what each line takes there beside its text; and of what is read of a growing file in
# one go.
LONGEST_LINE = 1 << 18
# Not told in parts: a secret that is cut in two is not recognized.
TOO_LONG = "(a line of more than %d bytes)" % LONGEST_LINE
LONGEST_TAIL = 1 << 20
LONGEST_ANSWER = 16 << 20
LONGEST_ANSWERS = 64 << 20
LINE = 200
MOST_AT_ONCE = 1 << 20
# Bytes of an entry of the journal as JSON: each one of its message may take five there.
LONGEST_ENTRY = 8 * LONGEST_LINE


class WholeLines:
    """Parts incoming bytes into lines; `TOO_LONG` stands in the place of an overlong one.

    :param longest: bytes that a line may have.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.rest = b""
        self.skipping = False

    def add(self, data: bytes) -> List[bytes]:
        """Return the lines that have come to their end."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        if whole and self.skipping:
            whole[0], self.skipping = TOO_LONG.encode(), False
        if len(self.rest) > self.longest:
            self.rest, self.skipping = b"", True
        return whole


def zoned(line: str) -> bool:
    """Tell whether the time that a line begins with names its zone."""
    found = ISO.search(line, 0, 60)
    return bool(found.group(8)) if found else True


def shift(lines: Sequence[str], changed: float) -> Optional[float]:
    """Return the seconds by which the times without a zone in a file are behind the host's own; None where none shows.

    A program may write them in a zone of its own. The last line was written when the file changed last, and another one
    about when the next one was that names its zone: where a time is off by a whole number of quarters of an hour, as
    zones are, this is the zone's.

    :param lines: the last ones, the last one first.
    """
    known: Optional[float] = changed
    for number, line in enumerate(lines):
        moment = stamp(line)
        if moment is None:
            continue
        if zoned(line):
            known = moment
            continue
        if known is not None:
            late = known - moment
            whole = round(late / QUARTER) * QUARTER
            # What stands without a time behind it may have been written later, or be the rest of a traceback.
            if -SLACK <= late - whole <= (SLACK if number else LATE) and abs(whole) <= FARTHEST:
                return float(whole)
        known = None
    return None


def stamp(line: str, behind: float = 0.0) -> Optional[float]:
    """Return the time that a line begins with, in seconds since the epoch; without a zone it is the host's own.

    :param behind: seconds by which times without a zone are behind; see `shift`.
    """
    found = ISO.search(line, 0, 60)
    if found:
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        fraction, zone = float("0." + (found.group(7) or "0")), found.group(8)
    else:
        found = CLF.search(line, 0, REACH)
        if not found or found.group(2) not in MONTHS:
            return None
        day, year, hour, minute, second = (int(found.group(number)) for number in (1, 3, 4, 5, 6))
        month, fraction, zone = MONTHS[found.group(2)], 0.0, found.group(7)
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 62):
        return None
    moment = (year, month, day, hour, minute, second, 0, 0, -1)
    try:
        if zone is None:
            return time.mktime(moment) + fraction + behind
        offset = 0 if zone == "Z" else int(zone[:3]) * 3600 + int(zone[0] + zone[-2:]) * 60
        return calendar.timegm(moment) - offset + fraction
    except (OverflowError, ValueError):
        return None


def backwards(stream: BinaryIO, end: Optional[int] = None) -> Iterator[str]:
    """Yield the lines of an open file, the last one first, without reading more of it than is asked for.

    :param end: how many bytes of it count; default: all.
    """
    position = stream.seek(0, os.SEEK_END)
    position = position if end is None else min(position, end)
    rest, skipping = b"", False
    while position:
        size = min(BLOCK, position)
        position -= size
        stream.seek(position)
        # One that was emptied meanwhile gives less.
        lines = (stream.read(size) + rest).split(b"\n")
        rest = lines[0]
        for line in reversed(lines[1:]):
            yield TOO_LONG if skipping else line.decode("utf-8", "replace")
            skipping = False
        if len(rest) > LONGEST_LINE:
            rest, skipping = b"", True
    yield TOO_LONG if skipping else rest.decode("utf-8", "replace")


def unpacked(stream: BinaryIO) -> Iterator[str]:
    """Yield the last lines of an open gzip file, the last one first: as many as `LONGEST_TAIL` bytes hold."""
    kept: collections.deque[bytes] = collections.deque()
    size, whole = 0, True
    with gzip.open(stream, "rb") as packed:
        for part in iter(lambda: packed.readline(LONGEST_LINE), b""):
            began, whole = whole, part.endswith(b"\n")
            if not began:
                size -= len(kept.pop())
                part = TOO_LONG.encode()
            kept.append(part)
            size += len(part)
            while size > LONGEST_TAIL:
                size -= len(kept.popleft())
    for line in reversed(kept):
        yield line.rstrip(b"\r\n").decode("utf-8", "replace")


def generations(path: str) -> List[str]:
    """Return a log file and its rotated ones, the youngest first."""
    found = [path]
    for number in range(1, 100):
        older = [each for each in ("%s.%d" % (path, number), "%s.%d.gz" % (path, number)) if os.path.lexists(each)]
        if not older:
            break
        found += older
    return found


def of_file(
    path: str, since: float, end: Optional[int] = None, faults: Optional[List[str]] = None
) -> Iterator[Tuple[float, str]]:
    """Yield time and text of a file's lines, the last one first.

    A line without a time has that of the line before it: a traceback belongs to its first line.

    :param faults: takes what is wrong with a file that is there and cannot be read.
    """
    behind = 0.0
    for number, name in enumerate(generations(path)):
        try:
            with opened(name) as stream:
                changed = os.fstat(stream.fileno()).st_mtime
                if changed < since:
                    return
                lines = unpacked(stream) if name.endswith(".gz") else backwards(stream, None if number else end)
                last = tail_of(lines)
                found = shift(last, changed)
                behind = behind if found is None else found
                # Nothing else says when they were written, but that the last one was when the file changed.
                yield from ((changed, line) for line in untimed(last, since) if found is None)
                yield from timed(itertools.chain(last, lines), changed, since, behind)
        except (FileNotFoundError, NotThere):
            continue
        except Failure as failure:
            if faults is not None:
                faults.append(failure.message)
        except (OSError, EOFError, zlib.error):
            # A rotated file that is being packed just now, or is no packed file.
            continue


def timed(lines: Iterable[str], changed: float, since: float, behind: float = 0.0) -> Iterator[Tuple[float, str]]:
    """Yield lines, the last one first, with their times, as far back as some moment.

    :param changed: when their file was changed last.
    :param behind: seconds by which times without a zone are behind; see `shift`.
    """
    waiting: List[str] = []
    size = 0
    for line in lines:
        moment = stamp(line, behind)
        if moment is None:
            # An empty end is what stands behind the last line.
            waiting += [line] if line else []
            size += len(line)
            if size < LONGEST_TAIL:
                continue
            # Where nothing says when, so far: then the time of the file's last change has to do.
            moment = changed
        elif moment < since:
            return
        else:
            waiting.append(line)
        yield from ((moment, each) for each in waiting)
        waiting, size = [], 0
    yield from ((changed, each) for each in waiting)


def tail_of(lines: Iterator[str]) -> List[str]:
    """Take the last lines of a file, as far as one with a time that names no zone or a bound."""
    found: List[str] = []
    size = 0
    for line in lines:
        found += [line] if line else []
        size += len(line)
        if size >= LONGEST_TAIL or len(found) >= TAIL or not (stamp(line) is None or zoned(line)):
            break
    return found


def untimed(lines: Sequence[str], since: float) -> Sequence[str]:
    """Return the lines before the first one with a time, where that is too old to be told.

    :param lines: the last ones of a file that has changed since, the last one first.
    """
    for number, line in enumerate(lines):
        moment = stamp(line)
        if moment is not None:
            return lines[:number] if moment < since else ()
    return ()


def journal_arguments(source: LogSource) -> List[str]:
    """Return the arguments that make journalctl show a source."""
    chosen = [word for unit in source.get("units", ()) for word in ("-u", unit)]
    chosen += [word for tag in source.get("tags", ()) for word in ("-t", tag)]
    return ["journalctl", "-q", "--all", "--no-pager", "-o", "json", *chosen]


def parse(line: bytes, before: float = 0.0) -> Iterator[Tuple[float, str]]:
    """Yield time and text of a journal's entry, line by line.

    :param before: the time of the entry before it, which that of one that is too long has to be.
    """
    if line == TOO_LONG.encode():
        yield before, TOO_LONG
        return
    try:
        entry = json.loads(line.decode("utf-8", "replace"))
        moment = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return
    for text in messages(entry.get("MESSAGE")):
        for each in text.split("\n"):
            yield moment, each if len(each.encode("utf-8", "replace")) <= LONGEST_LINE else TOO_LONG


def messages(said: object) -> List[str]:
    """Return the messages of an entry; whoever writes it may give it several.

    Source: https://systemd.io/JOURNAL_EXPORT_FORMATS. What is no UTF-8 is a list of bytes.
    """
    if not isinstance(said, list):
        return [str(said or "")]
    if all(isinstance(each, int) for each in said):
        return [bytes(said).decode("utf-8", "replace")]
    return [text for each in said for text in messages(each)]


def of_journal(system: System, source: LogSource, since: float, until: float) -> Iterator[Tuple[float, str]]:
    """Yield time and text of the journal's lines of a source, the last one first.

    :param until: where it ends.
    """
    argv = [*journal_arguments(source), "--reverse"]
    if since:
        argv += ["--since", "@%d" % since]
    child = system.spawn(argv, apart=False)
    lines, last = WholeLines(LONGEST_ENTRY), until
    try:
        assert child.stdout is not None
        for part in iter(functools.partial(os.read, child.stdout.fileno(), BLOCK), b""):
            for line in lines.add(part):
                for moment, text in reversed(list(parse(line, last))):
                    last = moment
                    yield moment, text
    finally:
        child.kill()
        system.attend(child, b"", lambda _name, _part: None, 5.0)


def collect(
    system: System,
    source: LogSource,
    lines: int,
    since: float,
    until: float,
    size: int,
    pattern: Optional[Pattern[str]],
    room: int,
) -> List[Entry]:
    """Return the last lines of a source that fit, the oldest first.

    :param lines: at most so many; 0: all.
    :param until: where the journal ends, and
    :param size: where a file does, for whoever goes on from there.
    :param room: bytes that they may have in the answer.
    """
    found: List[Entry] = []
    faults: List[str] = []
    of_a_file = "path" in source
    told = of_file(source["path"], since, size, faults) if of_a_file else of_journal(system, source, since, until)
    for moment, text in told:
        if moment < since or (moment > until and not of_a_file):
            continue
        if pattern is None or pattern.search(text):
            found.append((moment, source["name"], text))
            room -= LINE + len(json.dumps(text))
        if (lines and len(found) >= lines) or room < 0:
            break
    if room < 0:
        found.append((found[-1][0], source["name"], "(what was written before this is left out)"))
    return [*found[::-1], *((until, source["name"], each) for each in faults)]


def size_of(path: str) -> int:
    """Return how many bytes a file has; 0 where none can be read."""
    try:
        with opened(path) as stream:
            return os.fstat(stream.fileno()).st_size
    except (OSError, Failure):
        return 0


def watch_file(source: LogSource, start: int, tell: Callable[[Entry], None]) -> None:
    """Tell the new lines of a file, for ever; a file that has become shorter was emptied, and begins anew."""
    position, lines, last = start, WholeLines(LONGEST_LINE), time.time()
    while True:
        try:
            with opened(source["path"]) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size < position:
                    position, lines = 0, WholeLines(LONGEST_LINE)
                stream.seek(position)
                data = stream.read(min(size - position, MOST_AT_ONCE))
        except (OSError, Failure):
            data = b""
        position += len(data)
        for line in lines.add(data):
            text = line.decode("utf-8", "replace")
            last = stamp(text, shift([text], time.time()) or 0.0) or (last if text[:1] in (" ", "\t") else time.time())
            tell((last, source["name"], text))
        if len(data) < MOST_AT_ONCE:
            time.sleep(PAUSE)


def watch_journal(system: System, source: LogSource, start: float, tell: Callable[[Entry], None]) -> None:
    """Tell the new lines in the journal of a source, for ever."""
    child = system.spawn([*journal_arguments(source), "--follow", "--since", "@%d" % start])
    lines, last = WholeLines(LONGEST_ENTRY), time.time()

    def pass_on(_name: str, part: bytes) -> None:
        nonlocal last
        for line in lines.add(part):
            for moment, text in parse(line, last):
                last = moment
                if moment > start:
                    tell((moment, source["name"], text))

    system.attend(child, b"", pass_on)


def found_now(source: LogSource) -> List[LogSource]:
    """Return the sources that one stands for: with a pattern, each file that fits it."""
    if "pattern" not in source:
        return [source]
    return [{"name": source["name"], "path": path} for path in sorted(glob.glob(source["pattern"]))]


def show(
    system: System,
    emit: Callable[[Log], None],
    sources: Sequence[LogSource],
    lines: int,
    since: float,
    grep: str,
    follow: bool,
) -> None:
    """Tell the last lines of some sources, in the order of their times, and with `follow` all new ones.

    :param since: seconds since the epoch; nothing that is older is told.
    """
    pattern = re.compile(grep) if grep else None

    def tell(entry: Entry) -> None:
        moment, name, text = entry
        emit({"t": "log", "time": moment, "source": name, "text": system.mask(text)})

    sources = [each for source in sources for each in found_now(source)]
    now = time.time()
    # Before the look back: nothing that is written meanwhile is lost.
    sizes = [size_of(each["path"]) if "path" in each else 0 for each in sources]
    room = min(LONGEST_ANSWER, LONGEST_ANSWERS // max(1, len(sources)))
    found = [
        entry
        for each, size in zip(sources, sizes)
        for entry in collect(system, each, lines, since, now, size, pattern, room)
    ]
    for entry in sorted(found, key=lambda entry: entry[0]):
        tell(entry)
    if not follow:
        return

    def fitting(entry: Entry) -> None:
        if pattern is None or pattern.search(entry[2]):
            tell(entry)

    work = [
        threading.Thread(target=watch_file, args=(each, size, fitting), daemon=True)
        if "path" in each
        else threading.Thread(target=watch_journal, args=(system, each, now, fitting), daemon=True)
        for each, size in zip(sources, sizes)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
