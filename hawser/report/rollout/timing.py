"""The parts of a page that are about time: what took longer than before or than elsewhere, and the phases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..text import duration, names
from . import compare
from .account import Account
from .compare import Difference
from .markup import moment, text


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
