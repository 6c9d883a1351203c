"""Releases and the hosts: the release for all, the releases that serve, and the obstacles to them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

from ..answers import reading
from ..errors import HawserError
from ..host.code import Access, index_question, repository_access
from ..host.journal import Record
from ..host.names import taken_names, told
from ..host.processes import going_on, processes_of
from ..host.release import Release, fetched_by, is_commit, is_id, short
from ..inventory.values.types import is_version
from ..runner.python.index import order
from . import repository
from .questions import AskableHosts


def resolve(hosts: AskableHosts, revision: str = "") -> Release:
    """Find the one commit that all hosts shall get, once, and name the release.

    :param revision: a branch, a tag or a commit (short ones too), or the version of a package; empty: what the
        environment says.
    :raises HawserError: there is no such revision.
    """
    session = hosts.session
    session.preflight()
    app = hosts.environment.app
    wanted = revision or (app.version or "" if app.package else app.branch)
    if app.package:
        commit, place = find_version(hosts, wanted)
    else:
        commit, place = session.progress.commits.get(wanted) or find_commit(hosts, wanted)
    hosts.report.note("", f"{wanted} is {short(commit)} ({place})")
    if session.recorder is not None:
        session.recorder.revisions[wanted] = commit
    named = fetched_by(wanted, commit)
    return session.made(commit, hosts.environment, session.templates, named)


def changed_since(hosts: AskableHosts, release: Release) -> str:
    """Say what has changed since a kept release was made; empty where it would be the same today."""
    made = hosts.session.compared(release.commit, release.environment, release.templates)
    if made.id == release.id:
        return ""
    if made.differs_by_hawser(release.id, release.hawser):
        return f"Hawser has changed (from {release.hawser} to {made.hawser})"
    return "secrets, hosts or Hawser have changed"


def find_commit(hosts: AskableHosts, wanted: str) -> tuple[str, str]:
    """Return the commit of a revision of the application's repository, and where that is known from.

    :raises HawserError: there is no such revision.
    """
    app = hosts.environment.app
    if app.push:
        folder = repository.location(app.repo or "", hosts.session.folder.parent)
        commit = repository.resolve(folder, wanted)
        for stale in (repository.out_of_step(folder, wanted), repository.not_committed(folder, commit)):
            if stale:
                hosts.report.note("", stale, "warning")
        return commit, "looked up on this machine"
    leader = hosts.leader()
    leader.connect()
    name = leader.names[0]
    return look_up(hosts, name, repository_access(hosts.host(name)), wanted), f"looked up on {name}"


def look_ahead(hosts: AskableHosts) -> None:
    """Look up the revisions that the command will release, before minutes of other work, and as often as before.

    Where the leader has no git yet, the repository is asked from this machine; what that cannot read, hosts may.

    :raises HawserError: there is no such revision.
    """
    app, progress = hosts.environment.app, hosts.session.progress
    revisions = [] if app.package else [each or app.branch for each in progress.revisions]
    if revisions and not app.push:
        # All at once, as the tasks after this would.
        hosts.connect()
    for revision in revisions:
        if app.push or hosts.facts(hosts.environment.leader).bootstrapped:
            progress.note_commit(revision, *find_commit(hosts, revision))
        else:
            repository.refuse_missing(app.repo or "", revision)


def look_up(hosts: AskableHosts, name: str, access: Access, wanted: str) -> str:
    """Have a host ask a repository which commit a branch, a tag or a (short) hash is.

    :raises HawserError: it names none, or another one than was asked for.
    """
    commit = str(hosts.ask(name, reading.COMMIT, {**access, "revision": wanted}))
    full = re.compile("[0-9a-f]{40}")
    if not full.fullmatch(commit) or (full.fullmatch(wanted) and commit != wanted):
        raise HawserError(f"answers with {commit!r}, which is not the commit {wanted}", host=name)
    return commit


def find_version(hosts: AskableHosts, wanted: str) -> tuple[str, str]:
    """Return a version of the package as the index writes it, and where that is known from.

    :raises HawserError: there is no such version.
    """
    if wanted and not is_version(wanted):
        raise HawserError(f"{wanted!r} is no version of a package; nothing was touched", code=2)
    hosts = hosts.with_code().required_hosts()
    keeping = [
        name for name in hosts.names if any(each.startswith(f"{wanted}-") for each in hosts.facts(name).releases)
    ]
    if wanted and keeping:
        return wanted, f"kept on {keeping[0]}"
    (name,) = hosts.leader().names
    found = str(hosts.ask(name, reading.PACKAGE_VERSION, index_question(hosts.host(name), wanted)))
    if found and (not is_commit(found) or (wanted and order(found) != order(wanted))):
        raise HawserError(f"answers with {found!r}, which is not the version {wanted}", host=name)
    if not found and not wanted:
        raise HawserError(f"no version of {hosts.environment.app.package} is named;", next="app.version", code=2)
    return (found, f"looked up on {name}") if found else (wanted, f"not looked up: {name} is not bootstrapped yet")


def previous(hosts: AskableHosts) -> str:
    """Return the release that served before the current one, the same on every host.

    :raises HawserError: there is none, or the hosts disagree.
    """
    fleet = hosts.needing_code().required_hosts()
    root = hosts.environment.app.root
    found = {name: str(fleet.ask(name, reading.RELEASE_BEFORE, {"root": root})) for name in fleet.names}
    if strange := [name for name, each in found.items() if each and not is_id(each)]:
        raise HawserError(f"{', '.join(strange)}: what served before is no name of a release; name one with --to")
    if not all(found.values()):
        kept = dict.fromkeys(each for name in fleet.names for each in hosts.facts(name).releases)
        told = "".join(f"\n  {each}" for each in kept) or " none"
        raise HawserError(
            f"no release served before the current one on {', '.join(n for n in found if not found[n])}; "
            f"name one with --to; kept:{told}"
        )
    if len(set(found.values())) > 1:
        told = "\n".join(f"  {name}: {release}" for name, release in found.items())
        raise HawserError(f"the hosts had different releases before; name one with --to:\n{told}")
    return next(iter(found.values()))


def refuse_two_commits(hosts: AskableHosts, release: Release) -> None:
    """Stop before hosts that ``-H`` does not name would stay on another commit.

    :raises HawserError: names those hosts.
    """
    others = (
        hosts.subset([name for name in hosts.environment.hosts if name not in hosts.names]).with_code().required_hosts()
    )
    behind = [name for name in others.names if hosts.facts(name).commit != release.commit]
    if behind:
        what = "version" if hosts.environment.app.package else "commit"
        raise HawserError(
            f"{', '.join(behind)} would stay on another {what} than {short(release.commit)}; nothing was touched",
            next=f"fab -H {hosts.environment.name} deploy, or the same command with --partial",
        )


def target_release(hosts: AskableHosts, prepares: bool) -> Release | Mapping[str, Release]:
    """Return the release that a single step works on: the one that a step before it in the same run has prepared,
    else, for a step that prepares, the one that a deploy would make, else the one that serves on each host.
    """
    progress = hosts.session.progress
    if prepares and progress.release is None:
        progress.prepare(resolve(hosts))
    return progress.release or current_releases(hosts)


def current_releases(hosts: AskableHosts) -> dict[str, Release]:
    """Return the commit that serves on each host, with today's settings; hosts without a release are left out."""
    hosts.connect()
    found: dict[str, Release] = {}
    for name in hosts.names:
        facts = hosts.facts(name)
        if facts.current:
            read = facts.process_inputs
            found[name] = Release(facts.current, facts.commit, hosts.environment, hosts.session.templates, "", read)
    return found


