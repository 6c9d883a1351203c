"""Another value of a secret, in the order in which no request fails; whatever breaks it off, the same command goes on.

How far it has come is told by the secrets themselves: `NAME__NEXT` beside `NAME` is the value that comes, and
`NAME__FORMER` the one that is still to be good.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hawser.answers import reading
from hawser.errors import HawserError, InputErrors, Problem, StepFailed
from hawser.fleet import kept, references
from hawser.fleet.fleet import Fleet
from hawser.fleet.references import bootstrapped_with
from hawser.fleet.releases import nothing_deployed, why_not_serving
from hawser.host.journal import Record
from hawser.host.release import Release
from hawser.inventory.tables.app import FORMER, NEXT
from hawser.secrets import Secrets
from hawser.secrets.forms import forms
from hawser.secrets.lines import unusable
from hawser.secrets.making import RECIPES
from hawser.secrets.rotation import of_services, refuse
from hawser.steps import fleet_task

from . import bootstrap, deploy
from .rollout import passwords
from .services.moments import AT_ONCE

# Seconds between two looks at what still runs, and those that programs of before have beyond their own time to stop.
GLANCE, BEYOND = 0.5, 20.0
# Programs that a message names.
NAMED = 5

# Secrets by name; None: none of that name.
Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Turn:
    """A value that takes the place of another one.

    :param name: the secret.
    :param held: the secrets as they are kept now.
    :param stages: the secrets of each rollout, one after the other.
    :param before: what they may be where it has not come far.
    :param gone: the value that is in use nowhere at the end; empty: none.
    :param ends: what the source says at the end, of the names that change.
    """

    name: str
    held: Secrets
    stages: Sequence[Values]
    before: Sequence[Values]
    gone: str
    ends: Values

    @property
    def holds(self) -> dict[str, str | None]:
        """What the source says until then, of the names that change."""
        return {name: self.held.aside.get(name) or self.held.values.get(name) for name in self.ends}


@fleet_task(
    admin=True,
    rolls_out=True,
    positional=["name"],
    help={
        "name": "the secret that gets another value",
        "keep-former": "the code takes both from now on, by {{ secrets.NAME__FORMER }}: what was signed with the "
        "former one stays good",
        "end-former": "what --keep-former has kept is good no more",
    },
)
def rotate(fleet: Fleet, name: str, keep_former: bool = False, end_former: bool = False) -> None:
    """Give a secret another value, and services and processes with it, in the order in which no request fails.

    It rolls out the commit that serves. Broken off, it is gone on with by the same command.
    """
    session, environment = fleet.session, fleet.environment
    if set(fleet.names) != set(environment.hosts):
        raise HawserError(
            "a secret is the same on all hosts, and changes on all of them;",
            next=f"fab -H {environment.name} secrets.rotate {name}",
            code=2,
        )
    if keep_former and end_former:
        raise HawserError("--keep-former and --end-former are two commands", code=2)
    if keep_former and (apart := [each.name for each in session.sources.each if each.one_by_one]):
        told = f"{apart[0]} is asked for one secret at a time, and not for a former value with each command"
        raise HawserError(told, next="a command that prints all of them can keep it", code=2)
    session.preflight()
    refuse(environment, name, keep_former, session.templates.used.values())
    held = with_next(fleet, session.secrets, name)
    refuse_wrong_state(environment.name, held, name, end_former)
    fleet.lock()
    kept.ready(fleet)
    held = session.secrets
    if end_former:
        turn = ending(held, name)
        commit = serving_commit(fleet, turn, begun=True)
    else:
        begun = name + NEXT in held.aside
        commit = serving_commit(fleet, turning(held, name, keep_former), begun)
        turn = turning(drawn(fleet, held, name, keep_former), name, keep_former)
    noted = [name for name in fleet.names if fleet.facts(name).set_up in bootstrapped(fleet, turn)]
    wanted = rolled_out(fleet, turn, commit)
    if not fleet.dry:
        refuse_missing(fleet, wanted)
        if turn.gone:
            prove_gone(fleet, wanted, turn.gone)
    if of_services(environment, name):
        passwords.given(passwords.servers(fleet), wanted, AT_ONCE, "former passwords")
    # Hosts without code have no part in the rollout, and somebody may have brought the former value back meanwhile.
    fleet.apply([bootstrap.secrets], phase="secrets")
    made = bootstrapped_with(fleet)
    if noted:
        fleet.subset(noted).apply([bootstrap.note.given(made=made)], phase="note")
    keep(fleet, turn)


def with_next(fleet: Fleet, held: Secrets, name: str) -> Secrets:
    """Return the secrets with the value that is to come, where somebody has put it into a source that tells one by one.

    :raises InputErrors: it cannot be used.
    """
    wanted = name + NEXT
    if wanted not in held.aside:
        apart = [source.ask([wanted]).values for source in fleet.session.sources.each if source.one_by_one]
        held = held.beside({name: value for each in apart for name, value in each.items() if value})
        fleet.session.use_secrets(held, rendered_alike=True)
    if wanted in held.aside and (message := unusable(held.aside[wanted], True)):
        raise InputErrors([Problem(held.sources.label, wanted, message, "write the real one")])
    return held


def refuse_wrong_state(target: str, held: Secrets, name: str, end_former: bool) -> None:
    """Stop where a rotation of before is to be ended first.

    :raises HawserError: says how.
    """
    coming, former = name + NEXT in held.aside, name + FORMER in held.aside
    if end_former and coming:
        told = f"a rotation of {name} is half done;"
        raise HawserError(told, next=f"fab -H {target} secrets.rotate {name}, then this again", code=2)
    if end_former and not former:
        raise HawserError(f"no former value of {name} is kept: there is no {name}{FORMER}", code=2)
    if former and not coming and not end_former:
        told = f"{name} was rotated before, and its former value is still good;"
        raise HawserError(told, next=f"fab -H {target} secrets.rotate {name} --end-former, then this again", code=2)


def turning(held: Secrets, name: str, keep_former: bool) -> Turn:
    """Return how the value that stands beside a secret takes its place; of one that does not stand there, the start."""
    former, coming = name + FORMER, name + NEXT
    old, new = held.values[name], held.aside.get(coming, held.values[name])
    plain = {name: old, former: None}
    if not keep_former and former not in held.aside:
        stages: list[Values] = [{name: new, former: None}]
        return Turn(name, held, stages, [plain], old if old != new else "", {name: new, coming: None})
    # First all take the new one, then they use it: what one process signs, another one of before may have to read.
    stages = [{name: old, former: new}, {name: new, former: old}]
    return Turn(name, held, stages, [plain, {name: old, former: old}], "", {name: new, coming: None, former: old})


def ending(held: Secrets, name: str) -> Turn:
    """Return how the former value of a secret ceases to be good."""
    former = name + FORMER
    return Turn(name, held, [{former: None}], [{former: held.aside[former]}], held.aside[former], {former: None})


def ids(fleet: Fleet, turn: Turn, values: Sequence[Values], commit: str) -> list[Release]:
    """Return the releases of a commit with today's settings, and other secrets."""
    session, found = fleet.session, []
    for each in values:
        session.use_secrets(turn.held.turned(each))
        found.append(session.compared(commit, session.environment, session.templates))
    session.use_secrets(turn.held)
    return found


