"""Hosts beside what they were made of: a catalog that is only checked, and what it means that something differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..answers.messages import EventRow, Message
from ..errors import HawserError
from ..formats import NotRepresentable
from ..host import Host
from ..report import Event
from ..resources import Catalog, Changed, Command, File, Item, Resource, Running, SelfSigned, Untouched
from ..signatures import Kept
from ..steps import StepLike
from ..templates.rendering import TemplateError
from . import kept
from .fleet import Fleet
from .references import Doubts, Reference, serving, set_up

# The parts of a host: what `bootstrap` alone has brought, and what a rollout has.
SET_UP, SERVES = "set up", "serves"
# How the runner begins to tell of a file whose content is as it was left, or that is not there.
SAME_CONTENT = ("mode ", "owner ", "group ")
NEW = "new"
# The end of the path of the record of a release.
RECORD = "/release.json"


@dataclass(frozen=True)
class Composition:
    """The steps that leave something on hosts.

    :param set_up: those of `bootstrap` alone, and
    :param without_release: those that it does as well where nothing serves.
    :param serves: those of a rollout.
    :param certificates: the one that brings files of this machine that are no part of a release.
    """

    set_up: Sequence[StepLike]
    without_release: Sequence[StepLike]
    serves: Sequence[StepLike]
    certificates: str


@dataclass(frozen=True)
class Difference:
    """A resource that is not on a host as it was left there.

    :param part: `SET_UP` or `SERVES`.
    :param doubt: why it is not known whether somebody has changed it; empty where it is.
    :param outdated: that is so because something else would be made of the same reference today.
    """

    event: Event
    resource: Resource
    part: str
    doubt: str = ""
    outdated: bool = False

    @property
    def stands_still(self) -> bool:
        """Whether it is a process that does not run, or not at boot."""
        return stands_still(self.resource, self.event.note)


@dataclass
class Comparison:
    """A host beside what it was made of.

    :param known: what it was made of, by part.
    :param unknown: what could not be compared at all, and why.
    :param error: why the host could not be asked; None where it could.
    """

    host: str
    known: dict[str, Reference] = field(default_factory=dict)
    found: list[Difference] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    error: HawserError | None = None

    @property
    def drift(self) -> list[Difference]:
        """What somebody has changed."""
        return [each for each in self.found if not each.doubt]


@dataclass(frozen=True)
class Part:
    """The rows of a catalog that were made of one reference: those before `end` that are of no other part."""

    name: str
    doubts: Doubts
    end: int


def compare(fleet: Fleet, made_by: Composition) -> list[Comparison]:
    """Compare hosts that answer with what they were made of, in one exchange each.

    :raises HawserError: the key that signs what hosts keep is not here.
    """
    kept.ready(fleet, looks=True)
    serves, lost, strange = serving(fleet)
    prepared = set_up(fleet, serves)

    def work(name: str) -> Comparison:
        result = compared(fleet, name, made_by, prepared[name], serves.get(name), lost.get(name, ""))
        if name in strange:
            result.found.append(altered(strange[name]))
        return result

    answers = fleet.connections.parallel([name for name in fleet.names if fleet.facts(name).bootstrapped], work)
    found = []
    for name in fleet.names:
        answer = answers.get(name)
        if answer is None:
            next_move = f"fab -H {fleet.environment.target(name)} bootstrap"
            found.append(Comparison(name, unknown=[f"it is not bootstrapped yet; next: {next_move}"]))
        elif isinstance(answer, HawserError):
            found.append(Comparison(name, error=answer))
        else:
            found.append(answer)
    return found


def compared(
    fleet: Fleet, name: str, made_by: Composition, prepared: Reference, serves: Reference | None, lost: str
) -> Comparison:
    """Compare one host.

    :param prepared: with what it was set up.
    :param serves: what serves there; None where nothing does, or where
    :param lost: says why that is not known.
    """
    result = Comparison(name, {SET_UP: prepared}, unknown=[lost] if lost else [])
    first = [*made_by.set_up, *(made_by.without_release if serves is None else ())]
    sources: list[tuple[str, Reference, Host, Sequence[StepLike]]] = [
        (SET_UP, prepared, as_set_up(fleet.host(name), prepared), first)
    ]
    if serves is not None:
        result.known[SERVES] = serves
        host = fleet.host(name, serves.release)
        sources.append((SERVES, serves, host, made_by.serves if host.runs_code else ()))
    parts: list[Part] = []
    items: list[Item] = []
    for part, reference, host, steps in sources:
        render = renderer(steps)
        try:
            items += render(host).items
        except (HawserError, TemplateError, NotRepresentable) as error:
            # A former version could, or a file of this machine is gone.
            result.unknown.append(f"how it was made cannot be rendered: {error}")
            continue
        parts.append(Part(part, Doubts(host, reference, render), len(items)))
    catalog = Catalog(tuple(items))
    events: list[EventRow] = []

    def on_message(message: Message) -> None:
        if message["t"] == "event":
            events.append(message)

    fleet.connections.wires[name].apply(catalog, True, fleet.session.secrets.mask_values(), on_message)
    result.found = [*judged(catalog, parts, events, made_by.certificates)]
    return result


def altered(record: Kept) -> Difference:
    """Return that a host's record of what serves is not ours, so that nobody can tell how that was."""
    resource = File(record.path, "")
    event = Event(0, "release.build", resource.label, "differs", note=record.standing.value)
    return Difference(event, resource, SERVES)


