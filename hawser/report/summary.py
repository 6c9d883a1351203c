"""The end of a run, in lines: counts, the slowest resources, the warnings again, and one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from .events import Status
from .tally import Tally
from .text import Line, duration, names, one_line

SLOWEST_AFTER = 2.0


def summary(tally: Tally, seconds: float, ok: bool, dry: bool, verbose: bool = False) -> Iterator[Line]:
    """Sum up.

    :param seconds: how long the run took.
    :param ok: whether the run as a whole succeeded.
    :param verbose: counts of every host are wanted, also where nothing failed, and book-keeping was told.
    """
    if not tally.empty():
        if verbose or tally.failed_hosts():
            yield []
            yield from counts(tally, dry)
        if verbose and seconds > SLOWEST_AFTER:
            yield from slowest(tally)
        if tally.warnings:
            yield []
            for host, text in tally.warnings:
                said = once_more(text)
                yield [("warning  ", "bold yellow"), (f"{host}: {said}" if host else said, "yellow")]
        yield []
        yield sentence(tally, seconds, ok, dry, 0 if verbose else tally.bookkeeping)
    elif tally.broken_off:
        yield sentence(tally, seconds, ok, dry, 0)


def once_more(text: str) -> str:
    """Return a warning as it is repeated at the end: a list in it stands further up, the next move counts."""
    head, *rest = text.split("\n")
    moves = [line for line in rest if line.lstrip().startswith("next:")]
    left = len(rest) - len(moves)
    return "\n".join([head + (f" (… {left} lines, see above)" if left > 2 else ""), *(moves if left > 2 else rest)])


def counts(tally: Tally, dry: bool) -> Iterator[Line]:
    """One row a host."""
    change: Status = "would_change" if dry else "changed"
    columns: list[tuple[Status, str, str]] = [
        ("ok", "ok", "green"),
        (change, "would change" if dry else "changed", "cyan" if dry else "yellow"),
        ("failed", "failed", "bold red"),
        ("skipped", "skipped", "magenta"),
        ("unknown", "unknown", ""),
    ]
    width = max(len("host"), *map(len, tally.hosts))
    yield [("host".ljust(width), "dim"), *((f"  {title:>7}", "dim") for _, title, _ in columns)]
    for host, row in tally.hosts.items():
        cells = [
            (f"  {row[status]:>{max(7, len(title))}}", style if row[status] else "dim")
            for status, title, style in columns
        ]
        if host in tally.broken_off:
            cells.append(("  broken off", "bold red"))
        yield [(host.ljust(width), "bold"), *cells]


def slowest(tally: Tally) -> Iterator[Line]:
    """The resources that took longest."""
    slow = tally.slowest()
    if not slow:
        return
    yield []
    yield [("slowest", "dim")]
    times = [duration(one.ms / 1000) for one in slow]
    width = max(map(len, times))
    hosts = max(len(one.host) for one in slow)
    steps = max(len(one.step) for one in slow)
    for one, time in zip(slow, times, strict=True):
        yield [
            (f"{time:>{width}}  ", ""),
            (f"{one.host:{hosts}}  ", "bold"),
            (f"{one.step:{steps}}  ", "cyan"),
            (one_line(one.label), ""),
        ]


def sentence(tally: Tally, seconds: float, ok: bool, dry: bool, untold: int) -> Line:
    """The one line that says how it went.

    :param untold: how many changes were book-keeping, of which no line was shown.
    """
    took = duration(seconds)
    books = f" ({untold} of them book-keeping, which -v shows)" if untold else ""
    failed = tally.failed_hosts()
    if tally.total("differs") and not failed:
        return [(compared(tally), "bold red"), (f" ({took})", "")]
    if not ok:
        where = f" on {names(failed)}" if failed else ""
        changed = tally.total("changed")
        before = f"; {changed} changed before that{books}" if changed else ""
        return [(f"failed{where}", "bold red"), (f" after {took}{before}", "")]
    # In a dry run, nothing is unknown but for what would change.
    if tally.total("unknown") and not tally.total("would_change"):
        return [("nothing differs", "bold green"), (f", {compared(tally)} ({took})", "")]
    if dry:
        would, unknown = tally.total("would_change"), tally.total("unknown")
        if not would and not unknown:
            return [("nothing would change", "bold green"), (f" ({took})", "")]
        also = f", {unknown} cannot be known yet" if unknown else ""
        hosts = names(dict.fromkeys([*tally.having("would_change"), *tally.having("unknown")]))
        return [
            (f"would change {would}{books}", "bold cyan"),
            (f" on {hosts}{also}; nothing was touched ({took})", ""),
        ]
    changed = tally.total("changed")
    # The run went on without it, and counts as it ended.
    despite = f"; what failed on {names(failed)} is told above" if failed else ""
    if not changed and not failed:
        return [("nothing changed", "bold green"), (f" ({took})", "")]
    where = f" on {names(tally.having('changed'))}" if changed else ""
    return [("done", "bold green"), (f" in {took}: {changed} changed{where}{books}{despite}", "")]


def compared(tally: Tally) -> str:
    """Say how many things differ from what they were, and where."""
    differ, unknown = tally.total("differs"), tally.total("unknown")
    told = [f"{differ} {'differs' if differ == 1 else 'differ'} on {names(tally.having('differs'))}"] if differ else []
    return ", ".join([*told, *([f"{unknown} cannot be known"] if unknown else [])])