def bootstrapped(fleet: Fleet, turn: Turn) -> set[str]:
    """Return what a host says that was set up with today's settings, and any of the secrets of a rotation."""
    found = set()
    for each in (*turn.before, *turn.stages):
        fleet.session.use_secrets(turn.held.turned(each))
        found.add(bootstrapped_with(fleet).id)
    fleet.session.use_secrets(turn.held)
    return found


def serving_commit(fleet: Fleet, turn: Turn, begun: bool) -> str:
    """Return the commit that serves everywhere, with nothing but this rotation to be rolled out.

    :param begun: hosts may be in the middle of it.
    :raises HawserError: something else would be rolled out with it; nothing was touched.
    """
    there, target = fleet.needing_code(), fleet.environment.name
    bare = [name for name in there.names if not there.facts(name).current]
    if bare:
        raise nothing_deployed(fleet, *bare)
    commits = {there.facts(name).commit for name in there.names}
    if len(commits) > 1:
        told = f"the hosts serve different commits: {', '.join(sorted(commits))}; nothing was touched"
        raise HawserError(told, next=f"fab -H {target} deploy, then the same command again")
    (commit,) = commits
    releases = ids(fleet, turn, [*turn.before, *(turn.stages if begun else ())], commit)
    known = [each.id for each in releases]
    for name in there.names:
        facts, record = there.facts(name), Record.of(there.facts(name))
        if record is not None and not record.complete and not (begun and record.release in known):
            told = f"a rollout of {record.release} is open on {name}; nothing was touched"
            raise HawserError(told, next=f"fab -H {target} resume, then the same command again")
        if facts.current not in known and not any(
            each.differs_by_hawser(facts.current, facts.hawser) for each in releases
        ):
            raise more_would_change(there, name, known[0])
    return commit


