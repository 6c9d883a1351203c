"""Everything that can be found wrong without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from hawser.answers.messages import Message
from hawser.answers.reading import ReadingFunction
from hawser.errors import HawserError, InputErrors, Problem, StepFailed
from hawser.fleet.fleet import Fleet
from hawser.fleet.kept import serving_releases
from hawser.fleet.releases import changed_since
from hawser.host.release import Release
from hawser.resources import Absent, Block, Directory, File, Link, OnlyFiles
from hawser.secrets import Secrets, read_secrets, reconcile_generated
from hawser.session import generated
from hawser.session.session import Session
from hawser.steps import session_task

from . import bootstrap, config, cron, managers, webservers

T = TypeVar("T")

if TYPE_CHECKING:
    from hawser.diagnosis.checks import Check, Finding

    # Where a finding belongs (a host, or empty), what it is about, and the finding.
    Row = tuple[str, str, Finding]

# What a release and its host are made of besides code, environments and databases.
PLACES = [
    bootstrap.folders,
    config.install,
    config.place,
    *managers.RELOAD,
    *webservers.INSTALL,
    cron.install,
]
PLACED = (Absent, Block, Directory, File, OnlyFiles, Link)
COLUMNS = ["host", "about", "how bad", "finding", "next"]


@session_task(help={"offline": "only the environment file: no host is asked, and no secret is needed, as in CI"})
def check(session: Session, offline: bool = False) -> None:
    """Find what is wrong, or soon will be, without changing anything: settings, hosts, names, ports, certificates …"""
    rows = [*(offline_findings(session) if offline else all_findings(session))]
    wrong = sum(not finding.warning for _host, _about, finding in rows)
    if rows:
        told = [
            [host, about, "warning" if finding.warning else "wrong", finding.message, finding.next]
            for host, about, finding in sorted(rows, key=lambda row: row[2].warning)
        ]
        session.report.table("findings", COLUMNS, told)
    if wrong:
        raise StepFailed(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
    session.report.note("", "nothing is wrong" + (f"; warnings: {len(rows)}" if rows else ""))


def offline_findings(session: Session) -> Iterator[Row]:
    """Yield what is wrong with an environment file and its templates, with stand-ins for secrets and addresses."""
    try:
        environment = session.environment
    except InputErrors as errors:
        yield from of_settings(errors.problems)
        return
    generated.use_stand_ins(session, Secrets(environment.name, session.folder / f"{environment.name}.env", {}))
    session.use_stand_in_addresses()
    yield from of_settings(session.rendering_problems())


def of_settings(problems: Sequence[Problem]) -> Iterator[Row]:
    """Yield a finding for each mistake in the settings."""
    from hawser.diagnosis.checks import Finding

    return (("", "settings", Finding.of_problem(problem)) for problem in problems)


def all_findings(session: Session) -> Iterator[Row]:
    """Yield all findings, from the user's files to the hosts."""
    from hawser.diagnosis.checks import Check, Finding  # what it needs takes longer to load than most tasks take

    try:
        environment = session.environment
    except InputErrors as errors:
        yield from of_settings(errors.problems)
        return
    loaded, problems = read_secrets(environment, session.folder)
    yield from (("", "secrets", Finding.of_problem(problem)) for problem in problems)
    generated.use_stand_ins(session, loaded)
    try:
        wrong = session.rendering_problems()
    except HawserError as error:
        # Sandbox hosts that are not up have no address.
        yield "", "reach", Finding.of_error(error)
        return
    yield from of_settings(wrong)
    names = session.selection.hosts
    lost = session.connections.try_open(names, only_look=True)
    yield from ((name, "reach", Finding.of_error(error)) for name, error in lost.items())
    fleet = Fleet(session, [name for name in names if name not in lost])
    yield from kept_secrets(fleet)
    results = session.connections.parallel(fleet.names, lambda name: findings_on(fleet, name, Check.on_hosts))
    for name, found in results.items():
        if isinstance(found, Exception):
            yield name, "reach", Finding.of_error(found)
        else:
            yield from found
    if not problems and not loaded.missing_generated:
        yield from drift(fleet)
    hosts = [fleet.host(name) for name in names]
    for each in Check.at_home:
        yield from (("", each.title, finding) for finding in each.function(hosts))


def findings_on(fleet: Fleet, name: str, checks: list[Check]) -> list[Row]:
    """Return the findings of all checks on one host; a check that cannot look is a finding as well."""
    from hawser.diagnosis.checks import Finding

    def ask(function: ReadingFunction[T], /, **arguments: object) -> T:
        return fleet.ask(name, function, arguments)

    found: list[Row] = []
    for each in checks:
        try:
            found.extend((name, each.title, finding) for finding in each.function(fleet.host(name), ask))
        except StepFailed as error:
            found.append((name, each.title, Finding.of_error(error)))
    return found


def drift(fleet: Fleet) -> Iterator[Row]:
    """Yield the files, folders and links that are not any more as the release that serves has left them."""
    from hawser.diagnosis.checks import Finding

    serving = fleet.subset(
        [name for name in fleet.names if fleet.facts(name).current and not fleet.facts(name).journal]
    )
    try:
        releases = serving_releases(serving)
    except HawserError as error:
        yield "", "drift", Finding.of_error(error)
        return
    changed = {name: what for name, release in releases.items() if (what := changed_since(fleet, release))}
    for what in dict.fromkeys(changed.values()):
        names = [name for name in changed if changed[name] == what]
        message = f"{what} since what serves on {', '.join(names)} was made"
        yield (
            "",
            "drift",
            Finding(message, f"fab -H {fleet.environment.name} deploy brings it up to date", warning=True),
        )
    same = [name for name in releases if name not in changed]
    for name, found in fleet.connections.parallel(same, lambda name: differences(fleet, name, releases[name])).items():
        if isinstance(found, Exception):
            yield name, "drift", Finding.of_error(found)
            continue
        target = fleet.environment.target(name)
        for label, step in found:
            task = "bootstrap" if step.startswith("bootstrap.") else step
            advice = f"fab -R -H {target} {task} shows what differs, and without -R puts it right"
            yield name, "drift", Finding(f"{label} is not as the release that serves has left it", advice)


def differences(fleet: Fleet, name: str, release: Release) -> list[tuple[str, str]]:
    """Return the differences of a host from its release, each with the step that puts it right."""
    catalog = fleet.catalog(name, PLACES, release)
    found: list[tuple[str, str]] = []

    def on_message(message: Message) -> None:
        if message["t"] == "event" and message["status"] in ("would_change", "failed"):
            item = catalog.items[message["position"]]
            if isinstance(item.resource, PLACED):
                found.append((item.resource.label, item.step))

    fleet.connections.wires[name].apply(catalog, True, fleet.session.secrets.mask_values(), on_message)
    return found


def kept_secrets(fleet: Fleet) -> Iterator[Row]:
    """Yield the generated secrets that are missing here or differ from those of the hosts."""
    from hawser.diagnosis.checks import Finding

    known, _problems = read_secrets(fleet.environment, fleet.session.folder)
    try:
        kept = {name: values for name, values in generated.kept_on(fleet.session, fleet.names).items() if values}
        for name in reconcile_generated(known, kept) if kept else ():
            message = f"{known.path.name}: {name} is missing, and the hosts were set up with it"
            yield "", "secrets", Finding(message, f"fab -H {fleet.environment.name} secrets.pull")
    except InputErrors as errors:
        yield from (("", "secrets", Finding.of_problem(problem)) for problem in errors.problems)