def require_bootstrapped(hosts: AskableHosts) -> None:
    """Stop before anything is touched where a host was not made ready.

    :raises HawserError: names those hosts.
    """
    hosts.connect()
    bare = [name for name in hosts.names if not hosts.facts(name).bootstrapped]
    if bare:
        raise HawserError(
            f"{', '.join(bare)}: not bootstrapped yet; nothing was touched",
            next=f"fab -H {hosts.environment.name} bootstrap deploy",
        )


def refuse_taken_names(hosts: AskableHosts) -> None:
    """Stop before anything is touched where a file of ours would take the place of somebody else's.

    :raises HawserError: names those files, and their owners.
    """
    hosts.connect()
    rows = [f"{name}: {told(row)}" for name in hosts.names for row in taken_names(hosts.host(name))]
    if rows:
        next_move = f"another name in {hosts.environment.path.name}, or move the file away where nobody needs it"
        raise HawserError("\n".join(["names are taken; nothing was touched", *rows]), next=next_move)


def nothing_deployed(hosts: AskableHosts, *names: str) -> HawserError:
    """Return the error of hosts that have no release yet, with the command that they take as they are.

    :param names: of hosts that have been asked.
    """
    tasks = "deploy" if all(hosts.facts(name).bootstrapped for name in names) else "bootstrap deploy"
    return HawserError(
        f"{', '.join(names)}: nothing has been deployed yet;", next=f"fab -H {hosts.environment.name} {tasks}"
    )


def note_bootstrapped(hosts: AskableHosts) -> None:
    """Remember, without asking again, that these hosts are ready; in a dry run, that they would be."""
    for name in hosts.names:
        hosts.connections.assume(name, dataclasses.replace(hosts.facts(name), bootstrapped=True))


def note_once(hosts: AskableHosts, commands: Iterable[str]) -> None:
    """Remember, without asking again, which commands have run once; in a dry run, which would have."""
    for name in hosts.names:
        hosts.connections.assume(name, dataclasses.replace(hosts.facts(name), once=tuple(sorted(commands))))


def serves(hosts: AskableHosts, release: Release) -> bool:
    """Tell whether every host serves a release already, and report the obstacles on the others."""
    fleet = hosts.with_code()
    missing: dict[str, list[str]] = {}
    for name in fleet.names:
        if what := why_not_serving(hosts, name, release):
            missing.setdefault(what, []).append(name)
    for what, there in missing.items():
        hosts.report.note("", f"{', '.join(there)}: {what}")
    return not missing


def why_not_serving(hosts: AskableHosts, name: str, release: Release) -> str:
    """Return the obstacle to a host's serving a release completely; empty when it serves."""
    facts, host = hosts.facts(name), hosts.host(name, release)
    if facts.current != release.id:
        if release.differs_by_hawser(facts.current, facts.hawser):
            return (
                f"serves {facts.current}, made by Hawser {facts.hawser}; only Hawser differs, this is {release.hawser}"
            )
        return f"serves {facts.current or 'nothing yet'}"
    if facts.lacks_python:
        return facts.lacks_python
    record = Record.of(facts)
    if record is not None and not record.complete:
        return f"a rollout of {record.release} was not completed"
    rows = {(row["manager"], row["unit"]): row for row in facts.processes if row["live"]}
    for process in processes_of(host):
        row = rows.get((process.setting.manager, process.unit))
        if row is None or going_on(host, process.unit, process.setting.manager) is None:
            return f"{process.unit} is not defined for it"
        if not row["active"]:
            return f"{process.unit} is {row['state']}"
        if process.colour and process.name in facts.astray:
            return f"{process.link[0]} does not lead to {process.unit}, which serves"
    return ""