def renderer(steps: Sequence[StepLike]) -> Callable[[Host], Catalog]:
    """Return the function that makes the catalog of some steps for a host."""
    return lambda host: lasting(Catalog.of((step.title, step.resources(host)) for step in steps))


def lasting(catalog: Catalog) -> Catalog:
    """Return a catalog without what is done at one moment of a rollout, unless something else follows from it."""
    triggers = (getattr(item.resource, "when", None) for item in catalog.items)
    causes = {id(cause) for each in triggers if isinstance(each, Changed) for cause in each.resources}
    items = (item for item in catalog.items if not item.resource.momentary or id(item.resource) in causes)
    return Catalog(tuple(items))


def as_set_up(host: Host, reference: Reference) -> Host:
    """Return a host with the settings with which it was set up, and without a release."""
    made = reference.release
    return dataclasses.replace(host, environment=made.environment, templates=made.templates, today=host, release=None)


def judged(
    catalog: Catalog, parts: Sequence[Part], events: Sequence[EventRow], certificates: str
) -> Iterator[Difference]:
    """Yield what differs, by what a host says of a catalog; nothing that only follows from something else."""
    rows = catalog.to_wire()
    fine = {catalog.items[each["position"]].resource.label for each in events if each["status"] == "ok"}
    apart = {each["position"] for each in events if each["status"] not in ("ok", "skipped")}
    told: set[str] = set()
    for message in events:
        item, row = catalog.items[message["position"]], rows[message["position"]]
        resource, label = item.resource, item.resource.label
        if message["position"] not in apart or resource.momentary or label in told:
            continue
        # What it was made of has been judged by its signature.
        if isinstance(resource, File) and resource.path.endswith(RECORD):
            continue
        # Where two steps want something different of the same thing, it is as the last one has left it.
        if label in fine and not isinstance(resource, Running | Command):
            continue
        if follows(row, apart) and not stands_still(resource, message.get("note", "")):
            continue
        part = next(each for each in parts if message["position"] < each.end)
        doubt = in_itself(resource, message, item.step == certificates)
        by_now = "" if doubt else part.doubts.about(label, row)
        told.add(label)
        event = dataclasses.replace(Event.from_wire(message), step=item.step, label=label)
        yield Difference(event, resource, part.name, doubt or by_now, bool(by_now))


def follows(row: object, apart: set[int]) -> bool:
    """Tell whether a resource is only due because another one would change."""
    causes = row.get("when") if isinstance(row, Mapping) else None
    return bool(causes and apart.intersection(causes))


def stands_still(resource: Resource, note: str) -> bool:
    """Tell whether a process is not as it should be, whatever else would change.

    :param note: what the runner says of it.
    """
    return isinstance(resource, Running) and note.startswith("start")


def in_itself(resource: Resource, message: EventRow, certificate: bool) -> str:
    """Return why nobody could know whether a resource is as it was left; empty where one can.

    :param certificate: it is one of those that this machine brings.
    """
    note = message.get("note", "")
    if message["status"] == "unknown":
        return "not known before what stands above is put right"
    if isinstance(resource, Command) and not (resource.when or resource.creates or resource.marker or resource.unless):
        return "it runs each time"
    if certificate and isinstance(resource, File) and note != NEW and not note.startswith(SAME_CONTENT):
        return "this machine has another one, and no release says which; next: certs.install"
    if isinstance(resource, Untouched):
        return "the application may have written it itself"
    if isinstance(resource, SelfSigned) and note.startswith("expires "):
        return "that is its age; next: certs.install"
    return ""
