"""The commits that go out with a release, or are taken back by it, as a person wants to know them."""

from __future__ import annotations

from collections.abc import Sequence

from ..answers import reading
from ..answers.rows import Between
from ..errors import HawserError
from ..host.code import repository_access
from ..host.release import Release, short
from ..report.text import names, shorten
from . import repository
from .questions import AskableHosts

# Subjects of commits that are told, and how much of each.
MOST, LONGEST = 10, 100


def known_before(release: Release) -> bool:
    """Tell whether this machine knows the commits, or none are to be told: else hosts do, once they have the code."""
    app = release.environment.app
    return app.push or bool(app.package)


def report_commits(hosts: AskableHosts, release: Release) -> None:
    """Say which code serves, which comes, and with which commits."""
    serving: dict[str, list[str]] = {}
    for name in hosts.names:
        serving.setdefault(hosts.facts(name).commit, []).append(name)
    for former, there in serving.items():
        if former in ("", release.commit):
            continue
        where = f"{names(there)}: " if len(serving) > 1 else ""
        told = None if release.environment.app.package else between(hosts, former, release.commit)
        head = f"{where}code {short(former)} -> {short(release.commit)}"
        text = "\n".join([head, *described(told)])
        subjects, goes_out = (told["subjects"][:MOST], bool(told["brings"])) if told else ([], False)
        hosts.report.commits(former, release.commit, there, text, subjects, goes_out)


def between(hosts: AskableHosts, former: str, commit: str) -> Between | None:
    """Return the commits between two; None where nobody knows both of them."""
    app = hosts.environment.app
    if app.push:
        folder = repository.location(app.repo or "", hosts.session.folder.parent)
        return repository.between(folder, former, commit, MOST)
    (name,) = hosts.leader().names
    mirror = repository_access(hosts.host(name))["mirror"]
    try:
        asked = {"mirror": mirror, "former": former, "commit": commit, "most": MOST}
        return hosts.ask(name, reading.COMMITS_BETWEEN, asked)
    except HawserError:
        # Nobody is served by it. A host that does not answer any more is found out by what comes next.
        return None


def described(told: Between | None) -> Sequence[str]:
    """Return lines about commits: how many, and the subjects of the first ones, marked as somebody else's words."""
    if told is None:
        return []
    parts = ((told["brings"], "goes out", "go out"), (told["takes"], "is taken back", "are taken back"))
    counts = [f"1 commit {one}" if number == 1 else f"{number} commits {many}" for number, one, many in parts if number]
    subjects = [f"| {shorten(subject, LONGEST)}" for subject in told["subjects"][:MOST]]
    more = (told["brings"] or told["takes"]) - len(subjects)
    return [", ".join(counts), *subjects, *([f"and {more} more"] if more > 0 else [])]
