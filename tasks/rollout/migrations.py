"""The migrations of a rollout, and whether the code that serves meanwhile survives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

from hawser.answers import reading
from hawser.answers.rows import AlembicPlan, DjangoPlan, PrintedPlan, Revision, Unanswered
from hawser.diagnosis.causes import PASSWORD, cause_of
from hawser.errors import HawserError, StepFailed
from hawser.fleet import alembic, kept
from hawser.fleet.fleet import Fleet
from hawser.fleet.migration_risk import Question, Verdict, judge, more_than, places_of, shortened, summaries
from hawser.fleet.migration_risk import questions as questions_of
from hawser.fleet.rolling import Rollout
from hawser.host import Host
from hawser.host.code import commands
from hawser.host.release import Release, is_id, short
from hawser.host.variables import instance_environment
from hawser.report.text import hearsay
from hawser.runner.code.operations import ADDITIVE, BREAKING, UNCLASSIFIED
from hawser.runner.code.operations import KINDS as ORDER
from hawser.runner.code.revisions import ALLOWED
from hawser.runner.specs.questions import MigrationQuestion

from .. import db
from . import passwords

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
    :param unchanged: none of the commands would run: what they read is the same as when they ran last.
    :param crashes: the questions whose programs failed, each with what it said. That is no answer about migrations.
    """

    verdicts: tuple[Verdict, ...] = ()
    unknown: str = ""
    later: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    crashes: tuple[tuple[str, str], ...] = ()
    unchanged: bool = False

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
        worst_first = sorted(self.verdicts, key=lambda each: -ORDER.index(each.kind))
        found = summaries(each for each in worst_first if ORDER.index(each.kind) > ALLOWED[allowed])
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


def upgrades_of(lines: Iterable[alembic.Command | None]) -> list[tuple[alembic.Command, alembic.Part]]:
    """Return the places of Alembic whose pending revisions are to be asked for: each once, with its line."""
    found: dict[tuple[str, str, tuple[str, ...]], tuple[alembic.Command, alembic.Part]] = {}
    for line in filter(None, lines):
        for part in line.upgrades:
            found.setdefault((line.instance, line.folder, part.asks), (line, part))
    return list(found.values())


def place_of(line: alembic.Command, part: alembic.Part) -> str:
    """Return, in words, where Alembic works."""
    location = str(PurePosixPath(line.folder, part.location))
    return f"{location} of instance {line.instance}" if line.instance else location


def alembic_verdict(row: Revision, place: str) -> Verdict:
    """Return the verdict of a host's row about a revision."""
    kind = row["kind"] if row["kind"] in ORDER else BREAKING
    return Verdict(row["key"], kind, tuple(row["reasons"]), row["reversible"], place)


def revisions(host: Host, line: alembic.Command, part: alembic.Part) -> MigrationQuestion:
    """Return the program that reads which of Alembic's revisions are pending."""
    release = host.release.id if host.release else ""
    words = (*alembic.PYTHON, "pending", part.location, release, part.asked)
    return program(host, words, line.instance, line.folder)


def unchanged(fleet: Fleet, release: Release) -> bool:
    """Ask the leader whether no migrate command of a release, which is built there, would run."""
    if not all(setting.inputs for setting in release.environment.release.migrate):
        return False
    host = leader_with(fleet, release)
    found = db.migrate.given(again=False).resources(host)
    return fleet.ask(host.name, reading.UNCHANGED, {"commands": [dataclasses.asdict(each) for each in found]})


def leader_with(fleet: Fleet, release: Release) -> Host:
    name = fleet.leader().names[0]
    return fleet.host(name, release)


