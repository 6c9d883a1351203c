"""Everything that can be found wrong without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hawser.errors import HawserError, InputErrors, StepFailed
from hawser.fleet import Fleet
from hawser.secrets import read_secrets, settle
from hawser.session import Session
from hawser.steps import session_task

if TYPE_CHECKING:
    from hawser.findings import Check, Finding

    # Where a finding belongs (a host, or empty), what it is about, and the finding.
    Row = tuple[str, str, Finding]

COLUMNS = ["host", "about", "how bad", "finding", "next"]


@session_task()
def check(session: Session) -> None:
    """Find what is wrong, or soon will be, without changing anything: settings, hosts, names, ports, certificates …"""
    rows = [*survey(session)]
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


def survey(session: Session) -> Iterator[Row]:
    """Yield everything that is found, from what the user wrote to what the hosts say."""
    from hawser.findings import Check, Finding  # what it needs takes longer to load than most tasks take

    try:
        environment = session.environment
    except InputErrors as errors:
        yield from (("", "settings", Finding.of_problem(problem)) for problem in errors.problems)
        return
    loaded, problems = read_secrets(environment, session.folder)
    yield from (("", "secrets", Finding.of_problem(problem)) for problem in problems)
    session.use_stand_ins(loaded)
    try:
        session.addresses  # noqa: B018
    except HawserError as error:
        yield "", "reach", Finding.of_error(str(error))
        return
    yield from (("", "settings", Finding.of_problem(problem)) for problem in session.rendering_problems())
    names = session.selection.hosts
    lost = session.try_open(names, only_look=True)
    yield from ((name, "reach", Finding.of_error(why.removeprefix(f"{name}: "))) for name, why in lost.items())
    fleet = Fleet(session, [name for name in names if name not in lost])
    yield from kept_secrets(fleet)
    results = session.parallel(fleet.names, lambda name: look(fleet, name, Check.on_hosts))
    for name, found in results.items():
        if isinstance(found, Exception):
            yield name, "reach", Finding.of_error(str(found).removeprefix(f"{name}: "))
        else:
            yield from found
    hosts = [fleet.host(name) for name in names]
    for each in Check.at_home:
        yield from (("", each.title, finding) for finding in each.function(hosts))


def look(fleet: Fleet, name: str, checks: list[Check]) -> list[Row]:
    """Return what all checks find on one host; one that cannot look is a finding as well."""
    from hawser.findings import Finding

    def ask(function: str, **arguments: Any) -> Any:
        return fleet.ask(name, function, arguments)

    found: list[Row] = []
    for each in checks:
        try:
            found.extend((name, each.title, finding) for finding in each.function(fleet.host(name), ask))
        except StepFailed as error:
            found.append((name, each.title, Finding.of_error(str(error).removeprefix(f"{name}: "))))
    return found


def kept_secrets(fleet: Fleet) -> Iterator[Row]:
    """Yield the generated secrets that are missing here, or not those that the hosts were set up with."""
    from hawser.findings import Finding

    known, _problems = read_secrets(fleet.environment, fleet.session.folder)
    try:
        kept = {name: values for name, values in fleet.session.kept_on(fleet.names).items() if values}
        for name in settle(known, kept) if kept else ():
            message = f"{known.path.name}: {name} is missing, and the hosts were set up with it"
            yield "", "secrets", Finding(message, f"fab -H {fleet.environment.name} secrets.pull")
    except InputErrors as errors:
        yield from (("", "secrets", Finding.of_problem(problem)) for problem in errors.problems)
