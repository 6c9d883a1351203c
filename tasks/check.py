"""Everything that can be found wrong without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from hawser.answers.reading import ReadingFunction
from hawser.errors import HawserError, InputErrors, Problem, StepFailed
from hawser.fleet.comparison import SERVES, Comparison
from hawser.fleet.fleet import Fleet
from hawser.fleet.releases import changed_since
from hawser.resources import Untouched
from hawser.secrets import Secrets, read_secrets, reconcile_generated
from hawser.session import generated
from hawser.session.session import Session
from hawser.steps import session_task

from . import drift

T = TypeVar("T")

if TYPE_CHECKING:
    from hawser.diagnosis.checks import Check, Finding

    # Where a finding belongs (a host, or empty), what it is about, and the finding.
    Row = tuple[str, str, Finding]

# Of what differs on a host, those that are named.
MOST = 20
COLUMNS = ["host", "about", "how bad", "finding", "next"]


@session_task(help={"offline": "only the environment file: no host is asked, and no secret is needed, as in CI"})
def check(session: Session, offline: bool = False) -> None:
    """Find what is wrong, or soon will be, without changing anything: settings, hosts, names, ports, certificates …"""
    found = [*(offline_findings(session) if offline else all_findings(session))]
    rows = [row for row in found if not row[2].known]
    known: dict[str, list[str]] = {}
    for host, _about, finding in found:
        if finding.known:
            known.setdefault(finding.message, []).append(host)
    for message, hosts in known.items():
        session.report.note(", ".join(hosts), message)
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
    generated.use_stand_ins(session, Secrets(environment.name, session.sources, {}))
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
    loaded, problems = read_secrets(environment, session.sources)
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
        yield from drifted(fleet)
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


def drifted(fleet: Fleet) -> Iterator[Row]:
    """Yield what is not as the last bootstrap and rollout have left it, and what would be another one by now."""
    from hawser.diagnosis.checks import Finding

    try:
        compared = drift.compare(fleet)
    except HawserError as error:
        yield "", "drift", Finding.of_error(error)
        return
    yield from ((each.host, "drift", Finding.of_error(each.error)) for each in compared if each.error)
    serving = {each.host: each.known[SERVES].release for each in compared if SERVES in each.known}
    changed = {name: what for name, release in serving.items() if (what := changed_since(fleet, release))}
    for what in dict.fromkeys(changed.values()):
        names = [name for name in changed if changed[name] == what]
        message = f"{what} since what serves on {', '.join(names)} was made"
        next_move = f"fab -H {fleet.environment.name} deploy brings it up to date"
        yield "", "drift", Finding(message, next_move, warning=True)
    for each in compared:
        yield from ((each.host, "drift", finding) for finding in findings_of(fleet, each))


def findings_of(fleet: Fleet, compared: Comparison) -> Iterator[Finding]:
    """Yield what differs on a host, and what is not known of it."""
    from hawser.diagnosis.checks import Finding

    target = fleet.environment.target(compared.host)
    shows = f"fab -H {target} drift shows what differs, and repair puts it right"
    # That one is not up is another finding.
    differ = [row for row in compared.drift if not row.stands_still]
    for row in differ[:MOST]:
        left = "the last rollout" if row.part == SERVES else "bootstrap"
        yield Finding(f"{row.event.label} is not as {left} has left it", shows)
    if len(differ) > MOST:
        yield Finding(f"{len(differ) - MOST} more things are not as they were left", shows)
    # What the application writes into its own code is told by `drift` alone.
    if doubtful := [row for row in compared.found if row.doubt and not isinstance(row.resource, Untouched)]:
        number = f"{len(doubtful)} {'thing differs' if len(doubtful) == 1 else 'things differ'}"
        message = f"{number}, and nobody knows whether somebody has changed it: {doubtful[0].doubt}"
        yield Finding(message, f"fab -H {target} drift shows it", warning=True)
    for text in compared.unknown if fleet.facts(compared.host).current else ():
        yield Finding(f"it cannot be known what differs: {text}", f"fab -H {target} status", warning=True)


def kept_secrets(fleet: Fleet) -> Iterator[Row]:
    """Yield the generated secrets that are missing here or differ from those of the hosts."""
    from hawser.diagnosis.checks import Finding

    known, _problems = read_secrets(fleet.environment, fleet.session.sources)
    try:
        kept = {name: values for name, values in generated.kept_on(fleet.session, fleet.names).items() if values}
        for name in reconcile_generated(known, kept) if kept else ():
            message = f"{known.sources.name}: {name} is missing, and the hosts were set up with it"
            yield "", "secrets", Finding(message, f"fab -H {fleet.environment.name} secrets.pull")
    except InputErrors as errors:
        yield from (("", "secrets", Finding.of_problem(problem)) for problem in errors.problems)