def questions(host: Host) -> tuple[list[Question], list[str]]:
    """Return how Django is asked about the migrate commands of a release, and the commands that are not Django's."""
    known: list[Question] = []
    others = []
    for command, _setting in commands(host, "migrate"):
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
        "cwd": str(PurePosixPath(host.code, folder)),
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
    if unchanged(hosts, wanted):
        report.note("", "what `migrate` reads is the same as when it ran last; it does not run")
        return PendingMigrations(unchanged=True)
    found = outlook(hosts, wanted)
    if found.crashes and not rolling.record.accepted:
        refuse_crashes(rolling, leader, found)
        return found
    shown = shortened(found.verdicts)
    for line in [*summaries(shown), *more_than(shown, found.verdicts)]:
        report.note("", f"pending migration {line}")
    if found.unknown:
        report.note("", f"pending migrations: unknown, for {found.unknown}")
    elif not found.verdicts and not found.unseen:
        report.note("", "no migration is pending; the commands of `migrate` run all the same, for what else they do")
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


def refuse_crashes(rolling: Rollout, leader: str, found: PendingMigrations) -> None:
    """Stop where the release fails when it is asked for its migrations: it would fail when it migrates, too.

    :raises StepFailed: shows what it said, and the known causes; nothing has switched yet. A dry run says so only.
    """
    hosts = rolling.hosts
    lines = [f"{leader}: the new release fails when it is asked which migrations are pending; nothing has switched"]
    for what, said in found.crashes:
        lines += [f"  {what}", *(f"    {line}" for line in hearsay(said).strip().splitlines()[-LAST_LINES:])]
    if hosts.dry:
        hosts.report.note("", "this would be refused: " + "\n".join(lines), "warning")
        return
    text = "\n".join(said for _what, said in found.crashes)
    cause = cause_of(text)
    if cause is not None and cause[0].move == PASSWORD and not passwords.is_whole(rolling):
        # Whoever is not named goes on with the password that the server has.
        lines.append(
            f"  the server refuses the password: one that was changed in {hosts.session.secrets.sources.name} comes to "
            "it with a deploy of all hosts, and this is one of some"
        )
        raise StepFailed("\n".join(lines), next=f"fab -H {hosts.environment.name} deploy, or the former password there")
    known = hosts.explained({leader: text})
    move = "" if known else f"correct what it says, then: fab -H {hosts.environment.name} deploy"
    raise StepFailed("\n".join([*lines, *known]), next=move)


def refusal(rolling: Rollout, beyond: Sequence[str], found: PendingMigrations) -> str:
    """Return the reasons for a refusal of migrations, and the next move."""
    hosts = rolling.hosts
    command = f"fab -H {','.join(hosts.session.names)} deploy --revision {short(rolling.wanted.commit)}"
    lines = ["migrations that the code that serves meanwhile may not survive; nothing has switched"]
    shown = beyond[:LAST_LINES]
    lines += [f"  {each}" for each in [*shown, *more_than(shown, beyond)]]
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
    facts = fleet.facts(fleet.leader().names[0])
    if wanted.id not in facts.releases or not wanted.environment.release.migrate:
        return
    host, newer = leader_with(fleet, wanted), serving_host(fleet, facts.current)
    known, others = questions(host)
    lines = {line: alembic.line(line) for line in others}
    upgrades = upgrades_of(lines.values())
    for line in [line for line, found in lines.items() if found is None]:
        told = f"whether the database fits {wanted.id} is unknown: `{line}` is neither Django's nor Alembic's"
        fleet.report.note("", told, "warning")
    answers = ask(
        fleet, host, [*(django(host, each) for each in known), *(known_revisions(host, *each) for each in upgrades)]
    )
    for asked, place, answer in zip(known, places_of(known), answers, strict=False):
        if "error" in answer:
            report_fit(fleet, wanted, place, unknown=reason_of(answer))
            continue
        assert "applied" in answer
        report_fit(fleet, wanted, place, *beyond_django(fleet, newer, asked, answer))
    for (upgrade_line, part), answer in zip(upgrades, answers[len(known) :], strict=True):
        place = place_of(upgrade_line, part) if len(upgrades) > 1 else ""
        if "error" in answer:
            report_fit(fleet, wanted, place, unknown=reason_of(answer))
            continue
        assert "lines" in answer
        told_by_newer = ask_one(
            fleet, newer or host, revisions_beyond(newer or host, upgrade_line, part, answer["lines"])
        )
        if "error" in told_by_newer:
            report_fit(fleet, wanted, place, unknown=reason_of(told_by_newer))
            continue
        assert "pending" in told_by_newer and "known" not in told_by_newer
        report_fit(fleet, wanted, place, [alembic_verdict(row, "") for row in told_by_newer["pending"]])


