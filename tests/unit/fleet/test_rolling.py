"""What a rollout does when hosts fail: who is given up, who is put back, and what is left in the journals."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import HawserError, StepFailed, Unreachable
from hawser.fleet import kept
from hawser.fleet.rolling import RevertPlan, Rollout
from hawser.host.facts import Facts
from hawser.host.journal import SWITCH, Record
from hawser.session.connections import Connections as RealConnections
from hawser.session.progress import Progress

NAMES = ("web1", "web2", "web3")
BACK, WITHDRAW, CLOSE, RECORD = "back", "withdraw", "close", "record"
REVERT_PLAN: Any = RevertPlan(
    [BACK], [WITHDRAW], CLOSE, RECORD, lambda rolling, names: iter([(rolling.hosts.subset(names), nullcontext())])
)  # type: ignore[list-item, arg-type]


class Connections(RealConnections):
    """Lines to hosts that keep what was said of them, some of which answer again."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(SimpleNamespace())  # type: ignore[arg-type]
        self.stage = stage
        self.facts = {name: Facts(current="old", previous="older") for name in NAMES}
        self.locked = set(NAMES)

    def refresh(self, names: Any) -> None:
        pass

    def reopen(self, names: Any) -> None:
        self.forget_losses(self.stage.answering_again)


class Stage:
    """A fleet whose hosts fail where they are told to, and that remembers what was applied."""

    def __init__(self, failing: dict[str, tuple[str, ...]], **release: Any) -> None:
        settings = {"max_failures": 0, "unreachable": "fail", **release}
        self.environment: Any = SimpleNamespace(
            name="shop", leader="web1", release=SimpleNamespace(**settings), hosts=NAMES
        )
        self.failing = failing
        self.done: list[tuple[str, tuple[str, ...], str]] = []
        self.notes: list[str] = []
        self.results: list[str] = []
        self.connections = Connections(self)
        self.session: Any = SimpleNamespace(progress=Progress(), set_result=self.results.append)
        self.report: Any = SimpleNamespace(note=lambda host, text, level="info": self.notes.append(text))
        self.answering_again: tuple[str, ...] = ()
        # Hosts that wait for others, by the number of those before them.
        self.ranks: dict[str, int] = {}

    def named(self, identifier: str) -> Any:
        """Return a release."""
        return SimpleNamespace(
            id=identifier, environment=SimpleNamespace(host_rank=lambda name: self.ranks.get(name, 0))
        )


class Fleet:
    dry = False

    def __init__(self, stage: Stage, names: tuple[str, ...] = NAMES) -> None:
        self.stage = stage
        self.names = tuple(names)
        self.session, self.environment, self.report = stage.session, stage.environment, stage.report
        self.connections, self.lost = stage.connections, stage.connections.lost

    def subset(self, names: Any) -> Fleet:
        return Fleet(self.stage, tuple(names))

    def attempt(self, steps: Any, release: Any, phase: str = "") -> dict[str, str]:
        release = next(iter(release.values())) if isinstance(release, dict) else release
        for step in steps:
            waits = self.session.progress.rollout.waits
            self.stage.done.append((step, self.names, f"{release.id} waits for {','.join(waits)}" if waits else ""))
        failing = self.stage.failing.get(phase, ())
        return {name: f"{name}: broken" for name in self.names if name in failing}

    def failure(self, phase: str, failed: Any) -> StepFailed:
        return StepFailed(f"{phase} failed on {', '.join(failed)}")

    def apply(self, steps: Any, release: Any, phase: str = "") -> None:
        if failed := self.attempt(steps, release, phase):
            raise StepFailed(f"{phase} failed on {', '.join(failed)}")


