"""A rollout as one HTML file that needs nothing else: it is looked at, sent on, printed, kept by CI.

Hosts and repositories have their word in it. What the file shows itself is escaped here; the table of all events goes
along as JSON, and the script puts it out as text alone. The policy of the page names style and script by their digests
and allows nothing else: no other script, no address that is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..text import duration, names
from .account import Account, Happened
from .embedded import data
from .markup import counted, digest, moment, text
from .timing import comparison, phases

HERE = Path(__file__).parent
# Characters of one text.
LONGEST_TEXT = 60_000
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
