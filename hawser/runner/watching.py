"""What ages or stays away on this host, and who is told of it: the service of a timer calls `main`."""

from __future__ import annotations

import contextlib
import json
import os
import time

from .certificates.certificates import shown
from .databases.offsite import last as last_backup
from .files.disk import read, write_atomically
from .jobs import do
from .processes.cron import last as last_runs
from .system import Failure, System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Mapping, Tuple

    from .specs.watching import Job

# Days that a certificate is still good for when that is told, each once.
DAYS = (14, 7, 3, 1, -1)
# How much later than its schedule an entry of cron may run: a share of the time between two runs, and seconds.
LATE, LATEST = 0.1, 900


class Look:
    """What a look at the host has seen.

    :ivar runs: the last run of each entry of cron.
    :ivar certificates: by name; None where there is none.
    :ivar backup: how the last backup that was to leave the host has ended; None: none is to.
    """

    def __init__(self, job: Job, system: System) -> None:
        self.runs = last_runs(system, job["cron_folder"])
        self.certificates = {name: shown(system, path) for name, path in sorted(job["certificates"].items())}
        self.backup = last_backup(system) if job["backup_hours"] else None


def findings(job: Job, look: Look, now: float) -> Iterator[Tuple[str, str]]:
    """Yield what is wrong: a name by which it is known again, and a sentence.

    :param now: seconds since the epoch.
    """
    with contextlib.suppress(OSError):
        installed = os.stat(job["cron_file"]).st_mtime
        for name, seconds in sorted(job["cron"].items()):
            run = look.runs.get(name)
            if run and run["status"] and not run["running"]:
                yield "cron " + name, "the last run of %s exited with %d" % (name, run["status"])
            elif run and run["status"] is None and not run["running"]:
                yield "cron " + name, "the last run of %s was killed" % name
            late = now - max(installed, run["began"] if run else 0) - seconds
            if seconds and late > max(LATEST, LATE * seconds):
                yield "late " + name, "%s has not run, and should have %s ago" % (name, span(late))
    for name, found in look.certificates.items():
        passed = [each for each in DAYS if found and found["days"] <= each]
        if found and passed:
            text = "is over" if found["days"] < 0 else "ends in %d days" % found["days"]
            yield "certificate %s %d" % (name, passed[-1]), "the certificate %s %s" % (name, text)
    if look.backup is not None:
        hours = (now - max(look.backup["time"], job_date(job))) / 3600
        if look.backup["failed"]:
            yield "backup", "the last backup that was to leave the host failed: " + look.backup["failed"]
        if hours > job["backup_hours"]:
            when = "%d hours old" % hours if look.backup["time"] else "missing"
            yield "old backup", "the last backup that has left the host is " + when


def job_date(job: Job) -> float:
    """Return since when the host is watched: what was never there cannot be older than that."""
    try:
        return os.stat(job["addresses"]).st_mtime
    except OSError:
        return 0.0


def span(seconds: float) -> str:
    """Write a duration the short way."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return "%d %s" % (seconds // size, unit)
    return "%d seconds" % seconds


def told_before(path: str) -> Dict[str, str]:
    """Return what people know already, by name; nothing where that cannot be read."""
    with contextlib.suppress(Failure, ValueError):
        found = json.loads(read(path) or b"{}")
        if isinstance(found, dict):
            return {str(name): str(text) for name, text in found.items()}
    return {}


def message(wrong: Mapping[str, str], known: Mapping[str, str]) -> List[str]:
    """Return the lines of a message, none where nothing is new."""
    new = [text for name, text in wrong.items() if name not in known]
    over = [text for name, text in known.items() if name not in wrong]
    still = [text for name, text in wrong.items() if name in known]
    if not new and not over:
        return []
    parts = (("Wrong now:", new), ("No longer so:", over), ("Still wrong:", still))
    return [line for title, texts in parts if texts for line in [title, *("- " + text for text in texts)]]


def metrics(job: Job, look: Look, wrong: Mapping[str, str], now: float) -> str:
    """Return what was looked at in the text format of Prometheus.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/.

    :param now: seconds since the epoch.
    """
    backup = look.backup["time"] if look.backup else 0
    days = {name: each["days"] for name, each in look.certificates.items() if each}
    ended = {name: run for name, run in look.runs.items() if name in job["cron"] and run["status"] is not None}
    rows: List[Tuple[str, str, Mapping[str, float]]] = [
        ("watch_timestamp_seconds", "When the host has looked last.", {"": int(now)}),
        ("wrong", "How many things are wrong.", {"": len(wrong)}),
        (
            "cron_last_run_timestamp_seconds",
            "When an entry began last.",
            {name: ended[name]["began"] for name in ended},
        ),
        ("cron_last_status", "How it ended.", {name: ended[name]["status"] or 0 for name in ended}),
        ("certificate_days", "Days that are left.", days),
        ("backup_timestamp_seconds", "When one has left the host last.", {"": backup} if backup else {}),
    ]
    lines = []
    for name, told, values in rows:
        if values:
            lines += ["# HELP hawser_%s %s" % (name, told), "# TYPE hawser_%s gauge" % name]
        for what, value in values.items():
            about = ',name="%s"' % what if what else ""
            lines.append('hawser_%s{application="%s"%s} %d' % (name, job["application"], about, value))
    return "\n".join([*lines, ""])


def watch(job: Job, system: System) -> None:
    """Look, and tell people what is new.

    :raises Failure: they cannot be told; they will be the next time.
    """
    path, now = os.path.join(system.state, "watch-told.json"), time.time()
    look = Look(job, system)
    wrong, known = dict(findings(job, look, now)), told_before(path)
    if job["textfile"]:
        write_atomically(job["textfile"], metrics(job, look, wrong, now).encode(), 0o644)
    lines = message(wrong, known) if job["tells"] else []
    if not lines:
        return
    title = "%s: %d wrong" % (job["title"], len(wrong)) if wrong else "%s: well again" % job["title"]
    # The addresses are in a file and the message on its standard input: whoever lists processes sees neither.
    argv = ["apprise", "--config", job["addresses"], "--title", title]
    result = system.run(argv, stdin=system.mask("\n".join(lines)) + "\n", check=False, timeout=120)
    if result.code:
        raise Failure("nobody could be told", result.output)
    write_atomically(path, json.dumps(wrong).encode(), 0o600)


def main(path: str) -> None:
    """Do the job that a file says."""
    do(path, watch)
