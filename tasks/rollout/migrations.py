"""The migrations of a rollout, and whether the code that serves meanwhile survives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from hawser.answers import reading
from hawser.answers.rows import AlembicPlan, DjangoPlan, PrintedPlan, Revision, Unanswered
from hawser.errors import HawserError, StepFailed
from hawser.fleet import alembic, kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.migration_risk import Question, Verdict, judge, places_of, summaries
from hawser.fleet.migration_risk import questions as questions_of
from hawser.fleet.rolling import Rollout
from hawser.host import Host
from hawser.host.release import Release, is_id, short
from hawser.host.variables import instance_environment
from hawser.report.text import hearsay
from hawser.runner.code.operations import ADDITIVE, BREAKING, UNCLASSIFIED
from hawser.runner.code.operations import KINDS as ORDER
from hawser.runner.code.revisions import ALLOWED
from hawser.runner.specs.questions import MigrationQuestion

Answer: TypeAlias = DjangoPlan | AlembicPlan | PrintedPlan
# Lines of what a failed program said that are shown; the last ones of a traceback say what went wrong.
LAST_LINES = 12


@dataclass(frozen=True)
class PendingMigrations:
    """The pending migrations, as far as they are known.

    :param verdicts: those that are known, for each database on its own.
    :param unknown: why more may be pending; empty when all are known.
    :param later: the commands that generate more, which is judged before it is applied.
    :param unseen: the commands that generate more and apply it before anybody has seen it.
    :param crashes: the questions whose programs failed, each with what it said. That is no answer about migrations.
    """

    verdicts: tuple[Verdict, ...] = ()
    unknown: str = ""
    later: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    crashes: tuple[tuple[str, str], ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether it is known that nothing is pending."""
        return not self.verdicts and not self.open

    @property
    def open(self) -> str:
        """Say why more may be applied than is known; nothing when all is known."""
        generated = [f"nobody can tell beforehand what `{line}` generates" for line in (*self.later, *self.unseen)]
        return "; ".join(filter(None, (self.unknown, *generated)))

    def beyond(self, allowed: str) -> list[str]:
        """Return, in words, the migrations beyond the kind that may run while older code serves."""
        found = summaries(each for each in self.verdicts if ORDER.index(each.kind) > ALLOWED[allowed])
        if self.unknown and ORDER.index(UNCLASSIFIED) > ALLOWED[allowed]:
            found.append(f"{UNCLASSIFIED}: {self.unknown}")
        if self.unseen and ORDER.index(BREAKING) > ALLOWED[allowed]:
            found += [f"{BREAKING}: `{line}` generates migrations and applies them unseen" for line in self.unseen]
        return found


def outlook(fleet: Fleet, release: Release) -> PendingMigrations:
    """Ask the leader, in a release that is built there, which migrations are pending; nothing is changed."""
    host = leader_with(fleet, release)
    known, others = questions(host)
    lines = {line: alembic.line(line) for line in others}
    later = tuple(line for line, found in lines.items() if found and found.generator)
    unseen = tuple(line for line in others if alembic.generates(line) and line not in later)
    if release.environment.release.pending:
        line = host.command_text(release.environment.release.pending, "release.pending")
        answer = ask_one(fleet, host, {**program(host, ("sh", "-c", line)), "plain": True})
        if "error" in answer:
            unknown = f"release.pending does not tell what is pending: {reason_of(answer)}"
            return PendingMigrations((), unknown, later, unseen, crash(f"release.pending, `{line}`,", answer))
        assert "lines" in answer
        listed = tuple(Verdict(line, UNCLASSIFIED, ("not Django's",), False) for line in answer["lines"])
        return PendingMigrations(listed, "", later, unseen)
    upgrades = upgrades_of(lines.values())
    verdicts: list[Verdict] = []
    reasons = [f"nobody can tell beforehand what `{line}` does" for line, found in lines.items() if found is None]
    answers = ask(
        fleet, host, [*(django(host, each) for each in known), *(revisions(host, *each) for each in upgrades)]
    )
    crashes: list[tuple[str, str]] = []
    for question, place, answer in zip(known, places_of(known), answers, strict=False):
        if "error" in answer:
            crashes += crash(f"`{question.program}`", answer)
            where = f" for {place}" if place else ""
            reasons.append(f"Django does not tell its plan{where}: {reason_of(answer)}")
        else:
            assert "known" in answer
            # One that breaks nothing in a new and empty database may do so in an old one.
            verdicts += judge(answer["pending"], place)
    for (upgrade_line, part), answer in zip(upgrades, answers[len(known) :], strict=True):
        if "error" in answer:
            crashes += crash("Alembic:", answer)
            reasons.append(f"Alembic does not tell what is pending: {reason_of(answer)}")
        else:
            assert "pending" in answer and "known" not in answer
            place = place_of(upgrade_line, part) if len(upgrades) > 1 else ""
            verdicts += [alembic_verdict(row, place) for row in answer["pending"]]
    return PendingMigrations(tuple(verdicts), "; ".join(reasons), later, unseen, tuple(crashes))


