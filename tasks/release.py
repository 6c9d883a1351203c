"""From a checkout to a release that serves, and the tidying up behind it."""

from __future__ import annotations

import dataclasses

from hawser.fleet.kept import public_key
from hawser.host import Host
from hawser.host.code import commands, derived, in_release, repository_access
from hawser.host.journal import PUT_BACK, Record
from hawser.host.places import COLLECTED, rollout_inputs
from hawser.host.processes import (
    ProcessInstance,
    elsewhere,
    instances,
    is_in_place,
    left_in_place,
    processes_of,
    retired,
)
from hawser.host.starts import brought_up, stages
from hawser.resources import (
    Absent,
    Command,
    Directory,
    Drained,
    File,
    History,
    Journal,
    Link,
    OnlyFiles,
    OnlyPlaced,
    OnlyUnits,
    Prune,
    Resources,
    Retired,
    Sealed,
)
from hawser.signatures import JOURNAL, RELEASE, ROLLOUT
from hawser.steps import removal, step

from .managers import defined, tried


@step(prepares=True)
def build(host: Host) -> Resources:
    """Run the build commands and the checks in the new release, once each."""
    if not host.runs_code or host.release is None:
        return
    path = host.release_path
    yield Directory(f"{path}/done")
    for kind in ("build", "check"):
        for number, (line, setting) in enumerate(commands(host, kind), 1):
            marker = f"{path}/done/{kind}-{number}"
            command = in_release(host, line, marker)
            yield derived(host, setting, command, marker, kept=True) if setting.inputs else command
    yield from collected(host)
    if not host.app.package:
        yield Sealed(host.source, mirror=repository_access(host)["mirror"], commit=host.release.commit)
    # Written last: a release without it has not been built to its end.
    text = host.release.signed(host.secrets.signer, RELEASE)
    yield File(f"{path}/release.json", text, mode=0o640, opaque=True)


# What is unchanged keeps its time, by which browsers know it again.
COPY = (
    'umask 022; mkdir -p "${2%/*}" && rm -rf "$2.new" && '
    'cp -RP --no-preserve=mode --preserve=timestamps --reflink=auto "$1" "$2.new" && mv -T "$2.new" "$2"'
)


def collected(host: Host) -> Resources:
    """Yield the release's own copy of each persistent folder that its build has filled: the next one fills it anew."""
    place, folders = f"{host.release_path}/{COLLECTED}", host.environment.persistent.collected
    if folders:
        yield Directory(place, mode=0o750, owner=host.app.user, group="www-data")
    for folder in folders:
        copy = f"{place}/{folder}"
        argv = ("sh", "-c", COPY, "sh", f"{host.root}/{folder}", copy)
        yield Command(argv, user=host.app.user, creates=copy, title=f"a copy of {folder}")


@step(bookkeeping=True)
def begin(host: Host) -> Resources:
    """Note on the host that a rollout begins, and what its release is made of, until `close`."""
    rollout, former = host.rollout, Record.of(host.facts)
    if rollout is None or host.release is None or host.name not in rollout.hosts:
        return
    if former and former.by != rollout.by and not former.complete and not former.failed:
        entry = {"what": "a rollout", "who": former.by, "result": "interrupted", "release": former.release}
        yield History(entry)
    yield from public_key(host)
    yield File(rollout_inputs(host), host.release.signed(host.secrets.signer, ROLLOUT), mode=0o600, opaque=True)
    yield noted(host, rollout.on(host.facts))


def noted(host: Host, rollout: Record) -> Journal:
    """Return the journal of a rollout as a host keeps it: signed for this host, so that `resume` believes it."""
    entry = rollout.entry()
    return Journal(
        rollout.release, host.secrets.signer.signed(JOURNAL, entry, host.name) if host.secrets.signer else entry
    )


@step(bookkeeping=True)
def advance(host: Host) -> Resources:
    """Note how far the rollout has come on this host."""
    rollout = host.rollout
    if rollout is not None and host.name in rollout.hosts:
        yield noted(host, rollout.on(host.facts))


@step()
def hand_over(host: Host, left: tuple[str, ...] = ()) -> Resources:
    """Stop what there is exactly one of where another host gets it: it must never run on both.

    :param left: the processes of that kind that have left the settings; a new one may do the same elsewhere.
    """
    singles = [each for each in host.environment.processes.values() if each.single]
    if not all(host.environment.runs_on(each, host.name) for each in singles):
        yield from (retired(row) for row in left_in_place(host) if row["process"] in left)
    for name, setting in host.environment.processes.items():
        if not setting.single or host.environment.runs_on(setting, host.name):
            continue
        # The settings may name another manager than before as well.
        for each in instances(name, setting):
            process = ProcessInstance(host, each, setting, "")
            for managed in (process, *elsewhere(process)):
                if host.facts.release_of(managed.unit, managed.setting.manager):
                    yield Retired(managed.unit, managed.setting.manager, managed.definition, wait=True)


