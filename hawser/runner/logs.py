"""What the application and those around it wrote: from systemd's journal and from files, line by line, with times.

A source is a dict with a name and either ``units`` or ``tags`` (of the journal) or ``path`` (a file and its rotated
ones).
"""

from __future__ import annotations

import calendar
import gzip
import json
import os
import re
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Pattern, Sequence, Tuple

    from .system import System

    Entry = Tuple[float, str, str]

NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number for number, name in enumerate(NAMES, 1)}
# Near the start of a line: 2026-11-25 15:43:01,123 or with T, a fraction and a zone; nginx's errors have slashes.
ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\s?(Z|[+-]\d\d:?\d\d)?")
# nginx's and Apache's access logs: [25/Nov/2026:15:43:01 +0000].
CLF = re.compile(r"\[(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]")
# How far into a line its time may begin: an access log has addresses and names before it.
REACH = 200
PAUSE = 0.5
BLOCK = 1 << 16


def stamp(line: str) -> Optional[float]:
    """Return the time that a line begins with, in seconds since the epoch; without a zone it is the host's own."""
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
            return time.mktime(moment) + fraction
        offset = 0 if zone == "Z" else int(zone[:3]) * 3600 + int(zone[0] + zone[-2:]) * 60
        return calendar.timegm(moment) - offset + fraction
    except (OverflowError, ValueError):
        return None


def backwards(path: str, end: Optional[int] = None) -> Iterator[str]:
    """Yield the lines of a file, the last one first, without reading more of it than is asked for.

    :param end: how many bytes of it count; default: all.
    """
    if path.endswith(".gz"):
        with gzip.open(path, "rb") as packed:
            yield from (line.decode("utf-8", "replace") for line in reversed(packed.read().splitlines()))
        return
    with open(path, "rb") as stream:
        position = stream.seek(0, os.SEEK_END)
        position = position if end is None else min(position, end)
        rest = b""
        while position:
            size = min(BLOCK, position)
            position -= size
            stream.seek(position)
            lines = (stream.read(size) + rest).split(b"\n")
            rest = lines[0]
            for line in reversed(lines[1:]):
                yield line.decode("utf-8", "replace")
        yield rest.decode("utf-8", "replace")


def generations(path: str) -> List[str]:
    """Return a log file and its rotated ones, the youngest first."""
    found = [path]
    for number in range(1, 100):
        older = [each for each in ("%s.%d" % (path, number), "%s.%d.gz" % (path, number)) if os.path.exists(each)]
        if not older:
            break
        found += older
    return [each for each in found if os.path.exists(each)]


def of_file(path: str, since: float, end: Optional[int] = None) -> Iterator[Tuple[float, str]]:
    """Yield time and text of a file's lines, the last one first.

    A line without a time has that of the line before it: a traceback belongs to its first line.
    """
    for number, name in enumerate(generations(path)):
        changed = os.stat(name).st_mtime
        if changed < since:
            return
        waiting: List[str] = []
        for line in backwards(name, None if number else end):
            moment = stamp(line)
            if moment is None:
                # An empty end is what stands behind the last line.
                waiting += [line] if line else []
                continue
            if moment < since:
                waiting = []
                break
            yield from ((moment, each) for each in waiting)
            waiting = []
            yield moment, line
        # Nothing in the file says when: then the time of its last change has to do.
        yield from ((changed, each) for each in waiting)


def journal_arguments(source: Mapping[str, Any]) -> List[str]:
    """Return the arguments that make journalctl show a source."""
    chosen = [word for unit in source.get("units", ()) for word in ("-u", unit)]
    chosen += [word for tag in source.get("tags", ()) for word in ("-t", tag)]
    return ["journalctl", "-q", "--all", "--no-pager", "-o", "json", *chosen]


def parse(line: bytes) -> Iterator[Tuple[float, str]]:
    """Yield time and text of a journal's entry, line by line."""
    try:
        entry = json.loads(line.decode("utf-8", "replace"))
        moment = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return
    said = entry.get("MESSAGE")
    # What is no UTF-8 comes as a list of bytes.
    text = bytes(said).decode("utf-8", "replace") if isinstance(said, list) else str(said or "")
    for each in text.split("\n"):
        yield moment, each


def of_journal(system: System, source: Mapping[str, Any], since: float) -> Iterator[Tuple[float, str]]:
    """Yield time and text of what the journal holds of a source, the last line first."""
    argv = [*journal_arguments(source), "--reverse"]
    if since:
        argv += ["--since", "@%d" % since]
    child = system.spawn(argv, apart=False)
    try:
        assert child.stdout is not None
        for line in child.stdout:
            yield from reversed(list(parse(line)))
    finally:
        child.kill()
        system.attend(child, b"", lambda _name, _part: None, 5.0)


def collect(
    system: System,
    source: Mapping[str, Any],
    lines: int,
    since: float,
    until: float,
    size: int,
    pattern: Optional[Pattern[str]],
) -> List[Entry]:
    """Return the last lines of a source that fit, the oldest first.

    :param lines: at most so many; 0: all.
    :param until: where the journal ends, and
    :param size: where a file does, for whoever goes on from there.
    """
    found: List[Entry] = []
    of_a_file = "path" in source
    told = of_file(source["path"], since, size) if of_a_file else of_journal(system, source, since)
    for moment, text in told:
        if moment < since or (moment > until and not of_a_file):
            continue
        if pattern is None or pattern.search(text):
            found.append((moment, source["name"], text))
        if lines and len(found) >= lines:
            break
    return found[::-1]


def watch_file(source: Mapping[str, Any], start: int, tell: Callable[[Entry], None]) -> None:
    """Tell what is added to a file, for ever; a file that has become shorter was emptied, and begins anew."""
    position, rest, last = start, b"", time.time()
    while True:
        try:
            with open(source["path"], "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size < position:
                    position, rest = 0, b""
                stream.seek(position)
                data = stream.read(size - position)
        except OSError:
            data = b""
        position += len(data)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            text = line.decode("utf-8", "replace")
            last = stamp(text) or (last if text[:1] in (" ", "\t") else time.time())
            tell((last, source["name"], text))
        time.sleep(PAUSE)


def watch_journal(system: System, source: Mapping[str, Any], start: float, tell: Callable[[Entry], None]) -> None:
    """Tell what is added to the journal of a source, for ever."""
    child = system.spawn([*journal_arguments(source), "--follow", "--since", "@%d" % start])
    rest = bytearray()

    def heard(_name: str, part: bytes) -> None:
        rest.extend(part)
        *whole, last = bytes(rest).split(b"\n")
        rest[:] = last
        for line in whole:
            for moment, text in parse(line):
                if moment > start:
                    tell((moment, source["name"], text))

    system.attend(child, b"", heard)


def show(
    system: System,
    emit: Callable[[Dict[str, Any]], None],
    sources: Sequence[Mapping[str, Any]],
    lines: int,
    since: float,
    grep: str,
    follow: bool,
) -> None:
    """Tell the last lines of some sources, in the order of their times, and with `follow` whatever comes after.

    :param since: seconds since the epoch; nothing that is older is told.
    """
    pattern = re.compile(grep) if grep else None

    def tell(entry: Entry) -> None:
        moment, name, text = entry
        emit({"t": "log", "time": moment, "source": name, "text": system.mask(text)})

    now = time.time()
    # Before the look back: nothing that is written meanwhile is lost.
    sizes = [os.path.getsize(each["path"]) if os.path.exists(each.get("path", "")) else 0 for each in sources]
    found = [
        entry for each, size in zip(sources, sizes) for entry in collect(system, each, lines, since, now, size, pattern)
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