def more_would_change(fleet: Fleet, name: str, wanted: str) -> HawserError:
    """Return the error of a host that serves something else than a rotation would begin with."""
    target, current = fleet.environment.name, fleet.facts(name).current
    found, _lost, _strange = references.serving(fleet.subset([name]))
    if name in found and found[name].secrets:
        told = f"{name} serves with other secrets than those that are here; nothing was touched"
        move = f"get those of whoever deployed last; or, to bring yours: fab -H {target} bootstrap deploy"
        return HawserError(told, next=f"{move}; then the same command again")
    told = f"{name} serves {current}, and the settings of today make {wanted} of its commit: more than this secret"
    return HawserError(
        f"{told} would change; nothing was touched", next=f"fab -H {target} deploy, then the same command again"
    )


def drawn(fleet: Fleet, held: Secrets, name: str, keep_former: bool) -> Secrets:
    """Draw another value and keep it beside the secret, unless one stands there already.

    :raises InputErrors: it is for a person to put it there.
    """
    coming, former = name + NEXT, name + FORMER
    environment, report = fleet.environment, fleet.report
    if coming in held.aside:
        report.note("", f"{coming} is there: going on with it")
        return held
    if name not in environment.env.generated and not of_services(environment, name):
        message = f"is not made by Hawser, so whoever gives {name} makes another one"
        hint = f"{advice(held, name)}; then the same command again"
        raise InputErrors([Problem(held.label_of(name), coming, message, hint)])
    new = {coming: held.make(name), **({former: held.values[name]} if keep_former else {})}
    if not held.has_its_own(name):
        recipe = RECIPES[environment.env.formats.get(name, "token")]
        hint = f"{advice(held, name)}, made with: {recipe}; then the same command again"
        raise InputErrors([Problem(held.label_of(name), coming, "is missing, and Hawser cannot write it there", hint)])
    if fleet.dry:
        report.note("", f"would draw another {name}, and keep it as {coming} in {held.name_of(name)}")
        return held.beside(new)
    store = held.sources.store
    assert store is not None
    store.turn({name: held.values[name], **dict.fromkeys(new)}, new)
    end = f"; {store.shared}" if store.shared else ""
    report.note("", f"drew another {name}, and keeps it as {coming} in {store.name}{end}")
    return held.beside(new)


def advice(held: Secrets, name: str) -> str:
    """Return how a person puts the value that is to come beside a secret."""
    return held.sources.advice(name + NEXT)


def rolled_out(fleet: Fleet, turn: Turn, commit: str) -> Release:
    """Roll out the commit that serves with the secrets of each stage; return the release of the last one."""
    session = fleet.session
    stages = list(turn.stages)
    if len(stages) > 1:
        done = {each.id for each in ids(fleet, turn, stages, commit)}
        if all(fleet.facts(name).current in done for name in fleet.with_code().names):
            del stages[:-1]
    for values in stages:
        session.use_secrets(turn.held.turned(values))
        session.preflight()
        wanted = session.made(commit, session.environment, session.templates)
        record = Record(wanted.id, wanted.commit, "deploy", migrations=False)
        deploy.roll_out(fleet, wanted, record, former_stay=True)
    return wanted


