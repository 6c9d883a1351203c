"""A rollout as JUnit's XML, as CI shows it: a suite for each host, a case for each resource.

There is no standard of it. This is what Ant's task writes, as the schema of windyroad/JUnit-Schema has it, which
Jenkins and GitLab read as well: elements and attributes in that order, nothing beside them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from .account import Account, Happened

# All characters that XML 1.0 has no way to write; cleaning has left none, and a log may say anything.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST = 20_000
SKIPPED = ("skipped", "unknown")


def junit(account: Account) -> str:
    """Return the XML of a rollout."""
    suites = [*hosts(account)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for number, (host, events) in enumerate(suites):
        lines += suite(account, number, host, events)
    return "\n".join([*lines, "</testsuites>", ""])


def hosts(account: Account) -> Iterator[tuple[str, list[Happened]]]:
    """Yield each host with its events; what no host can be blamed for has a suite of its own."""
    found: dict[str, list[Happened]] = {host: [] for host in account.hosts}
    for each in account.events:
        found[each.host].append(each)
    yield from found.items()
    if account.ok is not True and not account.failed_hosts:
        yield "", []


def suite(account: Account, number: int, host: str, events: list[Happened]) -> Iterator[str]:
    failures = sum(each.status == "failed" for each in events)
    broken = account.broken_off.get(host, "")
    if not host:
        broken = account.error or "the log has no end: the run was killed, or is under way"
    attributes = {
        "name": f"{account.command} {account.environment}" + (f": {host}" if host else ""),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(account.started)),
        "hostname": host or account.environment or "localhost",
        "tests": str(len(events) + bool(broken)),
        "failures": str(failures),
        "errors": str(int(bool(broken))),
        "skipped": str(sum(each.status in SKIPPED for each in events)),
        "time": f"{sum(each.seconds for each in events):.3f}",
        "id": str(number),
        "package": account.application or account.environment,
    }
    yield f"<testsuite {pairs(attributes)}>"
    yield "<properties/>"
    for each in events:
        yield from case(host, each)
    if broken:
        attributes = {"name": account.command, "classname": host or account.environment, "time": "0.000"}
        yield f"<testcase {pairs(attributes)}>"
        yield f"<error {pairs({'message': first(broken), 'type': 'broken off'})}>{content(broken)}</error>"
        yield "</testcase>"
    notes = [each.text for each in account.notes if each.host == host]
    yield f"<system-out>{content(chr(10).join(notes))}</system-out>"
    yield f"<system-err>{content(account.error if not host else '')}</system-err>"
    yield "</testsuite>"


def case(host: str, each: Happened) -> Iterator[str]:
    name = " ".join(
        part for part in (each.label, f"({each.note})" if each.note and "\n" not in each.note else "") if part
    )
    start = f"<testcase {pairs({'name': name, 'classname': f'{host}.{each.step}', 'time': f'{each.seconds:.3f}'})}"
    if each.status == "failed":
        yield f"{start}>"
        told = "\n".join(part for part in (each.error, each.output) if part)
        yield f"<failure {pairs({'message': first(each.error), 'type': each.step})}>{content(told)}</failure>"
        yield "</testcase>"
    elif each.status in SKIPPED:
        yield f"{start}><skipped/></testcase>"
    else:
        yield f"{start}/>"


def pairs(attributes: dict[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(plain(value))}" for name, value in attributes.items())


def content(text: str) -> str:
    return escape(plain(text if len(text) <= LONGEST else f"(…)\n{text[-LONGEST:]}"))


def first(text: str) -> str:
    return text.strip().split("\n")[0][:500]


def plain(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return NOT_XML.sub("\ufffd", text)
