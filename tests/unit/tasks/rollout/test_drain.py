"""Which web servers take a backend out while it restarts, and that they take it in again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hawser.errors import StepFailed
from hawser.host.facts import Facts
from hawser.inventory import Environment
from hawser.session.progress import Progress
from hawser.tasks.rollout import drain

SETTINGS: dict[str, Any] = {
    "name": "pier",
    "app": {"name": "pier", "repo": "."},
    "processes": {
        "back": {"groups": ["back"], "command": "back", "port": 8001},
        "web": {"groups": ["front"], "command": "web --bind unix:{{ socket }}"},
    },
    "site": {"domains": ["pier.test"], "groups": ["front"], "proxy": {"/": "back", "/web/": "web"}},
    "hosts": {
        "front1": {"groups": ["front"]},
        "front2": {"groups": ["front", "back"]},
        "back1": {"groups": ["back"]},
        "back2": {"groups": ["back"]},
    },
}


class Fleet:
    dry = True

    def __init__(self, names: tuple[str, ...], session: Any = None) -> None:
        self.names = names
        self.environment = Environment.model_validate(SETTINGS)
        facts = {name: Facts(current="old") for name in self.environment.hosts}
        self.session = session or SimpleNamespace(facts=facts, lost={}, progress=Progress(), done=[], failing="")
        self.lost = self.session.lost

    def subset(self, names: Any) -> Fleet:
        return Fleet(tuple(names), self.session)

    def required_hosts(self) -> Fleet:
        return self

    def facts(self, name: str) -> Facts:
        found: Facts = self.session.facts[name]
        return found

    def apply(self, steps: Any, releases: Any, phase: str) -> None:
        self.session.done.append((phase, self.names, ",".join(self.session.progress.drained)))


def fronts(fleet: Fleet, *batch: str) -> list[str]:
    return drain.fronts(fleet, fleet.subset(batch))  # type: ignore[arg-type]


@pytest.fixture
def fleet():
    return Fleet(tuple(SETTINGS["hosts"]))


def test_a_front_with_other_backends_takes_one_out(fleet):
    assert fronts(fleet, "back1") == ["front1"]


def test_a_front_that_asks_the_backend_beside_it_has_no_other(fleet):
    assert "front2" not in fronts(fleet, "front2", "back1")


def test_the_last_backends_of_a_front_stay_in(fleet):
    assert fronts(fleet, "front2", "back1", "back2") == []


def test_hosts_without_a_backend_are_taken_out_of_no_front(fleet):
    assert fronts(fleet, "front1") == []


def test_a_front_that_serves_nothing_yet_or_is_lost_is_left_alone(fleet):
    fleet.session.facts["front1"] = Facts()
    assert fronts(fleet, "back1") == []
    fleet.session.facts["front1"] = Facts(current="old")
    fleet.session.lost["front1"] = "gone"
    assert fronts(fleet, "back1") == []


def test_a_backend_is_out_meanwhile_and_in_afterwards(fleet):
    with drain.drained(fleet, fleet.subset(["back1"]), ["front1"], dict):
        assert fleet.session.done == [("take out back1", ("front1",), "back1")]
    assert fleet.session.done[1:] == [("take in back1", ("front1",), "")]
    assert fleet.session.progress.drained == ()


def test_a_backend_that_failed_stays_out_until_it_has_been_put_back(fleet):
    with pytest.raises(StepFailed), drain.drained(fleet, fleet.subset(["back1"]), ["front1"], dict, stays_out=True):
        raise StepFailed("no")
    assert len(fleet.session.done) == 1 and fleet.session.progress.drained == ("back1",)
    with drain.drained(fleet, fleet.subset(["back1"]), ["front1"], dict):
        pass
    assert fleet.session.done[1:] == [("take out back1", ("front1",), "back1"), ("take in back1", ("front1",), "")]


def test_a_backend_that_nobody_puts_back_is_taken_in_at_once(fleet):
    with pytest.raises(StepFailed), drain.drained(fleet, fleet.subset(["back1"]), ["front1"], dict):
        raise StepFailed("no")
    assert [done[0] for done in fleet.session.done] == ["take out back1", "take in back1"]