def crash(what: str, answer: Unanswered) -> tuple[tuple[str, str], ...]:
    """Return a question whose program failed, with what that said; nothing where it only was no answer."""
    told = (f"{what} {answer['error'].removeprefix('run ')}", answer.get("output", ""))
    return (told,) if answer.get("crashed") else ()


def reason_of(answer: Unanswered) -> str:
    """Say why a question has no answer."""
    last = "".join(f" ({line})" for line in answer.get("output", "").strip().splitlines()[-1:])
    return f"{answer['error']}{last}"


def upgrades_of(lines: Iterable[alembic.Line | None]) -> list[tuple[alembic.Line, alembic.Part]]:
    """Return the places of Alembic whose pending revisions are to be asked for: each once, with its line."""
    found: dict[tuple[str, str, tuple[str, ...]], tuple[alembic.Line, alembic.Part]] = {}
    for line in filter(None, lines):
        for part in line.upgrades:
            found.setdefault((line.instance, line.folder, part.asks), (line, part))
    return list(found.values())


def place_of(line: alembic.Line, part: alembic.Part) -> str:
    """Return, in words, where Alembic works."""
    location = str(PurePosixPath(line.folder, part.location))
    return f"{location} of instance {line.instance}" if line.instance else location


def alembic_verdict(row: Revision, place: str) -> Verdict:
    """Return the verdict of a host's row about a revision."""
    kind = row["kind"] if row["kind"] in ORDER else BREAKING
    return Verdict(row["key"], kind, tuple(row["reasons"]), row["reversible"], place)


def revisions(host: Host, line: alembic.Line, part: alembic.Part) -> MigrationQuestion:
    """Return the program that reads which of Alembic's revisions are pending."""
    release = host.release.id if host.release else ""
    words = (*alembic.PYTHON, "pending", part.location, release, part.asked)
    return program(host, words, line.instance, line.folder)


def leader_with(fleet: Fleet, release: Release) -> Host:
    name = fleet.leader().names[0]
    return fleet.host(name, release)


def questions(host: Host) -> tuple[list[Question], list[str]]:
    """Return how Django is asked about the migrate commands of a release, and the commands that are not Django's."""
    known: list[Question] = []
    others = []
    for number, line in enumerate(host.environment.release.migrate):
        command = host.command_text(line, f"release.migrate[{number}]")
        found = questions_of(command)
        known += found
        if not found:
            others.append(command)
    return list(dict.fromkeys(known)), others


def program(
    host: Host, words: Sequence[str], instance: str = "", folder: str = "", **variables: str
) -> MigrationQuestion:
    """Return a program that runs in a release, as the application's user, in its environment.

    :param folder: where it starts, relative to the code.
    """
    own = [f"@{instance_environment(instance)}"] if instance else []
    argv = [f"{host.release_path}/run", *own, *words]
    return {
        "argv": argv,
        "user": host.app.user,
        "cwd": str(PurePosixPath(host.source, folder)),
        "env": variables,
    }


