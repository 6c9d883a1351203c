"""The failures and warnings of a rollout, as GitHub and GitLab show them beside a commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .account import Account

# GitHub shows ten of each kind and step; what is over only fills the log of the job.
MOST = 10
LONGEST, LONGEST_TITLE = 4000, 200


@dataclass(frozen=True)
class Finding:
    """Something to be told.

    :param level: ``error`` or ``warning``.
    """

    level: str
    title: str
    text: str


def findings(account: Account) -> Iterator[Finding]:
    """Yield what failed, the same on several hosts once, what the run ended with, and the warnings."""
    hosts: dict[tuple[str, str, str, str], list[str]] = {}
    for each in account.events:
        if each.status == "failed":
            hosts.setdefault((each.step, each.label, each.error, each.output), []).append(each.host)
    for (step, label, error, output), names in hosts.items():
        tail = output.rstrip().split("\n")[-20:] if output.strip() else []
        yield Finding("error", f"{where(names)}: {step}: {label}", "\n".join([error, *tail]))
    for host, message in account.broken_off.items():
        yield Finding("error", f"{host}: broken off", message)
    if account.ok is None:
        yield Finding("error", f"{account.command} {account.environment}", "the run was killed: its log has no end")
    elif not account.ok and account.error:
        yield Finding("error", f"{account.command} {account.environment} failed", account.error)
    for note in account.notes:
        if note.level in ("warning", "error"):
            yield Finding(note.level, f"{note.host or account.environment}: {note.text.split(chr(10))[0]}", note.text)


def where(hosts: list[str]) -> str:
    named = list(dict.fromkeys(hosts))
    return ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def github(account: Account) -> list[str]:
    """Return workflow commands, one line each (GitHub: Workflow commands for GitHub Actions)."""
    lines = []
    counts = {"error": 0, "warning": 0}
    for each in findings(account):
        counts[each.level] += 1
        if counts[each.level] <= MOST:
            parts = {"file": account.file, "line": "1" if account.file else "", "title": each.title[:LONGEST_TITLE]}
            named = ",".join(f"{name}={of_property(value)}" for name, value in parts.items() if value)
            lines.append(f"::{each.level} {named}::{of_data(each.text[:LONGEST] or each.title)}")
    return lines


def of_data(text: str) -> str:
    """Write a text so that it stays one line and begins no other command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def of_property(text: str) -> str:
    return of_data(text).replace(":", "%3A").replace(",", "%2C")


def gitlab(account: Account) -> str:
    """Return a report of code quality (GitLab: Code Quality report format): what failed, at the environment file."""
    return json.dumps([*map(dict, rows(account))], indent=2) + "\n"


def rows(account: Account) -> Iterator[Mapping[str, object]]:
    seen: dict[str, int] = {}
    for each in findings(account):
        # The same failure of the next job is the same finding; two in one report are not.
        key = f"{each.level} {each.title}"
        seen[key] = seen.get(key, 0) + 1
        yield {
            "description": f"{each.title}: {each.text}"[:LONGEST],
            "check_name": f"{account.command} {account.environment}",
            "fingerprint": hashlib.sha256(f"{account.environment} {key} {seen[key]}".encode()).hexdigest(),
            "severity": "critical" if each.level == "error" else "minor",
            "location": {"path": account.file or account.environment, "lines": {"begin": 1}},
        }
