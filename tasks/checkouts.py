"""Repositories beside the application's own: firmware, documents, whatever the application reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hawser.answers import reading
from hawser.errors import HawserError, StepFailed
from hawser.fleet import releases
from hawser.fleet.fleet import Fleet
from hawser.formats import json_text
from hawser.host import Host
from hawser.host.code import Access
from hawser.host.release import fetched_by
from hawser.inventory.tables.checkouts import CheckoutEntry
from hawser.resources import (
    Absent,
    Checkout,
    Directory,
    File,
    Link,
    LinkedFolder,
    OnlyCheckouts,
    OnlyWorktrees,
    Resources,
)
from hawser.steps import fleet_task, removal, step

# No commit was looked up.
NONE: Mapping[str, str] = {}


@step()
def install(host: Host, commits: Mapping[str, str] = NONE, revision: str = "") -> Resources:
    """Check out each repository at the commit that was looked up for it, and move its link there in one step.

    :param commits: by the name of the repository; others are left alone.
    :param revision: what somebody named; empty: each one's branch.
    """
    for name, entry in host.environment.checkouts.items():
        commit = commits.get(name, "")
        if not commit or not host.is_in(entry.groups):
            continue
        base = folder(host, name)
        tree = f"{base}/trees/{commit}"
        yield Directory(f"{host.root}/checkouts")
        yield Directory(base)
        yield Directory(f"{base}/trees")
        named = fetched_by(revision or entry.branch, commit)
        yield Checkout(
            tree, commit=commit, named=named, owner=entry.owner, group=entry.group, **access(host, name, entry)
        )
        for inner in entry.writable:
            yield Directory(f"{base}/kept/{inner}", owner=entry.owner, group=entry.group)
            kept_at, aside = f"{base}/kept/{inner}", f"{base}/originals/{inner}"
            yield LinkedFolder(f"{tree}/{inner}", kept_at, aside, owner=entry.owner, group=entry.group)
        yield Link(entry.path, tree, parents=True)
        record = {"repo": entry.repo, "branch": entry.branch, "path": entry.path, "commit": commit}
        yield File(f"{base}/checkout.json", json_text(record) + "\n")
        yield OnlyWorktrees(base, (commit,))


@step()
def tidy(host: Host) -> Resources:
    """Remove the repositories that the settings no longer have."""
    mine = [name for name, entry in host.environment.checkouts.items() if host.is_in(entry.groups)]
    yield OnlyCheckouts(f"{host.root}/checkouts", tuple(mine))


@fleet_task(help={"name": "only this one of [checkouts.NAME]; default: all", "revision": "a branch, a tag or a commit"})
def update(fleet: Fleet, name: str = "", revision: str = "") -> None:
    """Bring the repositories beside the application's own to the newest commit of their branch, on every host."""
    known = fleet.environment.checkouts
    if name and name not in known:
        raise HawserError(f"there is no [checkouts.{name}]; known: {', '.join(known) or 'none'}", code=2)
    if revision and not name:
        raise HawserError("--revision needs --name: which of them?", code=2)
    if not known:
        raise HawserError("the settings have no [checkouts.NAME]", code=2)
    fleet.session.preflight()
    commits = pin_commits(fleet, [name] if name else list(known), revision)
    fleet.apply([install.given(commits=commits, revision=revision)], phase="checkouts")


def pin_commits(fleet: Fleet, newest: Sequence[str], revision: str = "") -> dict[str, str]:
    """Decide which commit of each repository the hosts shall have.

    :param newest: those that shall have their branch's newest one; others keep theirs while branch and address stay.
    :returns: the commits, by the name of the repository.
    """
    commits = {}
    for name, entry in fleet.environment.checkouts.items():
        hosts = fleet.subset([each for each in fleet.names if fleet.host(each).is_in(entry.groups)])
        if not hosts.names:
            continue
        commit = "" if name in newest else kept(hosts, name, entry)
        commits[name] = commit or look_up(hosts, name, entry, revision or entry.branch)
    return commits


def kept(hosts: Fleet, name: str, entry: CheckoutEntry) -> str:
    """Return the commit that the hosts have of a branch, so that a new host gets the same; empty when none has it."""
    everywhere = hosts.environment.hosts_of(entry.groups)
    arguments = {"folder": f"{hosts.environment.app.root}/checkouts"}
    for some in (hosts.names, [each for each in everywhere if each not in hosts.names]):
        answers = hosts.subset(some).ask_all(reading.CHECKOUTS, arguments) if some else {}
        for held in answers.values():
            if name in held and (held[name]["repo"], held[name]["branch"]) == (entry.repo, entry.branch):
                return str(held[name]["commit"])
    return ""


def look_up(hosts: Fleet, name: str, entry: CheckoutEntry, revision: str) -> str:
    """Ask a repository, from a host that shall have it, which commit a branch, a tag or a short hash is."""
    host = hosts.names[0]
    try:
        commit = releases.look_up(hosts, host, access(hosts.host(host), name, entry), revision)
    except StepFailed:
        if hosts.dry and not hosts.facts(host).bootstrapped:
            # Git is not there yet.
            return ""
        raise
    hosts.report.note("", f"{name}: {revision} is {commit[:10]} (looked up on {host})")
    return commit


def folder(host: Host, name: str) -> str:
    """Return where a repository's mirror and working copies lie."""
    return f"{host.root}/checkouts/{name}"


def access(host: Host, name: str, entry: CheckoutEntry) -> Access:
    """Return how a host fetches a repository: mirror, address and keys."""
    return {
        "mirror": f"{folder(host, name)}/repository.git",
        "repo": entry.repo,
        "key": host.secrets.values[entry.deploy_key] if entry.deploy_key else "",
        "token": host.secrets.values[entry.token] if entry.token else "",
        "host_keys": tuple(f"* {key}" for key in entry.repo_host_keys),
    }


@removal()
def remove(host: Host) -> Resources:
    """Remove the links outside the application's folder; what they lead to goes with it."""
    for entry in host.environment.checkouts.values():
        if host.is_in(entry.groups) and not entry.path.startswith(f"{host.root}/"):
            yield Absent(entry.path)