def django(host: Host, asked: Question, described: Sequence[str] = ()) -> MigrationQuestion:
    """Return the program that asks Django."""
    variables = {"HAWSER_DATABASE": asked.database, "HAWSER_DESCRIBE": ",".join(described)}
    question = program(host, asked.words, asked.instance, asked.folder, **variables)
    if asked.otherwise:
        question["otherwise"] = program(host, asked.otherwise, asked.instance)["argv"]
    return question


def ask(fleet: Fleet, host: Host, programs: Sequence[MigrationQuestion]) -> Sequence[Answer]:
    """Return the answers to questions about migrations, each of the type that its question has."""
    return fleet.ask(host.name, reading.PLANS, {"questions": list(programs)}) if programs else ()


def ask_one(fleet: Fleet, host: Host, program: MigrationQuestion) -> Answer:
    """Return the answer to one question about migrations."""
    (answer,) = ask(fleet, host, [program])
    return answer


def serves_anywhere(fleet: Fleet) -> bool:
    """Whether any host of the environment that answers serves a release."""
    names = fleet.everyone().with_code().required_hosts().names
    return any(fleet.facts(name).current for name in names)


def check_pending(rolling: Rollout) -> PendingMigrations:
    """List the pending migrations, and refuse those that the code that serves may not survive.

    :raises HawserError: names them, and what to type; nothing has switched yet.
    """
    hosts, wanted = rolling.hosts, rolling.wanted
    report, leader = hosts.report, hosts.leader().names[0]
    if not serves_anywhere(hosts):
        return PendingMigrations(unknown="nothing has been deployed yet")
    if hosts.dry and wanted.id not in hosts.facts(leader).releases:
        report.note(leader, f"pending migrations: unknown, for {wanted.id} is not built there yet")
        return PendingMigrations(unknown="not built yet")
    found = outlook(hosts, wanted)
    if found.crashes and not rolling.record.accepted:
        refuse_crashes(hosts, leader, found)
        return found
    for line in summaries(found.verdicts):
        report.note("", f"pending migration {line}")
    if found.unknown:
        report.note("", f"pending migrations: unknown, for {found.unknown}")
    elif not found.verdicts and not found.unseen:
        report.note("", "no migration is pending")
    for line in found.later:
        report.note("", f"what `{line}` generates is judged before it is applied")
    beyond = found.beyond(hosts.environment.release.rolling_migrations)
    if not beyond or rolling.record.accepted or rolling.record.maintenance:
        return found
    message = refusal(rolling, beyond, found)
    if not hosts.dry:
        raise HawserError(message)
    report.note("", f"this would be refused: {message}", "warning")
    return found


def refuse_crashes(hosts: Fleet, leader: str, found: PendingMigrations) -> None:
    """Stop where the release fails when it is asked for its migrations: it would fail when it migrates, too.

    :raises StepFailed: shows what it said, and the known causes; nothing has switched yet. A dry run says so only.
    """
    lines = [f"{leader}: the new release fails when it is asked which migrations are pending; nothing has switched"]
    for what, said in found.crashes:
        lines += [f"  {what}", *(f"    {line}" for line in hearsay(said).strip().splitlines()[-LAST_LINES:])]
    if hosts.dry:
        hosts.report.note("", "this would be refused: " + "\n".join(lines), "warning")
        return
    known = hosts.explained({leader: "\n".join(said for _what, said in found.crashes)})
    move = "" if known else f"correct what it says, then: fab -H {hosts.environment.name} deploy"
    raise StepFailed("\n".join([*lines, *known]), next=move)


