"""Waiting for whoever is at work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from hawser import namespace
from hawser.session.connections import Connections
from hawser.tasks import lock
from hawser.tasks.collection import DEFAULTS

from ..simulated_hosts import NAME, STATE, World

HOSTS = ("web1", "web2", "web3")


@pytest.fixture
def waited(keepers: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what waits, and returns what was told; between two looks, something happens."""
    clock = [0.0]

    def waited(*happens: Callable[[], object], target: str = NAME, **options: object) -> str:
        left = list(happens)

        def sleep(seconds: float) -> None:
            clock[0] += seconds
            if left:
                left.pop(0)()

        # Not the module's own: other threads wait as well.
        monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
        error = keepers.give(lock.status.body, target, "lock.status", wait=True, **options)
        return capsys.readouterr().out + error

    return waited


def frees(world: World, name: str) -> Callable[[], None]:
    def free() -> None:
        world[name].holder = None

    return free


def test_the_lock_of_hosts_that_are_free_is_taken_at_once(keepers: World, waited: Callable[..., str]) -> None:
    told = waited()
    assert "nobody else is at work on web1, web2, web3" in told and "waiting" not in told


def test_who_is_waited_for_is_told_once(keepers: World, waited: Callable[..., str]) -> None:
    keepers["web2"].holder = "somebody"
    told = waited(int, int, int, frees(keepers, "web2"))
    assert told.count("waiting, for 30 min at most") == 1
    assert re.search(r"web2: x on y is at work on it since \S+ \S+ \(z\)", told)
    assert told.rstrip().endswith("nobody else is at work on web1, web2, web3")


def test_no_lock_is_held_before_all_can_be(
    keepers: World, waited: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keepers["web3"].holder = "somebody"
    taken: list[str] = []
    monkeypatch.setattr(Connections, "lock_reachable", lambda self, names: taken.append(str(keepers["web3"].holder)))
    waited(int, frees(keepers, "web3"))
    assert taken == ["None"]


def test_somebody_who_is_faster_is_waited_for_as_well(
    keepers: World, waited: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def look(fleet: object) -> list[str]:
        looked.append(1)
        return []

    monkeypatch.setattr(lock, "obstacles", look)
    keepers["web1"].holder = "somebody"
    told = waited(int, frees(keepers, "web1"))
    assert "x on y is at work on it" in told and "nobody else is at work" in told
    assert len(looked) == 3


def test_a_freeze_is_waited_for(keepers: World, waited: Callable[..., str]) -> None:
    entry = {"who": "ann", "from": "desk", "since": "0", "why": "the fair is on"}
    keepers["web1"].files[f"{STATE}/hold.json"] = json.dumps(entry)
    told = waited(int, lambda: keepers["web1"].files.pop(f"{STATE}/hold.json"))
    assert "web1: frozen by ann on desk" in told and "the fair is on" in told and "nobody else" in told


def test_the_waiting_ends_and_says_who_is_still_at_work(keepers: World, waited: Callable[..., str]) -> None:
    keepers["web1"].holder = "somebody"
    told = waited(minutes=5)
    assert "waited for 5 min; nothing was touched\nweb1: x on y is at work" in told
    assert "next: look with lock.status" in told


def test_who_waits_for_some_hosts_does_not_wait_for_others(keepers: World, waited: Callable[..., str]) -> None:
    keepers["web3"].holder = "somebody"
    assert "nobody else is at work on web1, web2" in waited(target="web1,web2")


def test_a_host_that_stops_answering_ends_the_waiting(keepers: World, waited: Callable[..., str]) -> None:
    keepers["web1"].holder = "somebody"

    def cut() -> None:
        keepers["web1"].answers = False

    assert "web1: no answer" in waited(cut)


def test_the_name_of_the_group_stands_for_its_status() -> None:
    assert "lock.status" in DEFAULTS and "lock" in namespace.task_names["lock.status"]
