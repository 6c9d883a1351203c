"""The table of all events, as it goes along in a page: equal texts once, numbers for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .account import Account, Happened

# Characters of all texts, what is over stays in the log; and of one of them.
MOST_TEXT, LONGEST_TEXT = 3_000_000, 60_000
LEFT_OUT = "(left out here; it is in the log)"
# By their places the script knows them.
STATES = ("ok", "changed", "would_change", "unknown", "failed", "skipped", "differs")
# What has the room first.
RANK = {"failed": 0, "changed": 1, "would_change": 1, "differs": 1}
# Numbers of an event that are always there.
PLAIN = 7


class Texts:
    """Texts, each of them once; a text is its place among them from then on, and the empty one is 0."""

    def __init__(self) -> None:
        self.shown = [""]
        self._places = {"": 0}
        self._room = MOST_TEXT

    def place(self, text: str) -> int:
        """Return the place of a text; a long one is cut, and left out where there is no more room."""
        if text not in self._places:
            shown = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}\n{LEFT_OUT}"
            if self._room < len(shown) > len(LEFT_OUT):
                shown = LEFT_OUT
            self._room -= len(shown)
            self._places[text] = len(self.shown)
            self.shown.append(shown)
        return self._places[text]


def data(account: Account) -> str:
    """Return the table of all events as JSON that can stand in a page."""
    texts = Texts()
    hosts = {host: number for number, host in enumerate(account.hosts)}
    rows: dict[int, list[int]] = {}
    for number in sorted(range(len(account.events)), key=lambda each: RANK.get(account.events[each].status, 2)):
        rows[number] = row_of(account.events[number], hosts, texts)
    found = {
        "texts": texts.shown,
        "hosts": list(hosts),
        "broken": [hosts[host] for host in account.broken_off if host in hosts],
        "phases": [
            [each.name, milliseconds(each.began), milliseconds(each.ended), int(each.bookkeeping)]
            for each in account.phases
        ],
        "events": [rows[number] for number in range(len(account.events))],
        "ms": milliseconds(account.seconds),
    }
    return in_script(found)


def row_of(each: Happened, hosts: Mapping[str, int], texts: Texts) -> list[int]:
    """Return an event as numbers, in the order in which the script knows them; those at the end that are 0 go."""
    row = [
        hosts[each.host],
        each.phase,
        texts.place(each.step),
        texts.place(each.label),
        STATES.index(each.status),
        milliseconds(each.began),
        milliseconds(each.seconds),
        int(each.bookkeeping),
        *map(texts.place, (each.diff, each.note, each.output, each.error)),
    ]
    while not row[-1] and len(row) > PLAIN:
        row.pop()
    return row


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def in_script(value: Mapping[str, object]) -> str:
    """Write JSON that ends no script and opens no comment, whatever is in it (HTML, 4.12.1.3)."""
    plain = json.dumps(value, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