def refusal(rolling: Rollout, beyond: Sequence[str], found: PendingMigrations) -> str:
    """Return the reasons for a refusal of migrations, and the next move."""
    hosts = rolling.hosts
    command = f"fab -H {','.join(hosts.session.names)} deploy --revision {short(rolling.wanted.commit)}"
    lines = ["migrations that the code that serves meanwhile may not survive; nothing has switched"]
    lines += [f"  {each}" for each in beyond]
    lines += [
        "  next, one of:",
        f"    {command} --maintenance         (visitors get 503 while it is migrated and switched)",
        f"    {command} --accept-migrations   (when you know that the code that serves survives them)",
    ]
    if found.unseen:
        lines.append(
            "    a line of its own for each command of `migrate`, so that what is generated is judged; or migrations"
        )
        lines.append("    that are made where you work, and committed")
    elif all(each.kind in (ADDITIVE, UNCLASSIFIED) for each in found.verdicts):
        file = hosts.environment.path.name
        if found.unknown and not hosts.environment.release.pending:
            lines.append(f"    pending = a command that prints what migrate would do, under [release] in {file}")
        lines.append(f'    rolling_migrations = "unclassified" under [release] in {file}, to allow this for good')
    return "\n".join(lines)


def applied(fleet: Fleet, release: Release, before: PendingMigrations) -> list[Verdict] | None:
    """Return the pending migrations that were applied, in any database; None where nobody knows.

    :param before: what was pending.
    """
    if before.open:
        return None
    try:
        after = outlook(fleet, release)
    except StepFailed:
        return None
    if after.open:
        return None
    left = {(each.key, each.place) for each in after.verdicts}
    return [each for each in before.verdicts if (each.key, each.place) not in left]


def report_reverts(fleet: Fleet, wanted: Release) -> None:
    """Say whether the database goes with a rollback: which migrations are applied that the older release lacks.

    :param wanted: the older release, which must be built on the leader.
    """
    leader = fleet.leader().names[0]
    facts = fleet.facts(leader)
    if wanted.id not in facts.releases or not wanted.environment.release.migrate:
        return
    host = leader_with(fleet, wanted)
    known, others = questions(host)
    for line in others:
        fleet.report.note("", f"whether the database fits {wanted.id} is unknown: `{line}` is not Django's", "warning")
    answers = ask(fleet, host, [django(host, each) for each in known])
    for asked, place, answer in zip(known, places_of(known), answers, strict=True):
        database = f"the database ({place})" if place else "the database"
        if "error" in answer:
            fleet.report.note("", f"whether {database} fits {wanted.id} is unknown: {answer['error']}", "warning")
            continue
        assert "applied" in answer
        more = sorted(set(answer["applied"]) - set(answer["known"]))
        if not more:
            fleet.report.note("", f"{database} fits: {wanted.id} knows every migration that is applied")
            continue
        lines = "\n".join(f"  {line}" for line in describe(fleet, facts.current, asked, more))
        fleet.report.note(
            "", f"{database} stays as it is, with migrations that {wanted.id} does not know:\n{lines}", "warning"
        )


def describe(fleet: Fleet, newer: str, asked: Question, keys: Sequence[str]) -> list[str]:
    """Report of applied migrations their effect on older code, and whether they can be undone."""
    described: dict[str, Verdict] = {}
    found, _refused = kept.releases(fleet.leader(), newer) if is_id(newer) else ({}, [])
    if found:
        host = leader_with(fleet, *found.values())
        answer = ask_one(fleet, host, django(host, asked, keys))
        if "described" in answer:
            described = {each.key: each for each in judge(answer["described"])}
    lines = []
    for key in keys:
        each = described.get(key)
        if each is None:
            lines.append(f"{key}: what it does is unknown, for {newer or 'what serves'} lacks it as well")
            continue
        undone = "can be reversed" if each.reversible else "cannot be reversed"
        older = "older code gets on with it" if each.kind == ADDITIVE else str(each).partition(": ")[2]
        lines.append(f"{key}: {undone}; {older}")
    return lines