@pytest.fixture(autouse=True)
def kept_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host keeps every release."""

    def releases(fleet: Fleet, identifier: str) -> Any:
        return dict.fromkeys(fleet.names, fleet.stage.named(identifier)), []

    monkeypatch.setattr(kept, "releases", releases)


def rolling(stage: Stage, phase: str = SWITCH) -> Rollout:
    record = Record("new", hosts=NAMES, phase=phase, migrated=True)
    return Rollout(Fleet(stage), stage.named("new"), record, REVERT_PLAN)  # type: ignore[arg-type]


def test_a_failure_puts_every_host_back_earlier_batches_too_and_closes_the_journals():
    stage = Stage({"switch 2": ("web2",)})
    one = rolling(stage)
    with pytest.raises(StepFailed, match="switch 2 failed on web2"), one.undo_on_failure():
        one.apply(one.hosts.subset(["web1"]), ["go"], "switch 1")  # type: ignore[list-item]
        one.apply(one.hosts.subset(["web2"]), ["go"], "switch 2")  # type: ignore[list-item]
    assert stage.done[2:] == [(BACK, NAMES, ""), (CLOSE, NAMES, "")]


def test_a_failure_that_is_allowed_puts_that_host_back_alone_and_the_others_go_on():
    stage = Stage({"switch": ("web2",)}, max_failures=1)
    one = rolling(stage)
    one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert stage.done[1:] == [(BACK, ("web2",), ""), (CLOSE, ("web2",), "new waits for web2")]
    one.apply(one.hosts, ["finish"], "finish")  # type: ignore[list-item]
    assert stage.done[-1] == ("finish", ("web1", "web3"), "")
    with pytest.raises(StepFailed, match="does not serve on web2"):
        one.end()


def test_one_failure_more_than_allowed_ends_the_rollout():
    stage = Stage({"switch": ("web2", "web3")}, max_failures=1)
    one = rolling(stage)
    with pytest.raises(StepFailed, match="web2, web3"), one.undo_on_failure():
        one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert (BACK, NAMES, "") in stage.done


def test_nobody_goes_on_without_the_leader_while_the_database_is_not_migrated():
    stage = Stage({"prepare": ("web1",)}, max_failures=2)
    one = rolling(stage)
    one.note(migrated=False, phase="prepare")
    with pytest.raises(StepFailed):
        one.apply(one.hosts, ["go"], "prepare")  # type: ignore[list-item]


def test_a_host_that_is_lost_is_skipped_where_the_settings_say_so():
    stage = Stage({"prepare": ("web3",)}, unreachable="skip")
    one = rolling(stage)
    stage.connections.lost["web3"] = Unreachable("no answer", host="web3")
    one.apply(one.hosts, ["go"], "prepare")  # type: ignore[list-item]
    assert one.remaining(one.hosts).names == ("web1", "web2")
    one.end()
    assert "does not serve on web3" in stage.notes[-1] and "resume" in stage.notes[-1]


def test_a_lost_host_that_answers_again_is_put_back_with_the_others():
    stage = Stage({"switch": ("web3",)})
    stage.answering_again = ("web3",)
    one = rolling(stage)
    stage.connections.lost["web3"] = Unreachable("the line is cut", host="web3")
    with pytest.raises(StepFailed), one.undo_on_failure():
        one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert stage.done[1:] == [(BACK, NAMES, ""), (CLOSE, NAMES, "")]


def test_the_journals_of_the_others_name_a_host_that_could_not_be_put_back():
    stage = Stage({"switch": ("web3",)})
    one = rolling(stage)
    stage.connections.lost["web3"] = Unreachable("the line is cut", host="web3")
    with pytest.raises(HawserError, match="no answer from web3") as error, one.undo_on_failure():
        one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert "fab -H shop resume" in str(error.value)
    assert stage.done[-1] == (CLOSE, ("web1", "web2"), "new waits for web3")


def test_hosts_that_go_back_further_than_one_release_go_each_to_their_own():
    stage = Stage({"switch": ("web2",)})
    stage.connections.facts["web1"] = Facts(current="other", previous="older")
    one = rolling(stage)
    with pytest.raises(StepFailed), one.undo_on_failure():
        one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert [done[:2] for done in stage.done[1:]] == [
        (BACK, ("web2", "web3")),
        (BACK, ("web1",)),
        (CLOSE, NAMES),
    ]


def test_hosts_that_others_wait_for_go_back_first_and_the_others_though_those_fail():
    stage = Stage({"switch": ("web2",), "put back old": ("web3",)})
    stage.ranks = {"web1": 1, "web2": 1}
    one = rolling(stage)
    with pytest.raises(HawserError, match="could be put back: put back old failed on web3"), one.undo_on_failure():
        one.apply(one.hosts, ["go"], "switch")  # type: ignore[list-item]
    assert [done[:2] for done in stage.done[1:]] == [(BACK, ("web3",)), (BACK, ("web1", "web2"))]


def test_a_failure_is_written_into_the_history_of_those_that_answer():
    stage = Stage({"prepare": ("web2",)})
    one = rolling(stage)
    stage.connections.lost["web2"] = Unreachable("gone", host="web2")
    with pytest.raises(StepFailed), one.recording_failure():
        one.apply(one.hosts, ["go"], "prepare")  # type: ignore[list-item]
    assert stage.results == ["failed: prepare failed on web2"]
    assert stage.done[-1][:2] == (RECORD, ("web1", "web3"))
    assert one.record.failed == "prepare failed on web2"
