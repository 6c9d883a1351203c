"""Drift: what somebody has changed on hosts since `bootstrap` and the last rollout have left them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hawser.answers.messages import EventRow, Message
from hawser.errors import HawserError, StepFailed
from hawser.fleet import kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.references import Doubts, Reference, serving, set_up
from hawser.host import Host
from hawser.report import Event
from hawser.resources import Catalog, Command, File, Resource, Running
from hawser.steps import StepLike, fleet_task, own_steps

from . import acme, bootstrap, builds, certs, code, config, cron, db, managers, release, shares, venv, volumes, webservers

# What `bootstrap` alone brings. What migrate commands have run is forgotten there, and noted again by a deploy.
SET_UP: Sequence[StepLike] = [
    *(each for each in bootstrap.STEPS if each not in (bootstrap.folders, db.forget)),
    shares.mount,
]
# What it brings besides on a host where nothing serves; elsewhere a rollout does it as well.
WITHOUT_RELEASE: Sequence[StepLike] = [bootstrap.folders, certs.place]


def serving_steps() -> list[StepLike]:
    """Return the steps of a rollout that leave something on a host."""
    return [
        bootstrap.folders,
        code.pull,
        config.early,
        builds.make,
        venv.python,
        venv.build,
        config.install,
        release.build,
        config.place,
        certs.place,
        *own_steps("switch"),
        managers.systemd.only_ours,
        release.start,
        *webservers.SWITCH,
        release.activate,
        cron.install,
        volumes.leave,
        acme.issue,
        *own_steps("finish"),
        bootstrap.secrets,
        release.tidy,
    ]


@dataclass(frozen=True)
class Difference:
    """A resource that is not on a host as it was left there.

    :param part: `SET_UP` or `SERVES`.
    :param doubt: why it is not known whether somebody has changed it; empty where it is.
    """

    event: Event
    resource: Resource
    part: str
    doubt: str = ""


PREPARED, SERVES = "set up", "serves"


@dataclass
class Comparison:
    """A host beside what it was made of.

    :param known: what it was made of, by part.
    :param unknown: what could not be compared at all, and why.
    """

    host: str
    known: dict[str, Reference] = field(default_factory=dict)
    found: list[Difference] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def drift(self) -> list[Difference]:
        """What somebody has changed, or something that is known to be wrong."""
        return [each for each in self.found if not each.doubt]


@dataclass(frozen=True)
class Part:
    """Some rows of a catalog that were made of one reference."""

    name: str
    doubts: Doubts
    first: int
    end: int


@fleet_task()
def drift(fleet: Fleet) -> None:
    """Show what is not on hosts as the last bootstrap and rollout have left it, as a diff; 1 if there is any.

    Nothing is changed. What cannot be known is listed as unknown, and is no drift.
    """
    there = fleet.reachable()
    compared = compare(there)
    fleet.report.phase("drift", there.names)
    for each in compared:
        for row in each.found:
            status = "unknown" if row.doubt else "differs"
            notes = [row.event.note or row.event.error, row.doubt]
            event = dataclasses.replace(row.event, status=status, note="; ".join(filter(None, notes)), error="")  # type: ignore[arg-type]
            fleet.report.event(each.host, event)
        fleet.report.host_done(each.host)
    fleet.report.pause()
    for each in compared:
        for text in each.unknown:
            fleet.report.note(each.host, f"not compared: {text}")
    wrong = [each for each in compared if each.drift]
    if wrong:
        number = sum(len(each.drift) for each in wrong)
        names = ", ".join(each.host for each in wrong)
        raise StepFailed(
            f"{number} {'thing is' if number == 1 else 'things are'} not as left on {names}",
            next=f"fab -H {fleet.environment.target(*(each.host for each in wrong))} repair, which puts it right",
        )
    told = [each.host for each in compared if each.known]
    if told:
        fleet.report.note("", f"{', '.join(told)}: all that is known is as it was left")


def compare(fleet: Fleet) -> list[Comparison]:
    """Compare hosts that answer with what they were made of, in one exchange each.

    :raises HawserError: the secrets that sign what hosts keep are not here.
    """
    kept.ready(fleet, looks=True)
    serves, lost = serving(fleet)
    prepared = set_up(fleet, serves)
    names = [name for name in fleet.names if fleet.facts(name).bootstrapped]

    def work(name: str) -> Comparison:
        return compared_host(fleet, name, prepared[name], serves.get(name), lost.get(name, ""))

    answers = fleet.connections.parallel(names, work)
    found = []
    for name in fleet.names:
        if name not in answers:
            next_move = f"fab -H {fleet.environment.target(name)} bootstrap"
            found.append(Comparison(name, unknown=[f"it is not bootstrapped yet; next: {next_move}"]))
            continue
        answer = answers[name]
        if isinstance(answer, HawserError):
            fleet.connections.report_failure(name, answer)
            fleet.connections.lost.setdefault(name, answer)
            continue
        found.append(answer)
    return found


def compared_host(fleet: Fleet, name: str, prepared: Reference, serves: Reference | None, lost: str) -> Comparison:
    """Compare one host with what it was made of."""
    result = Comparison(name, {PREPARED: prepared})
    sources = [(PREPARED, prepared, as_set_up(fleet.host(name), prepared), list(SET_UP))]
    if serves is not None:
        result.known[SERVES] = serves
        host = fleet.host(name, serves.release)
        sources.append((SERVES, serves, host, serving_steps() if host.runs_code else []))
    else:
        sources[0][3].extend(WITHOUT_RELEASE)
    if lost:
        result.unknown.append(lost)
    parts, catalogs = [], []
    for part, reference, host, steps in sources:
        render = renderer(steps)
        try:
            catalog = render(host)
        except HawserError as error:
            # Of a former version, or of files that are not on this machine any more.
            result.unknown.append(f"what it was made of cannot be rendered: {error}")
            continue
        first = sum(len(each.items) for each in catalogs)
        parts.append(Part(part, Doubts(host, reference, render), first, first + len(catalog.items)))
        catalogs.append(catalog)
    whole = Catalog(tuple(item for each in catalogs for item in each.items))
    events: list[EventRow] = []

    def on_message(message: Message) -> None:
        if message["t"] == "event":
            events.append(message)

    fleet.connections.wires[name].apply(whole, True, fleet.session.secrets.mask_values(), on_message)
    result.found = [*judged(whole, parts, events)]
    return result


def renderer(steps: Sequence[StepLike]) -> Callable[[Host], Catalog]:
    """Return the function that makes the catalog of some steps for a host."""
    return lambda host: Catalog.of((step.title, step.resources(host)) for step in steps)


def as_set_up(host: Host, reference: Reference) -> Host:
    """Return a host with the settings with which it was set up, and without a release."""
    made = reference.release
    return dataclasses.replace(host, environment=made.environment, templates=made.templates, today=host, release=None)


def judged(catalog: Catalog, parts: Sequence[Part], events: Sequence[EventRow]) -> Iterator[Difference]:
    """Yield what a host says of a catalog that is no mere consequence of something else that it says."""
    rows = catalog.to_wire()
    fine = {catalog.items[each["position"]].resource.label for each in events if each["status"] == "ok"}
    apart = {each["position"] for each in events if each["status"] not in ("ok", "skipped")}
    told: set[str] = set()
    for message in events:
        item, row = catalog.items[message["position"]], rows[message["position"]]
        resource, label = item.resource, item.resource.label
        if message["status"] in ("ok", "skipped") or resource.momentary or label in told:
            continue
        # Two steps may want the same, and the last one to do it counts.
        if label in fine and not isinstance(resource, Running | Command):
            continue
        if follows(row, apart) and not stands_still(resource, message):
            continue
        part = next(each for each in parts if each.first <= message["position"] < each.end)
        doubt = in_itself(item.step, resource, message) or part.doubts.about(label, row)
        told.add(label)
        yield Difference(Event.from_wire(message), resource, part.name, doubt)


def follows(row: object, apart: set[int]) -> bool:
    """Tell whether a resource is only due because another one would change."""
    causes = row.get("when") if isinstance(row, Mapping) else None
    return bool(causes) and bool(apart & set(causes))


def stands_still(resource: Resource, message: EventRow) -> bool:
    """Tell whether a process is not as it should be, whatever else would change."""
    return isinstance(resource, Running) and str(message.get("note", "")).startswith("start")


def in_itself(step: str, resource: Resource, message: EventRow) -> str:
    """Return why nobody could know whether a resource is as it was left; empty where one can."""
    if message["status"] == "unknown":
        return "not known before what stands above is put right"
    if isinstance(resource, Command) and not (resource.when or resource.creates or resource.marker or resource.unless):
        return "it runs each time"
    content = not str(message.get("note", "")).startswith(("mode ", "owner ", "group ", "new\n")) 
    if step == certs.place.title and isinstance(resource, File) and content and message.get("note") != "new":
        return "certificates are no part of a release: this machine has another one, or the host has; next: certs.install"
    return ""