def refuse_missing(fleet: Fleet, wanted: Release) -> None:
    """Stop where a host still serves with the former value.

    :raises StepFailed: names them; both values are good.
    """
    there = fleet.with_code()
    left = {name: why for name in there.names if (why := lost_or_not_serving(there, name, wanted))}
    if left:
        told = "\n".join(f"  {name}: {why}" for name, why in left.items())
        raise StepFailed(
            f"the former value stays good, for some hosts may still use it:\n{told}",
            next="the same command again, when they are well",
        )


def lost_or_not_serving(fleet: Fleet, name: str, wanted: Release) -> str:
    """Say why a host may still use what was before; empty where it does not."""
    return "does not answer" if name in fleet.lost else why_not_serving(fleet, name, wanted)


def prove_gone(fleet: Fleet, wanted: Release, value: str) -> None:
    """Wait until no program runs any more that was started with a value, or for another release.

    :raises StepFailed: some do not end; both values are good.
    """
    there = fleet.with_code()
    times = [each.stop_timeout for each in fleet.environment.processes.values()]
    deadline = time.monotonic() + max(times, default=0) + BEYOND
    question = {"root": fleet.environment.app.root, "release": wanted.id, "values": list(dict.fromkeys(forms(value)))}
    waits = False
    while found := lingering(there, question):
        if not waits:
            fleet.report.note("", f"waiting for what still has the former value: {', '.join(found[:NAMED])}")
            waits = True
        if time.monotonic() > deadline:
            told = "\n".join(f"  {each}" for each in found[:NAMED])
            raise StepFailed(
                f"the former value stays good, for programs that have it still run:\n{told}",
                next="end them, then the same command again",
            )
        time.sleep(GLANCE)
    fleet.report.note("", f"no program of {', '.join(there.names)} has the former value any more")


def lingering(fleet: Fleet, question: Mapping[str, object]) -> list[str]:
    """Return the programs that still run with what was before, each with its host.

    :raises StepFailed: a host does not answer, so that nobody knows.
    """
    fleet.connections.refresh(fleet.names)
    answers = fleet.ask_all(reading.HOLDERS, question)
    if missing := [name for name in fleet.names if name not in answers]:
        raise StepFailed(
            f"the former value stays good, for {', '.join(missing)} cannot be asked what still runs there",
            next="the same command again, when it answers",
        )
    units = [
        f"{name}: {row['unit']} is {row['state']}"
        for name in fleet.names
        for row in fleet.facts(name).processes
        if not row["live"] and row["pid"]
    ]
    programs = [
        f"{name}: {each['program']} (process {each['pid']}{' of ' if each['unit'] else ''}{each['unit']})"
        for name, found in answers.items()
        for each in found
    ]
    return [*units, *programs]


def keep(fleet: Fleet, turn: Turn) -> None:
    """Have the source say in one step what counts from now on."""
    held, report, name = turn.held, fleet.report, turn.name
    gone = [each for each, value in turn.ends.items() if value is None]
    written = held.has_its_own(name)
    if fleet.dry:
        report.note("", f"would end with another {name} alone" if name in turn.ends else f"would remove {gone[0]}")
        return
    if written:
        store = held.sources.store
        assert store is not None
        store.turn(turn.holds, turn.ends)
    end = f"; {held.shared}" if written and held.shared else ""
    if name not in turn.ends:
        told = f"removed {gone[0]} from {held.name_of(name)}{end}" if written else f"remove {gone[0]}"
        level = "info" if written else "warning"
        report.note("", f"the former value of {name} is good nowhere any more; {told}", level)
        return
    kept_too = name + FORMER in turn.ends
    also = f", and the former one stays good: secrets.rotate {name} --end-former ends that" if kept_too else ""
    report.note("", f"{name} is another one now{also}{end}")
    if not written:
        told = f"Hawser cannot write it there: put the value of {name + NEXT} in the place of {name} now"
        told += f", the former one into {name + FORMER}" if kept_too else ""
        report.note("", f"{held.label_of(name)}: {told}, and remove {name + NEXT}", "warning")
