"""A rollout as one HTML file that needs nothing else: it is looked at, sent on, printed, kept by CI.

Hosts and repositories have their word in it. What the file shows itself is escaped here; the table of all events goes
along as JSON, and the script puts it out as text alone. The policy of the page names style and script by their digests
and allows nothing else: no other script, no address that is asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..text import duration, names
from . import compare
from .compare import Difference
from .reading import Account, Happened

HERE = Path(__file__).parent
# Characters of all texts of events; what is over stays in the log.
MOST_TEXT = 3_000_000
# Of one of them.
LONGEST_TEXT = 60_000
LEFT_OUT = "(left out here; it is in the log)"
# Failures that are told one by one, and lines of output that are seen without a click; notes.
MOST_FAILURES, TAIL, MOST_NOTES = 40, 20, 200
VERDICTS = {
    True: ("good", "✓", "Done"),
    False: ("bad", "✗", "Failed"),
    None: ("bad", "…", "No end: it was killed, or is under way"),
}


def page(account: Account, former: Account | None = None) -> str:
    """Return the page of a rollout.

    :param former: the rollout before, to compare with.
    """
    style, script = (HERE / name for name in ("page.css", "page.js"))
    css, code = style.read_text("utf-8"), script.read_text("utf-8")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{digest(css)}'",
            f"script-src '{digest(code)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    _, mark, verdict = verdict_of(account)
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{mark} {text(account.command)} {text(account.environment)}: {text(verdict)}</title>\n"
        f"<style>{css}</style>\n</head>\n<body>\n",
        *header(account, former),
        "<main>\n",
        *failures(account),
        *comparison(account, former),
        *commits(account),
        *phases(account, former),
        MOVING,
        *notes(account),
        "</main>\n",
        footer(account),
        f'<script type="application/json" id="data">{data(account)}</script>\n',
        f"<script>{code}</script>\n</body>\n</html>\n",
    ]
    return "".join(parts)


# What the script fills.
MOVING = """\
<section id="events" hidden aria-labelledby="events-title">
<h2 id="events-title">Timeline</h2>
<form id="filter" role="search">
<label class="search"><span class="unseen">Search hosts, steps and texts</span>
<input type="search" id="query" placeholder="Search hosts, steps, texts" autocomplete="off" spellcheck="false"></label>
<fieldset><legend class="unseen">Show</legend>
<label><input type="radio" name="show" value="all" checked> all</label>
<label><input type="radio" name="show" value="changed"> changes</label>
<label><input type="radio" name="show" value="failed"> failures</label>
</fieldset>
<label class="books"><input type="checkbox" id="books"> book-keeping</label>
<output id="count" aria-live="polite"></output>
</form>
<div id="axis" aria-hidden="true"></div>
<ol id="hosts"></ol>
<button type="button" id="more-hosts" hidden></button>
<p class="legend" aria-hidden="true"><span class="key ok">as it was</span> <span class="key changed">changed</span>
<span class="key failed">failed ✗</span></p>
</section>
<section id="changes" hidden aria-labelledby="changes-title">
<h2 id="changes-title">What changed</h2>
<ol id="changed"></ol>
<button type="button" id="more-changes" hidden></button>
</section>
<noscript><p class="note">The timeline, the changes and the search need JavaScript.</p></noscript>
"""


def verdict_of(account: Account) -> tuple[str, str, str]:
    """Return how a rollout went: a class, a mark and words."""
    if account.ok and account.failed_hosts:
        return ("odd", "!", "Done, but not on all hosts")
    return VERDICTS[account.ok]


def header(account: Account, former: Account | None) -> Iterator[str]:
    kind, mark, verdict = verdict_of(account)
    where = f" of {text(account.application)}" if account.application not in ("", account.environment) else ""
    yield f'<header class="{kind}">\n<p class="verdict">'
    yield f'<span class="mark" aria-hidden="true">{mark}</span> {verdict}</p>\n'
    dry = " (only looked)" if account.dry else ""
    yield f"<h1>{text(account.command)} <small>{text(account.environment)}{where}{dry}</small></h1>\n"
    if account.commit:
        subject = f" {text(account.subject)}" if account.subject else ""
        yield f'<p class="subject"><code>{text(account.commit[:10])}</code>{subject}</p>\n'
    if account.error:
        yield f'<pre class="error">{text(account.error)}</pre>\n'
    changed, failed = account.having("changed", "would_change"), account.failed_hosts
    took = duration(account.seconds)
    if former is not None:
        took += f" <small>before: {duration(former.seconds)}</small>"
    facts = [
        ("Began", moment(account.started)),
        ("Took", took),
        ("Hosts", counted(len(account.hosts), "", "")),
        ("Changed", f"{changes(account)} on {counted(len(changed), 'host', 'hosts')}" if changed else "nothing"),
        ("Failed on", text(names(failed)) if failed else ""),
        ("Release", f"<code>{text(account.release)}</code>" if account.release else ""),
        ("By", text(f"{account.who} on {account.place}" if account.place else account.who)),
    ]
    yield '<dl class="facts">\n'
    yield "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>\n" for name, value in facts if value)
    yield "</dl>\n</header>\n"


def changes(account: Account) -> int:
    """Return how many resources changed, without book-keeping."""
    return sum(each.status in ("changed", "would_change") and not each.bookkeeping for each in account.events)


def failures(account: Account) -> Iterator[str]:
    """Yield what failed, the same on several hosts once, with the last lines of its output and what it means."""
    groups: dict[tuple[str, ...], list[Happened]] = {}
    for each in account.events:
        if each.status == "failed":
            groups.setdefault((each.step, each.label, each.error, each.output), []).append(each)
    if not (groups or account.broken_off or account.at_work):
        return
    yield '<section id="failures" aria-labelledby="failures-title">\n<h2 id="failures-title">Failures</h2>\n'
    for (step, label, error, output), events in list(groups.items())[:MOST_FAILURES]:
        hosts = list(dict.fromkeys(each.host for each in events))
        longest = max(each.seconds for each in events)
        yield (
            f'<article class="failure"><h3><span class="hosts">{text(names(hosts, 12))}</span> '
            f"<code>{text(step)}</code> {text(label)} <small>{duration(longest)}</small></h3>\n"
        )
        if error:
            yield f'<pre class="error">{text(error)}</pre>\n'
        yield tail(output)
        yield from meanings(account, hosts)
        yield "</article>\n"
    if len(groups) > MOST_FAILURES:
        yield f'<p class="note">{len(groups) - MOST_FAILURES} more kinds of failures stand in the timeline.</p>\n'
    alike: dict[str, list[str]] = {}
    for host, message in account.broken_off.items():
        alike.setdefault(message, []).append(host)
    for message, hosts in list(alike.items())[:MOST_FAILURES]:
        yield f'<article class="failure"><h3><span class="hosts">{text(names(hosts, 12))}</span> broken off</h3>\n'
        yield f'<pre class="error">{text(message)}</pre></article>\n'
    for host, (step, label) in list(account.at_work.items())[:MOST_FAILURES]:
        yield (
            f'<article class="failure"><h3><span class="hosts">{text(host)}</span> was at <code>{text(step)}</code> '
            f"{text(label)} when the log ended</h3></article>\n"
        )
    yield "</section>\n"


def tail(output: str) -> str:
    """Return the last lines of an output, and all of it behind a click where there are more."""
    lines = output.rstrip().split("\n") if output.strip() else []
    if not lines:
        return ""
    if len(lines) <= TAIL:
        return f"<pre>{text(output.rstrip())}</pre>\n"
    last = text("\n".join(lines[-TAIL:]))
    rest = text("\n".join(lines[:-TAIL])[-LONGEST_TEXT:])
    return (
        f"<details><summary>{len(lines) - TAIL} lines before these</summary><pre>{rest}</pre></details>"
        f"<pre>{last}</pre>\n"
    )


def meanings(account: Account, hosts: Sequence[str]) -> Iterator[str]:
    for each in account.explained:
        if each.host in hosts:
            yield f'<pre class="meaning">{text(each.text)}</pre>\n'


def comparison(account: Account, former: Account | None) -> Iterator[str]:
    """Yield what took markedly longer, or less long, than before or than elsewhere."""
    told = [*(compare.differences(account, former) if former else ()), *compare.slow_hosts(account)]
    if not told:
        return
    yield '<section id="comparison" aria-labelledby="comparison-title">\n'
    yield '<h2 id="comparison-title">What took longer, or less long</h2>\n<ul class="plain">\n'
    for each in told:
        yield f'<li class="{"slower" if each.slower else "faster"}">{sentence(each)}</li>\n'
    yield "</ul>\n"
    if former is not None:
        yield f'<p class="note">Before: {text(former.command)} of {moment(former.started)}.</p>\n'
    yield "</section>\n"


def sentence(each: Difference) -> str:
    """Say what took another time than before or than elsewhere."""
    arrow = "▲" if each.slower else "▼"
    host = f"<b>{text(each.host)}</b>: " if each.host else ""
    what = f"<code>{text(each.what)}</code>" if each.kind != "phase" else f"the phase <b>{text(each.what)}</b>"
    what += f" {text(each.label)}" if each.label else ""
    usual = "half of the hosts took at most" if each.host else "before"
    return (
        f'<span aria-hidden="true">{arrow}</span> {host}{what} {each.took}: '
        f"{duration(each.seconds)}, {usual} {duration(each.before)}"
    )


def commits(account: Account) -> Iterator[str]:
    if not account.commits:
        return
    yield '<section id="commits" aria-labelledby="commits-title">\n<h2 id="commits-title">Commits</h2>\n'
    for each in account.commits[:MOST_FAILURES]:
        head, *rest = each.text.split("\n")
        quoted = [line for line in rest if not line.startswith("| ")]
        yield f"<p>{text('; '.join([head, *quoted]))}</p>\n"
        if each.subjects:
            subjects = "".join(f"<li>{text(subject)}</li>" for subject in each.subjects)
            yield f'<ul class="subjects">{subjects}</ul>\n'
    yield "</section>\n"


def phases(account: Account, former: Account | None) -> Iterator[str]:
    """Yield the table of phases, each with how long it took before."""
    rows: dict[str, tuple[float, dict[str, None]]] = {}
    for each in account.phases:
        if each.bookkeeping:
            continue
        seconds, hosts = rows.get(each.name, (0.0, {}))
        rows[each.name] = (seconds + each.seconds, {**hosts, **dict.fromkeys(each.hosts)})
    if not rows:
        return
    then = compare.by_phase(former) if former else {}
    most = max([seconds for seconds, _hosts in rows.values()] + [then.get(name, 0.0) for name in rows]) or 1.0
    yield '<section id="phases" aria-labelledby="phases-title">\n<h2 id="phases-title">Phases</h2>\n<table>\n'
    head = '<th scope="col" class="number">before</th>' if former else ""
    yield '<thead><tr><th scope="col">phase</th><th scope="col" class="where">hosts</th>'
    yield f'<th scope="col" class="number">took</th>{head}<th scope="col" class="wide">'
    yield '<span class="unseen">drawn</span></th></tr></thead>\n<tbody>\n'
    for name, (seconds, hosts) in rows.items():
        cell, there = "", text(where(account, list(hosts)))
        if former:
            cell = f'<td class="number">{duration(then[name]) if name in then else "–"}</td>'
        yield (
            f'<tr><th scope="row">{text(name)} <small class="narrow">{there}</small></th><td class="where">{there}</td>'
            f'<td class="number">{duration(seconds)}</td>{cell}'
            f'<td class="wide">{bar(seconds / most, then.get(name, 0.0) / most)}</td></tr>\n'
        )
    yield "</tbody>\n</table>\n</section>\n"


def where(account: Account, hosts: Sequence[str]) -> str:
    """Say on which hosts something was."""
    return f"all {len(hosts)}" if len(hosts) > 1 and set(hosts) == set(account.hosts) else names(hosts, 4)


def bar(now: float, then: float) -> str:
    """Draw two lengths, one over the other; a reader of the table has them as numbers."""
    before = f'<rect class="then" x="0" y="11" width="{then * 200:.1f}" height="4"/>' if then else ""
    return (
        '<svg viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="now" x="0" y="2" width="{now * 200:.1f}" height="8"/>{before}</svg>'
    )


def notes(account: Account) -> Iterator[str]:
    told = [each for each in account.notes if each.text]
    if not told:
        return
    yield '<section id="notes" aria-labelledby="notes-title">\n<h2 id="notes-title">Notes</h2>\n<ul class="plain">\n'
    # Warnings first; the order is that of time otherwise.
    for each in sorted(told, key=lambda note: note.level == "info")[:MOST_NOTES]:
        host = f"<b>{text(each.host)}</b> " if each.host else ""
        level = f'<span class="level {text(each.level)}">{text(each.level)}</span> ' if each.level != "info" else ""
        head, _, rest = each.text.strip("\n").partition("\n")
        more = f"<pre>{text(rest[:LONGEST_TEXT])}</pre>" if rest else ""
        at = f'<time class="at">{duration(each.moment)}</time>'
        yield f"<li>{at} {level}{host}{text(head)}{more}</li>\n"
    yield "</ul>\n"
    if len(told) > MOST_NOTES:
        yield f'<p class="note">{len(told) - MOST_NOTES} more stand in the log.</p>\n'
    yield "</section>\n"


def footer(account: Account) -> str:
    unread = f" {counted(account.unread, 'line', 'lines')} of it could not be read." if account.unread else ""
    hawser = f" Hawser {text(account.hawser)}." if account.hawser else ""
    return f"<footer><p>Made of the log <code>{text(account.name)}</code>.{unread}{hawser}</p></footer>\n"


def data(account: Account) -> str:
    """Return the table of all events as JSON that can stand in a page: equal texts once, numbers for the rest."""
    texts: dict[str, int] = {"": 0}
    hosts = {host: number for number, host in enumerate(account.hosts)}
    room = MOST_TEXT

    def place(value: str) -> int:
        nonlocal room
        if value not in texts:
            shown = value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}\n{LEFT_OUT}"
            if len(shown) > room:
                shown = LEFT_OUT if len(value) > len(LEFT_OUT) else value
            room -= len(shown)
            texts[value] = len(shown_texts)
            shown_texts.append(shown)
        return texts[value]

    shown_texts = [""]
    rows: list[list[int]] = []
    # What failed and changed has the room first.
    order = sorted(range(len(account.events)), key=lambda number: RANK.get(account.events[number].status, 2))
    made: dict[int, list[int]] = {}
    for number in order:
        each = account.events[number]
        row = [
            hosts[each.host],
            each.phase,
            place(each.step),
            place(each.label),
            STATES.index(each.status),
            round(each.began * 1000),
            round(each.seconds * 1000),
            int(each.bookkeeping),
            place(each.diff),
            place(each.note),
            place(each.output),
            place(each.error),
        ]
        while not row[-1] and len(row) > PLAIN:
            row.pop()
        made[number] = row
    rows = [made[number] for number in range(len(account.events))]
    found = {
        "texts": shown_texts,
        "hosts": list(hosts),
        "broken": [hosts[host] for host in account.broken_off if host in hosts],
        "phases": [
            [each.name, round(each.began * 1000), round(each.ended * 1000), int(each.bookkeeping)]
            for each in account.phases
        ],
        "events": rows,
        "ms": round(account.seconds * 1000),
    }
    return in_script(found)


STATES = ("ok", "changed", "would_change", "unknown", "failed", "skipped")
RANK = {"failed": 0, "changed": 1, "would_change": 1}
# Numbers of an event that are always there.
PLAIN = 7


def in_script(value: Mapping[str, object]) -> str:
    """Write JSON that ends no script and opens no comment, whatever is in it (HTML, 4.12.1.3)."""
    plain = json.dumps(value, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def text(value: str) -> str:
    """Write a text as HTML, also as the value of an attribute in double quotes (HTML, 13.3)."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def digest(source: str) -> str:
    """Return the digest of a style or script, as a policy names it (CSP 3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def moment(seconds: float) -> str:
    """Return a moment in UTC; the script shows it in the reader's own zone."""
    at = time.gmtime(seconds)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", at)
    return f'<time datetime="{stamp}">{time.strftime("%Y-%m-%d %H:%M", at)} UTC</time>'


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".strip()