@step()
def start(host: Host, tries: bool = True) -> Resources:
    """Start the release's processes beside those that serve; what restarts in place comes last, whoever manages it.

    :param tries: before anything stops, those that can move to another port for a moment are tried there.
    """
    if host.release is None:
        return
    for process in processes_of(host) if tries else ():
        yield from tried(process)
    defined_before = {row["unit"] for row in host.facts.processes}
    for together in stages(processes_of(host)):
        if any(process.setting.single and process.unit not in defined_before for process in together):
            yield from map(retired, left_in_place(host))
        yield from brought_up(together, defined)


@step()
def activate(host: Host) -> Resources:
    """Move the traffic to the new processes, point the links at the new release, and retire the old processes."""
    if not host.runs_code or host.release is None:
        return
    coloured = [process for process in processes_of(host) if process.colour]
    if host.facts.current not in ("", host.release.id):
        yield Link(f"{host.root}/previous", f"releases/{host.facts.current}")
    elif host.facts.previous and not host.facts.current:
        yield Absent(f"{host.root}/previous")
    # Before the traffic moves: new pages ask for new files at once, and old ones are still found in the release before.
    yield Link(f"{host.root}/current", f"releases/{host.release.id}")
    for process in coloured:
        yield Link(*process.link)
    links = {f"{host.root}/{host.app.source}": "source", f"{host.root}/{host.app.environment}": "env"}
    yield OnlyPlaced("links", tuple(links))
    for path, name in links.items():
        yield Link(path, f"current/{name}")
    left = tuple(process.other.address for process in coloured if process.other.address)
    if left:
        yield Drained(left)
    for process in coloured:
        yield Retired(process.other.unit, process.setting.manager, process.other.definition)


@step(bookkeeping=True)
def record(host: Host) -> Resources:
    """Write a line into the host's history: who released what, when, from where, with which result."""
    if not host.runs_code or host.release is None:
        return
    rollout = host.rollout
    entry = {**host.entry, "release": host.release.id, "commit": host.release.commit}
    if rollout and rollout.what not in entry["what"].split():
        # Finished later: what it was counts for what a rollback goes back to.
        entry["what"] = f"{entry['what']} {rollout.what}"
    if rollout and rollout.waits:
        entry["without"] = ", ".join(rollout.waits)
    yield History(entry)
    if host.release.hosts and not (rollout and rollout.failed):
        yield File(f"{host.release_path}/host", f"{host.release.hosts.get(host.name, '')}\n", mode=0o640)
    # Where it was put back, the journal says so already.
    if rollout and rollout.failed and rollout.phase != PUT_BACK and host.name in rollout.hosts:
        yield noted(host, rollout.on(host.facts))


@step()
def tidy(host: Host) -> Resources:
    """Remove what the release no longer has: processes, old releases and environments."""
    if not host.runs_code or host.release is None:
        return
    processes = processes_of(host)
    coloured = [process for process in processes if process.colour]
    kept = [*processes, *(process.other for process in coloured)]
    free = {process.name: process.other.address for process in coloured}
    for row in host.facts.processes:
        if is_in_place(host, row) and row["process"] in free:
            # It had no colour, and served until the traffic moved.
            if free[row["process"]]:
                site = host.environment.site
                yield Drained((free[row["process"]],), site.server if site and host.serves_site else "")
            yield retired(row)
    yield OnlyUnits(host.app.name, tuple(f"{process.setting.manager}/{process.unit}" for process in kept))
    links = [process.link[0].rpartition("/")[2] for process in processes if process.colour]
    yield OnlyFiles(host.run, "*.live", tuple(links))
    yield Prune(host.root, host.app.keep)


@step(bookkeeping=True)
def close(host: Host) -> Resources:
    """Close the journal, or leave in it on which hosts the rollout is not complete yet."""
    rollout = host.rollout
    if rollout is not None and rollout.waits:
        complete = host.name not in rollout.waits
        yield noted(host, dataclasses.replace(rollout.on(host.facts), complete=complete))
        return
    yield Absent(rollout_inputs(host))
    yield Journal("")


@step()
def decommission(host: Host) -> Resources:
    """Take the application's processes and links from a host that the settings no longer give it."""
    if not host.runs_code and host.facts.current:
        yield from served_nothing(host)
        yield Journal("")


@step()
def undeploy(host: Host) -> Resources:
    """Take a release from a host that served none before, and close its journal."""
    if host.runs_code:
        yield from served_nothing(host)
        yield Absent(rollout_inputs(host))
        yield Journal("")


def served_nothing(host: Host) -> Resources:
    """Have a host serve nothing."""
    yield OnlyUnits(host.app.name, ())
    for name in ("current", "previous", host.app.source, host.app.environment):
        yield Absent(f"{host.root}/{name}")
    yield OnlyPlaced("links", ())


@removal()
def remove(host: Host) -> Resources:
    """Stop every process of the application, under both managers, and remove its definition."""
    yield OnlyUnits(host.app.name, ())