def report_fit(
    fleet: Fleet,
    wanted: Release,
    place: str,
    beyond: Sequence[Verdict] = (),
    untold: Sequence[str] = (),
    unknown: str = "",
) -> None:
    """Say whether a database fits an older release; what weighs most stands first.

    :param place: in which of several databases.
    :param beyond: the applied migrations that the release lacks.
    :param untold: those of which nobody knows what they do.
    :param unknown: why there is no answer.
    """
    database = f"the database ({place})" if place else "the database"
    if unknown:
        fleet.report.note("", f"whether {database} fits {wanted.id} is unknown: {unknown}", "warning")
    elif not beyond and not untold:
        fleet.report.note("", f"{database} fits: {wanted.id} knows every migration that is applied")
    else:
        shown = [f"{each.key}: {effect_of(each)}" for each in shortened(beyond)]
        lines = [*shown, *(f"{key}: what it does is unknown" for key in untold[: LAST_LINES - len(shown)])]
        lines += more_than(lines, [*beyond, *untold])
        text = "\n".join(f"  {line}" for line in lines)
        told = f"{database} stays as it is, with migrations that {wanted.id} does not know:\n{text}"
        fleet.report.note("", told, "warning")


def effect_of(verdict: Verdict) -> str:
    """Return the effect of an applied migration on older code, and whether it can be undone."""
    undone = "can be reversed" if verdict.reversible else "cannot be reversed"
    return f"{undone}; {'older code gets on with it' if verdict.kind == ADDITIVE else str(verdict).partition(': ')[2]}"


def serving_host(fleet: Fleet, current: str) -> Host | None:
    """Return the leader with the release that it serves; None where that is not kept, or not believed."""
    found, _refused = kept.releases(fleet.leader(), current) if is_id(current) else ({}, [])
    return leader_with(fleet, *found.values()) if found else None


def beyond_django(
    fleet: Fleet, newer: Host | None, asked: Question, older: DjangoPlan
) -> tuple[Sequence[Verdict], Sequence[str]]:
    """Return the applied migrations that an older release lacks, judged, and those of which nobody knows what they do.

    What the newer release lacks as well (rows of applications that are installed no more) has nothing to do with going
    back; no more has a squashed migration of which the older release knows every part.

    :param newer: with the release that serves, which knows what they do.
    :param older: the answer of the older release.
    """
    assert "applied" in older
    known = set(older["known"])
    more = sorted(set(older["applied"]) - known)
    if not more or newer is None:
        return (), more
    answer = ask_one(fleet, newer, django(newer, asked, more))
    if "described" not in answer:
        return (), more
    rows = [row for row in answer["described"] if not row.get("replaces") or not known.issuperset(row["replaces"])]
    return judge(rows), ()


def known_revisions(host: Host, line: alembic.Command, part: alembic.Part) -> MigrationQuestion:
    """Return the program that prints the revisions that a release knows."""
    return {**program(host, (*alembic.PYTHON, "known", part.asked), line.instance, line.folder), "plain": True}


def revisions_beyond(host: Host, line: alembic.Command, part: alembic.Part, known: Sequence[str]) -> MigrationQuestion:
    """Return the program that reads which applied revisions are none of the known ones."""
    return program(host, (*alembic.PYTHON, "beyond", part.asked, *known), line.instance, line.folder)
