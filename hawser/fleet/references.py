"""What hosts are compared with: the settings with which they were set up, and the release that serves on each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import HawserError
from ..host import Host
from ..host.journal import AGAIN, Record
from ..host.release import Release, is_commit, is_id
from ..resources import JSON, Catalog
from ..secrets import Secrets
from ..signatures import BOOTSTRAP, Kept, Standing
from . import kept
from .fleet import Fleet

# The place of a commit where settings alone count.
NO_COMMIT = "0" * 40
# An address that nobody has (RFC 5737), to see what speaks of addresses.
NOWHERE = "192.0.2.{}"
# A name that no host has.
ONE_MORE = "one.more"

K = TypeVar("K")


@dataclass(frozen=True)
class Reference:
    """What a part of a host was made of.

    :param release: its settings and templates, and for what serves the release itself.
    :param hawser: the Hawser that made it, where that is another one than this.
    :param secrets: whether the secrets are others by now.
    :param hosts: whether the hosts of the settings are others by now, or something else is said of one.
    :param own: whether that is so of the host itself.
    :param lost: why it is not known what it was made of; empty where it is.
    """

    release: Release
    hawser: str = ""
    secrets: bool = False
    hosts: bool = False
    own: bool = False
    lost: str = ""

    @property
    def certain(self) -> bool:
        """Whether all that it was made of is known."""
        return not (self.hawser or self.secrets or self.hosts or self.lost)

    def on(self, made_for: str, today: str) -> Reference:
        """Return it for one host.

        :param made_for: the digest of what the settings said of it, as the host has it, and
        :param today: that of what they say now.
        """
        return dataclasses.replace(self, own=self.hosts and made_for != today)


def compared(fleet: Fleet, release: Release) -> tuple[Reference, Mapping[str, str]]:
    """Return a kept release with what is different today of all that is not kept with it.

    :returns: it, and the digests of what the settings say of each host today.
    """
    made = fleet.session.compared(release.commit, release.environment, release.templates)
    if release.around and release.around == made.around:
        return Reference(release), made.hosts
    former, secrets, hosts = release.around.split("~") if release.around else (release.hawser, "", "")
    present, todays, now = made.around.split("~")
    by = "" if former == present else former or "an older one"
    return Reference(release, by, secrets != todays, hosts != now), made.hosts


def serving(fleet: Fleet) -> tuple[dict[str, Reference], dict[str, str], dict[str, Kept]]:
    """Return what serves on each host, for hosts of which that is not known the reason, and records that are not ours.

    A host is asked only where today's settings would make another release.
    """
    found: dict[str, Reference] = {}
    lost: dict[str, str] = {}
    strange: dict[str, Kept] = {}
    asked: dict[str, list[str]] = {}
    made: dict[str, Release] = {}
    for name in fleet.names:
        facts = fleet.facts(name)
        if not facts.current:
            continue
        record = Record.of(facts)
        # A repair or an upgrade that was broken off or has failed is a rollout of what serves already.
        again = record is not None and record.what in AGAIN and record.release == facts.current
        if record is not None and not record.complete and not again:
            lost[name] = f"a rollout of {record.release} is open; next: fab -H {fleet.environment.name} resume"
        elif present := todays(fleet, name, made):
            found[name] = Reference(present)
        else:
            asked.setdefault(facts.current, []).append(name)
    for identifier, names in asked.items():
        try:
            own, refused = kept.releases(fleet.subset(names), identifier)
        except HawserError as error:
            lost.update(dict.fromkeys(names, str(error)))
            continue
        # One that is ours is the same for all of them.
        known = {id(release): compared(fleet, release) for release in own.values()}
        for name, release in own.items():
            reference, today = known[id(release)]
            found[name] = reference.on(fleet.facts(name).made_for, today.get(name, ""))
        strange |= {each.host: each for each in refused}
        lost |= {name: "what serves there is not kept" for name in names if name not in {**own, **strange}}
    return found, lost, strange


def only_release(serving: Mapping[str, str], task: str) -> str:
    """Return the release that serves on all of some hosts.

    :param serving: the id of each one's, by host; not empty.
    :param task: what is typed for a part of them.
    :raises HawserError: there are several; names them.
    """
    releases: dict[str, list[str]] = {}
    for name, identifier in serving.items():
        releases.setdefault(identifier, []).append(name)
    if len(releases) > 1:
        told = "\n".join(f"  {', '.join(names)}: {identifier}" for identifier, names in releases.items())
        raise HawserError(f"these hosts serve different releases:\n{told}", next=f"{task} for one of them, or deploy")
    return next(iter(releases))


def todays(fleet: Fleet, name: str, made: dict[str, Release]) -> Release | None:
    """Return the release that serves on a host, where it is what today's settings make of its commit.

    :param made: what they make of each commit, as far as that is known.
    """
    facts, session = fleet.facts(name), fleet.session
    if not is_commit(facts.commit):
        return None
    if facts.commit not in made:
        made[facts.commit] = session.compared(facts.commit, session.environment, session.templates)
    today = made[facts.commit]
    if (today.id, today.around) != (facts.current, facts.around):
        return None
    return dataclasses.replace(today, process_inputs=facts.process_inputs)


def set_up(fleet: Fleet, serves: Mapping[str, Reference]) -> dict[str, Reference]:
    """Return the settings with which each host was set up.

    Where that was not written down, those of what serves there have to do, or today's.
    """
    session = fleet.session
    today = bootstrapped_with(fleet)
    found: dict[str, Reference] = {}
    for identifier, names in grouped(fleet.names, lambda name: fleet.facts(name).set_up):
        read: dict[str, Release] = {}
        if identifier == today.id:
            read = dict.fromkeys(names, today)
        elif is_id(identifier):
            read = records(fleet.subset(names))
        known = {id(each): compared(fleet, each) for each in read.values()}
        for name in names:
            if name in read:
                reference, now = known[id(read[name])]
                found[name] = reference.on(fleet.facts(name).set_up_for, now.get(name, ""))
                continue
            release = serves[name].release if name in serves else today
            why = (
                f"it is not known with which settings it was set up; next: fab -H {session.environment.name} bootstrap"
            )
            found[name] = Reference(release, lost=why)
    return found


def grouped(names: Iterable[str], key: Callable[[str], K]) -> Iterator[tuple[K, list[str]]]:
    """Yield names in groups, in the order of the first of each."""
    groups: dict[K, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    yield from groups.items()


def bootstrapped_with(fleet: Fleet) -> Release:
    """Return what `bootstrap` sets hosts up with today, as a release without a commit."""
    session = fleet.session
    return session.compared(NO_COMMIT, session.environment, session.templates)


def record_path(host: Host) -> str:
    """Return where a host keeps the settings with which it was set up."""
    return f"{host.state}/bootstrap.json"


def records(fleet: Fleet) -> dict[str, Release]:
    """Return the settings with which hosts were set up that all name the same, as far as they are believed."""
    found: dict[str, Release] = {}
    for name in fleet.names:
        path, identifier = record_path(fleet.host(name)), fleet.facts(name).set_up
        for each in kept.kept_at(fleet, name, BOOTSTRAP, path, identifier):
            try:
                if each.standing is Standing.OURS:
                    return dict.fromkeys(fleet.names, kept.read(fleet, each))
                if each.standing is Standing.ACCEPTED:
                    found[name] = kept.read(fleet, each)
            except HawserError:
                # Of another version; what it says is not known.
                continue
    return found


class Doubts:
    """What of a catalog may be different today, without anybody's having touched the host.

    :param host: as the catalog was made for it, and
    :param reference: of what.
    :param render: makes the catalog for a host.
    """

    def __init__(self, host: Host, reference: Reference, render: Callable[[Host], Catalog]) -> None:
        self.host = host
        self.reference = reference
        self.render = render
        self._variants: dict[str, dict[str, JSON] | None] = {}

    def about(self, label: str, row: JSON) -> str:
        """Return why it is not known how a resource was to be; empty where it is known."""
        made = self.reference
        if made.lost:
            return made.lost
        if made.hawser:
            return f"Hawser {made.hawser} made it, and this is another one"
        if made.secrets and self.depends("secrets", label, row):
            return "the secrets have changed since it was made"
        if made.own:
            return f"what the settings say of {self.host.name} has changed since it was made"
        if made.hosts and any(self.depends(kind, label, row) for kind in ("addresses", "hosts")):
            return "the hosts of the settings have changed since it was made"
        return ""

    def depends(self, kind: str, label: str, row: JSON) -> bool:
        """Tell whether a resource would be another one with other secrets, addresses, or with one host more."""
        if kind not in self._variants:
            try:
                rows = self.render(getattr(self, f"other_{kind}")())
                self._variants[kind] = by_label(rows)
            except Exception:
                # Whatever cannot be rendered so depends on it.
                self._variants[kind] = None
        known = self._variants[kind]
        return known is None or known.get(label) != without_triggers(row)

    def other_secrets(self) -> Host:
        return dataclasses.replace(self.host, secrets=other(self.host.secrets))

    def other_addresses(self) -> Host:
        addresses = {name: NOWHERE.format(number) for number, name in enumerate(self.host.addresses, 1)}
        return dataclasses.replace(self.host, addresses=addresses)

    def other_hosts(self) -> Host:
        # One more in every group: whoever asks for the first of one finds it where it was.
        environment = self.host.environment
        groups = dict.fromkeys(group for each in environment.hosts.values() for group in each.groups)
        more = environment.hosts[self.host.name].model_copy(update={"groups": tuple(groups)})
        return dataclasses.replace(
            self.host,
            environment=environment.model_copy(update={"hosts": {**environment.hosts, ONE_MORE: more}}),
            addresses={**self.host.addresses, ONE_MORE: NOWHERE.format(250)},
        )


def other(secrets: Secrets) -> Secrets:
    """Return other secrets of the same names."""
    return secrets.with_values({name: f"{value[::-1]}x" for name, value in secrets.values.items()})


def by_label(catalog: Catalog) -> dict[str, JSON]:
    """Return the rows of a catalog by their labels."""
    rows: Sequence[JSON] = catalog.to_wire()
    return {item.resource.label: without_triggers(row) for item, row in zip(catalog.items, rows, strict=True)}


def without_triggers(row: JSON) -> JSON:
    """Return a row without its triggers, which are places in its catalog."""
    return {key: value for key, value in row.items() if key != "when"} if isinstance(row, dict) else row
